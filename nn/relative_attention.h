#pragma once

#include <mutex>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/relative_attention.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// The encodings of the distances k = length − 1, length − 2, …, 0, …, −(length − 1), in this order (Dai et al. 2019):
/// (2·length − 1, width), with R_k[2i] = sin(k · ω_i), R_k[2i + 1] = cos(k · ω_i), ω_i = 10000^(−2i/width). The sine
/// tells past (k > 0) from future. Throws Error(argument) for a length below 1.
Tensor relative_positions(std::int64_t length, std::int64_t width, DType dtype = float32);

/// What RelativeMultiHeadAttention looks at, and how.
struct RelativeMultiHeadAttentionOptions {
  double dropout = 0.0;  ///< on the attention weights, in training
  bool bias = true;      ///< of the projections of queries, keys, values and of the output; that of positions has none
  /// Which positions see which, and the scale (default 1/√d); its own dropout must stay 0.
  AttentionOptions attention = AttentionOptions::full();
};

/// Multi-head self-attention with relative positions (Dai et al. 2019, Transformer-XL), as the Conformer has it (Gulati
/// et al. 2020), inside each segment. For every head, with d = width / heads,
///
///   score(i, j) = ((q_i + u) · k_j + (q_i + v) · W_R R_{i−j}) / √d,   y_i = Σ_j softmax_j(score(i, j)) value_j
///
/// and the heads, side by side, go through `out_proj`. R_k is relative_positions(): any length will do, also one that
/// was never trained on. Parameters: `in_proj_weight` (3·width, width), the rows of W_q, W_k and W_v in turn, Xavier
/// uniform at first, `in_proj_bias` (3·width), 0 at first, and `out_proj`, a Linear with bias 0, as in
/// MultiHeadAttention; `linear_pos`, a Linear without bias: W_R; `pos_bias_u` and `pos_bias_v` (heads, d): u and v,
/// Xavier uniform at first. (The last three have ESPnet's names.)
class RelativeMultiHeadAttention : public Module {
 public:
  using Options = RelativeMultiHeadAttentionOptions;

  /// Throws Error(argument) unless heads divides width.
  RelativeMultiHeadAttention(std::int64_t width, std::int64_t heads,
                             const RelativeMultiHeadAttentionOptions& options = {});

  /// Every row of x (N, width) asks the rows of its own segment; (N, width).
  Tensor forward(const Tensor& x, const Segments& segments) const;

  /// The next rows of each segment, after those of which `past` has keys and values (at first none: {}); theirs are
  /// added, and what no later row will see is forgotten. Gives what forward() gives for these rows among all, when the
  /// options let no row look ahead; throws Error(argument) when they do.
  Tensor step(const Tensor& x, const Segments& segments, KeysAndValues& past) const;

  /// The attention weights of one segment, for looking at: (heads, T, T), rows are queries. No dropout, no gradient.
  Tensor weights(const Tensor& x, const Segments& segments, std::int64_t segment) const;

 private:
  struct Projected {
    Tensor query, key, value;  // (N, heads, d), views of one product
    Tensor positions;          // (2P − 1, heads, d), P the longest segment
  };

  /// Positions for segments of up to that length.
  Projected project(const Tensor& x, const Segments& segments, std::int64_t length) const;
  /// relative_positions() of that length, from the middle of what is kept.
  Tensor encodings(std::int64_t length, DType dtype) const;

  std::int64_t width_;
  std::int64_t heads_;
  RelativeMultiHeadAttentionOptions options_;
  const Tensor& in_proj_weight_;
  const Tensor& in_proj_bias_;
  Linear& out_proj_;
  Linear& linear_pos_;
  const Tensor& pos_bias_u_;
  const Tensor& pos_bias_v_;
  // Encodings for the longest segment met so far; forward may run on several threads at once.
  mutable std::mutex encodings_mutex_;
  mutable Tensor encodings_;
};

}  // namespace nn
}  // namespace saw
