#pragma once

// Self-attention with relative positions (Transformer-XL) inside segments, forward and backward, a tile of queries at a
// time. Queries are the rows of a tile, and what they have to do with distances is stored so that its diagonals are
// the rows of what they have to do with keys: nothing is ever shifted (relative_attention_tiles-inl.h).

#include <cstdint>

#include "saw/autograd/kernels/attention.h"

namespace saw::kernels {

/// score(i, j) = scale · ((query_i + u) · key_j + (query_i + v) · positions_{i−j})
template <class T>
struct RelativeAttentionProblem : AttentionOperands<T> {  // query_segments and key_segments are the same
  HeadRows<const T> positions;                            // rows for the distances reach, reach − 1, …, −reach
  std::int64_t reach;                                     // at least the longest segment − 1
  const T* content_bias;                                  // u (heads, width), contiguous
  const T* position_bias;                                 // v (heads, width), contiguous
};

/// output (N, heads, value_width) and logsumexp of the scores (N, heads) are contiguous.
template <class T>
void relative_attention_forward(const RelativeAttentionProblem<T>& problem, T* output, T* logsumexp);

/// What backward writes; all contiguous, null where not wanted.
template <class T>
struct RelativeAttentionGradients {
  T* query;          // (N, heads, width)
  T* key;            // (N, heads, width)
  T* value;          // (N, heads, value_width)
  T* positions;      // (2·reach + 1, heads, width)
  T* content_bias;   // (heads, width)
  T* position_bias;  // (heads, width)

  bool of_positions() const { return positions != nullptr || content_bias != nullptr || position_bias != nullptr; }
};

/// `output` and `logsumexp` are what forward wrote; grad_output (N, heads, value_width).
template <class T>
void relative_attention_backward(const RelativeAttentionProblem<T>& problem, const T* output, const T* logsumexp,
                                 HeadRows<const T> grad_output, const RelativeAttentionGradients<T>& gradients);

}  // namespace saw::kernels
