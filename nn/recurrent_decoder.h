#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"
#include "saw/nn/recurrent.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// For RecurrentDecoder.
struct RecurrentDecoderOptions {
  std::int64_t input_size = 0;       ///< width of the rows; must be given
  std::int64_t hidden_size = 0;      ///< H, units of the recurrent net; must be given
  std::int64_t memory_size = 0;      ///< M, width of the memory's rows; must be given
  std::int64_t attention_size = -1;  ///< A, width in which queries and keys are compared; −1: H
  std::int64_t output_size = -1;     ///< width of the result; −1: H
};

/// What a RecurrentDecoder keeps of the sequences that it writes. Several sequences may ask the same text of the
/// memory, as the hypotheses of a beam do. Copying is cheap.
struct RecurrentDecoderState {
  Tensor hidden;                               ///< (sequences, H)
  KeysAndValues memory;                        ///< keys (Nm, A) and rows (Nm, M), a segment for each text
  std::vector<std::int64_t> text_of_sequence;  ///< which segment of the memory a sequence asks

  /// How many sequences there are.
  std::int64_t count() const { return static_cast<std::int64_t>(text_of_sequence.size()); }
  /// The sequences with these numbers in this order, some more than once, others not at all. Throws Error(index) for a
  /// number that is none.
  RecurrentDecoderState select(std::span<const std::int64_t> sequences) const;
};

/// A recurrent net that asks a memory before each step (Bahdanau et al. 2015): what Transformers took the place of. For
/// row x_i of a sequence and the memory's rows m_j in the segment of the same number,
///
///   e_ij = w · tanh(W_q s_{i−1} + W_k m_j),  α_i = softmax_j(e_ij),  c_i = Σ_j α_ij m_j
///   s_i = GRU([x_i, c_i], s_{i−1}),  s_0 = tanh(W_b mean_j(m_j)),  y_i = tanh(W_o [x_i, s_i, c_i])
///
/// with biases in W_k, W_b and W_o. (The paper has s_0 of the backward net's first state and maxout in y.) Modules
/// `query`, `key`, `bridge`, `gru`, `combine`, parameter `score_weight` (A). Rows of zero-length memories have c_i = 0.
///
///   Tensor hidden = decoder.forward(embedded, segments, memory, memory_segments);   // training: all rows
///
///   RecurrentDecoderState state = decoder.begin(memory, memory_segments);           // decoding: a row at a time
///   Tensor hidden = decoder.step(embedded_row_of_each, state);                      // the same bits
class RecurrentDecoder : public Module {
 public:
  using Options = RecurrentDecoderOptions;

  /// Throws Error(argument) for sizes below 1.
  explicit RecurrentDecoder(const RecurrentDecoderOptions& options);

  /// x (N, input_size) → (N, output_size). The batch shrinks as sequences end: no step is made for a row that is not
  /// there.
  Tensor forward(const Tensor& x, const Segments& segments, const Tensor& memory,
                 const Segments& memory_segments) const;

  /// An empty sequence for each segment of the memory (Nm, M).
  RecurrentDecoderState begin(const Tensor& memory, const Segments& memory_segments) const;
  /// The next row of each sequence, x (sequences, input_size) → (sequences, output_size). Throws Error(shape) where
  /// there is not one for each.
  Tensor step(const Tensor& x, RecurrentDecoderState& state) const;

  /// Where each row of one segment looks in its memory: α (T, Tm). No gradient.
  Tensor memory_weights(const Tensor& x, const Segments& segments, const Tensor& memory,
                        const Segments& memory_segments, std::int64_t segment) const;

 private:
  struct Step {
    Tensor weights;  // (rows of the memory)
    Tensor context;  // (sequences, M)
    Tensor hidden;   // (sequences, H)
  };
  /// One row of each sequence, whose memory is the segment of the same number.
  Step advance(const Tensor& x, const Tensor& hidden, const KeysAndValues& memory) const;
  Tensor combine(const Tensor& x, const Tensor& hidden, const Tensor& context) const;
  void check(const Tensor& x, const Segments& segments, const Tensor& memory, const Segments& memory_segments) const;

  std::int64_t input_size_;
  std::int64_t memory_size_;
  Linear& query_;
  Linear& key_;
  const Tensor& score_weight_;
  Linear& bridge_;
  GRU& gru_;
  Linear& combine_;
};

}  // namespace nn
}  // namespace saw
