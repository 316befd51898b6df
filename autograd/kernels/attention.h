#pragma once

// Scaled dot-product attention inside segments, forward and backward, tile by tile. A tile holds the scores of up to 64
// queries and 128 keys of one head of one segment, keys in rows and queries side by side, so that the softmax runs over
// vectors of queries and never across one.

#include <cstdint>
#include <span>

namespace saw::kernels {

/// (N, heads, width) with contiguous width; other strides in elements.
template <class T>
struct HeadRows {
  T* data;
  std::int64_t row, head;
};

/// What attention and relative attention read alike.
template <class T>
struct AttentionOperands {
  std::span<const std::int64_t> query_segments, key_segments;  // their offsets, as in Segments
  std::int64_t heads, width, value_width;
  HeadRows<const T> query, key, value;
  /// Query i of a segment has the position i + its segment's query_offset, and sees the keys position − left … position
  /// + right.
  std::int64_t left, right;
  T scale;
  /// Dropout on the weights: see attention_kept().
  double dropout;
  std::uint64_t seed, stream;

  std::int64_t segments() const { return static_cast<std::int64_t>(query_segments.size()) - 1; }
  std::int64_t first_query(std::int64_t segment) const { return query_segments[static_cast<std::size_t>(segment)]; }
  std::int64_t first_key(std::int64_t segment) const { return key_segments[static_cast<std::size_t>(segment)]; }
  std::int64_t queries(std::int64_t segment) const { return first_query(segment + 1) - first_query(segment); }
  std::int64_t keys(std::int64_t segment) const { return first_key(segment + 1) - first_key(segment); }
};

template <class T>
struct AttentionProblem : AttentionOperands<T> {
  /// The position of each segment's first query among its keys; empty: 0.
  std::span<const std::int64_t> query_offsets;
  /// Per head; the scores of keys at distance n lose slope · n. Empty: they do not.
  std::span<const double> alibi_slopes;
  /// (heads, Tq, Tk) with contiguous Tk, or null; bias_head is 0 where the heads share it.
  const T* bias;
  std::int64_t bias_head, bias_row;

  std::int64_t query_offset(std::int64_t segment) const {
    return query_offsets.empty() ? 0 : query_offsets[static_cast<std::size_t>(segment)];
  }
};

/// Whether dropout keeps the weight of key `key` (its position in the segment) for `head` of row `query_row` of all
/// queries. Four keys share a block of random words: the counter is (query_row · heads + head) · 2³² + key / 4.
bool attention_kept(std::int64_t query_row, std::int64_t heads, std::int64_t head, std::int64_t key, double dropout,
                    std::uint64_t seed, std::uint64_t stream);

/// output (Nq, heads, value_width) and logsumexp (Nq, heads) are contiguous. The logsumexp of a query that sees no key
/// is +∞, so that exp(score − logsumexp) is 0 for whatever score.
template <class T>
void attention_forward(const AttentionProblem<T>& problem, T* output, T* logsumexp);

/// What backward writes; all contiguous, null where not wanted.
template <class T>
struct AttentionGradients {
  T* query;  // (Nq, heads, width)
  T* key;    // (Nk, heads, width)
  T* value;  // (Nk, heads, value_width)
  T* bias;   // (bias_heads, bias_queries, bias_keys)
  std::int64_t bias_heads, bias_queries, bias_keys;
};

/// `output` and `logsumexp` are what forward wrote; grad_output (Nq, heads, value_width).
template <class T>
void attention_backward(const AttentionProblem<T>& problem, const T* output, const T* logsumexp,
                        HeadRows<const T> grad_output, const AttentionGradients<T>& gradients);

}  // namespace saw::kernels
