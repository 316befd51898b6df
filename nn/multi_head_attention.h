#pragma once

#include <optional>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/attention.h"
#include "saw/autograd/ops/rotary.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// What MultiHeadAttention looks at, and how; the defaults are PyTorch's.
struct MultiHeadAttentionOptions {
  double dropout = 0.0;           ///< on the attention weights, in training
  bool bias = true;               ///< of all four projections
  std::int64_t key_width = -1;    ///< of the rows that keys are made of; −1: the same as of the queries
  std::int64_t value_width = -1;  ///< of the rows that values are made of; −1: the same as of the queries
  /// Which positions see which, the scale (default 1/√d), linear biases; its own dropout must stay 0, and query_offsets
  /// go with each call.
  AttentionOptions attention = AttentionOptions::full();
  /// Turn queries and keys by their positions (RoFormer); the width of a head must be even.
  std::optional<RotaryOptions> rotary = std::nullopt;
};

/// Multi-head attention (Vaswani et al. 2017) inside each segment:
///
///   Concat(head₁ … head_h) W_o,  head_i = softmax(q_i k_iᵀ / √d) v_i,  q = x W_qᵀ + b_q, …,  d = width / heads
///
/// Parameters as in PyTorch: `in_proj_weight` (3·width, width), the rows of W_q, W_k and W_v in turn, or
/// `q_proj_weight`, `k_proj_weight`, `v_proj_weight` (width, …) where the widths differ, Xavier uniform at first;
/// `in_proj_bias` (3·width), 0 at first; `out_proj`, a Linear with bias 0.
///
/// Decoding, one row of every sequence at a time, each attending to itself and to what came before:
///
///   KeysAndValues past = attention.project_keys(first, first, segments);
///   …
///   past = past.append(attention.project_keys(x, x, one_each, lengths));   // lengths: those of `past` until now
///   y = attention.attend(x, one_each, past, lengths);
class MultiHeadAttention : public Module {
 public:
  using Options = MultiHeadAttentionOptions;

  /// Throws Error(argument) unless heads divides width.
  MultiHeadAttention(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options = {});

  /// Self-attention: every row of x (N, width) asks the rows of its own segment; (N, width). `bias` is added to the
  /// scores as in saw::attention: (heads, T, T) or (1, T, T).
  Tensor forward(const Tensor& x, const Segments& segments, const Tensor& bias = {}) const;
  /// Cross-attention: the rows of query (Nq, width) ask those of memory (Nm, key_width) in the segment of the same
  /// number.
  Tensor forward(const Tensor& query, const Tensor& memory, const Segments& query_segments,
                 const Segments& memory_segments, const Tensor& bias = {}) const;
  /// The same with keys (Nk, key_width) and values (Nk, value_width) of their own.
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const Segments& query_segments,
                 const Segments& key_segments, const Tensor& bias = {}) const;

  /// The projections of keys (Nk, key_width) and values (Nk, value_width), in heads, for attend(). `offsets` are the
  /// positions of each segment's first row (rotary positions ask for them); empty: 0.
  KeysAndValues project_keys(const Tensor& key, const Tensor& value, const Segments& segments,
                             const std::vector<std::int64_t>& offsets = {}) const;
  /// The rows of query (Nq, width) ask keys and values that were projected before; (Nq, width). `query_offsets` are the
  /// positions of each segment's first query among its keys; empty: 0. `bias` as above, (heads or 1, Tq, Tk).
  Tensor attend(const Tensor& query, const Segments& query_segments, const KeysAndValues& memory,
                const std::vector<std::int64_t>& query_offsets = {}, const Tensor& bias = {}) const;

  /// The attention weights of one segment, for looking at: (heads, T, T), rows are queries. No dropout, no gradient.
  Tensor weights(const Tensor& x, const Segments& segments, std::int64_t segment, const Tensor& bias = {}) const;
  /// The same for cross-attention: (heads, Tq, Tk).
  Tensor weights(const Tensor& query, const Tensor& memory, const Segments& query_segments,
                 const Segments& memory_segments, std::int64_t segment, const Tensor& bias = {}) const;

 private:
  struct Projected {
    Tensor query;  // (Nq, heads, d)
    Tensor key;    // (Nk, heads, d)
    Tensor value;  // (Nk, heads, d)
  };

  Projected project(const Tensor& x, const Segments& segments) const;
  Projected project(const Tensor& query, const Tensor& key, const Tensor& value, const Segments& query_segments,
                    const Segments& key_segments) const;
  /// One of the three projections (0: queries), in heads, without positions.
  Tensor project_one(std::int64_t which, const Tensor& rows) const;
  /// Turned by their positions if the options say so.
  Tensor with_positions(const Tensor& heads, const Segments& segments, const std::vector<std::int64_t>& offsets) const;
  Tensor attend_heads(const Projected& projected, const Segments& query_segments, const Segments& key_segments,
                      const std::vector<std::int64_t>& query_offsets, const Tensor& bias) const;
  Tensor split_heads(const Tensor& rows) const;

  std::int64_t width_;
  std::int64_t heads_;
  MultiHeadAttentionOptions options_;
  bool stacked_;  // one in_proj_weight for queries, keys and values
  const Tensor& in_proj_weight_;
  const Tensor& q_proj_weight_;
  const Tensor& k_proj_weight_;
  const Tensor& v_proj_weight_;
  const Tensor& in_proj_bias_;
  Linear& out_proj_;
};

}  // namespace nn
}  // namespace saw
