#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/attention.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Self-attention with relative positions (Dai et al. 2019, Transformer-XL) inside each segment:
///
///   score(i, j) = ((q_i + u) · k_j + (q_i + v) · r_{i−j}) · scale,   y_i = Σ_j softmax_j(score(i, j)) value_j
///
/// query, key (N, heads, d), value (N, heads, dv); `content_bias` u and `position_bias` v (heads, d); `positions`
/// (2P − 1, heads, d) holds r for the distances P − 1, P − 2, …, 0, …, −(P − 1) in this order, P at least the longest
/// segment: its middle row is r₀, a position's past lies above it. Rows for distances that no segment has are not
/// looked at. Result (N, heads, dv). Window, scale and dropout as options of attention().
///
/// There is no mask, no padding and no shift: the scores of 64 queries of one head exist at a time (for each running
/// task), forward or backward, each computed where it is used. A sequence gets the same bits alone and in a batch; the
/// gradients that segments share are summed in an order that depends on their lengths alone. Projections that lie side
/// by side in one tensor are read where they are: any strides will do as long as the width is contiguous, else a copy
/// is made. A backward that is itself recorded (create_graph) looks up r_{i−j} for every pair: (T, T, heads, d). Throws
/// Error(shape), Error(dtype) for operands that do not fit, Error(argument) for options that do not.
Tensor relative_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& positions,
                          const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                          const AttentionOptions& options = {});

/// The weights that relative_attention() uses, for looking at: (heads, T, T) of one segment, without dropout. No
/// gradient is recorded.
Tensor relative_attention_weights(const Tensor& query, const Tensor& key, const Tensor& positions,
                                  const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                                  std::int64_t segment, const AttentionOptions& options = {});

}  // namespace saw
