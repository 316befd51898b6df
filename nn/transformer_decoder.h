#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/module.h"
#include "saw/nn/transformer.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// What a TransformerDecoder keeps of the sequences that it writes, so that a new row costs no more than itself: keys
/// and values of the rows until now, and of the memory. Several sequences may ask the same part of the memory, as the
/// hypotheses of a beam do; it is there once. Copying is cheap.
struct DecoderState {
  std::vector<KeysAndValues> past;             ///< of each layer, a segment for each sequence
  std::vector<KeysAndValues> memory;           ///< of each layer, a segment for each text
  std::vector<std::int64_t> text_of_sequence;  ///< which segment of the memory a sequence asks; ascending
  std::vector<std::int64_t> lengths;           ///< rows of each sequence until now

  /// How many sequences there are.
  std::int64_t count() const { return static_cast<std::int64_t>(lengths.size()); }
  /// The sequences with these numbers in this order, some more than once, others not at all. Throws Error(index) for a
  /// number that is none, Error(argument) where sequences of one text would no longer lie together.
  DecoderState select(std::span<const std::int64_t> sequences) const;
};

/// One layer of a decoder (Vaswani et al. 2017): self-attention in which no position sees those behind it, attention to
/// a memory, then a net that sees one position at a time. x (N, width) keeps its shape.
///
///   post-norm: x ← LayerNorm(x + Attention(x)),  x ← LayerNorm(x + Attention(x, memory)),  x ← LayerNorm(x + F(x))
///   pre-norm:  the same with x ← x + Attention(LayerNorm(x)), …
///
/// Names as in PyTorch: self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3. TransformerOptions::attention
/// says what self-attention sees to the left; to the right it sees nothing.
class TransformerDecoderLayer : public Module {
 public:
  using Options = TransformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit TransformerDecoderLayer(const TransformerOptions& options);

  /// The rows of x ask their own segment up to themselves, and the memory (Nm, width) in the segment of the same
  /// number.
  Tensor forward(const Tensor& x, const Segments& segments, const Tensor& memory,
                 const Segments& memory_segments) const;

  /// Keys and values of the memory for step().
  KeysAndValues project_memory(const Tensor& memory, const Segments& memory_segments) const;
  /// The next rows of each sequence, after `past`, to which theirs are added; sequences of segment b of `texts` ask
  /// segment b of the memory.
  Tensor step(const Tensor& x, const Segments& segments, KeysAndValues& past, const KeysAndValues& memory,
              const Segments& texts) const;
  /// How the rows of one segment look at the memory, for input x: (heads, T, Tm). No gradient.
  Tensor memory_weights(const Tensor& x, const Segments& segments, const Tensor& memory,
                        const Segments& memory_segments, std::int64_t segment) const;

 private:
  template <class SelfAttention, class MemoryAttention>
  Tensor run(const Tensor& x, const SelfAttention& to_itself, const MemoryAttention& to_memory) const;
  Tensor feed_forward(const Tensor& x) const;

  Activation activation_;
  bool pre_norm_;
  MultiHeadAttention& self_attn_;
  MultiHeadAttention& multihead_attn_;
  Linear& linear1_;
  Dropout& dropout_;
  Linear& linear2_;
  LayerNorm& norm1_;
  LayerNorm& norm2_;
  LayerNorm& norm3_;
  Dropout& dropout1_;
  Dropout& dropout2_;
  Dropout& dropout3_;
};

/// A stack of decoder layers, `layers.0`, `layers.1`, …, and with final_norm a `norm`. It knows nothing of positions:
/// add SinusoidalPositions or LearnedPositions before it.
///
///   Tensor hidden = decoder.forward(embedded, segments, memory, memory_segments);   // training: all rows at once
///
///   DecoderState state = decoder.begin(memory, memory_segments);                    // one sequence for each text
///   Tensor hidden = decoder.step(embedded_row_of_each, state);                      // decoding: a row at a time
///
/// step() gives the bits that forward() gives for the same rows.
class TransformerDecoder : public Module {
 public:
  using Options = TransformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit TransformerDecoder(const TransformerOptions& options);

  /// x (N, width) keeps its shape; segment b of it asks segment b of the memory (Nm, width).
  Tensor forward(const Tensor& x, const Segments& segments, const Tensor& memory,
                 const Segments& memory_segments) const;

  /// An empty sequence for each segment of the memory.
  DecoderState begin(const Tensor& memory, const Segments& memory_segments) const;
  /// The next row of each sequence, x (sequences, width); adds them to the state. Throws Error(shape) where there is
  /// not one for each.
  Tensor step(const Tensor& x, DecoderState& state) const;
  /// Any number of next rows of each, as where a beginning is given.
  Tensor step(const Tensor& x, const Segments& segments, DecoderState& state) const;

  /// What each layer looks at in the memory of one segment: layers × (heads, T, Tm). No gradient.
  TensorList memory_weights(const Tensor& x, const Segments& segments, const Tensor& memory,
                            const Segments& memory_segments, std::int64_t segment) const;

 private:
  ModuleList<TransformerDecoderLayer>& layers_;
  const LayerNorm* norm_;
};

}  // namespace nn
}  // namespace saw
