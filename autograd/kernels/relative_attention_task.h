#pragma once

// What the schedule of relative attention (relative_attention.cpp) and its per-target code
// (relative_attention_tiles-inl.h) agree on.

#include <algorithm>
#include <cstdint>

#include "saw/autograd/kernels/attention_schedule.h"
#include "saw/autograd/kernels/relative_attention.h"

namespace saw::kernels {

/// Tiles of queries begin at multiples of this within a segment, however the work is cut into tasks.
inline constexpr std::int64_t relative_query_tile = 64;

/// Products with distances are made for this many neighbouring queries at a time: n of them and K keys have K + n − 1
/// distances between them, so that of what is computed only n − 1 in K + n − 1 is not needed.
inline constexpr std::int64_t relative_diagonal_block = 8;

/// `count` elements rounded up to an odd number of cache lines, so that rows of that stride do not meet in a few sets
/// of the cache.
template <class T>
constexpr std::int64_t padded_row(std::int64_t count) {
  constexpr std::int64_t line = 64 / sizeof(T);
  return ((count + line - 1) / line | 1) * line;
}

/// The rows of `positions` that the segments can ask for, transposed for every head: (heads, width, stride), column c
/// for distance reach − c.
template <class T>
struct TransposedPositions {
  std::int64_t reach;  // the longest segment − 1
  std::int64_t stride;
  const T* data;

  const T* of_head(std::int64_t head, std::int64_t width) const { return data + head * width * stride; }
};

/// A head of a segment, with some of its queries (whole tiles, or up to the end).
struct RelativeTask {
  std::int64_t segment, head;
  std::int64_t query_begin, query_end;
};

/// Scratch memory of one thread's task, laid out in one piece. `length`: of the longest segment of the task.
template <class T>
struct RelativeWorkspace {
  std::int64_t key_stride;  // of keys and values
  T* keys;                  // (width, key_stride): the segment's keys, transposed
  T* values;                // (value_width, key_stride): likewise; for backward
  T* content;               // (queries, width): scale · (q + u)
  T* position;              // (queries, width): scale · (q + v)
  T* scores;                // (queries, keys + queries − 1): by distance
  T* gradients;             // likewise; for backward
  T* factors;               // (keys): what dropout multiplies a row by
  T* sums;                  // (queries, width or value_width)
  T* position_sums;         // (queries, width); for backward
  T* rows;                  // (2, queries)

  static std::int64_t size(const RelativeAttentionProblem<T>& problem, std::int64_t length, bool backward) {
    return RelativeWorkspace().lay_out(problem, length, backward, nullptr);
  }
  RelativeWorkspace(const RelativeAttentionProblem<T>& problem, std::int64_t length, bool backward, T* memory) {
    lay_out(problem, length, backward, memory);
  }

 private:
  RelativeWorkspace() = default;

  /// Returns the number of elements.
  std::int64_t lay_out(const RelativeAttentionProblem<T>& problem, std::int64_t length, bool backward, T* memory) {
    constexpr std::int64_t q = relative_query_tile;
    const std::int64_t width = problem.width, value_width = problem.value_width;
    const std::int64_t window = std::min(problem.left, length) + std::min(problem.right, length) + q;
    const std::int64_t scored = std::min(length, window) + q - 1;
    std::int64_t total = 0;
    const auto take = [&](T*& part, std::int64_t count) {
      part = memory == nullptr ? nullptr : memory + total;
      total += padded_row<T>(count);
    };
    key_stride = padded_row<T>(length);
    take(keys, width * key_stride);
    take(values, backward ? value_width * key_stride : 0);
    take(content, q * width);
    take(position, q * width);
    take(scores, q * scored);
    take(gradients, backward ? q * scored : 0);
    take(factors, problem.dropout > 0 ? scored : 0);
    take(sums, q * std::max(width, value_width));
    take(position_sums, backward ? q * width : 0);
    take(rows, 2 * q);
    return total;
  }
};

/// The gradients that all segments share, as one task gathers them from some of the segments.
template <class T>
struct SharedGradients {
  T* positions;      // (2·reach + 1, width), reach that of TransposedPositions
  T* content_bias;   // (width)
  T* position_bias;  // (width)
};

}  // namespace saw::kernels
