#pragma once

// What the schedule of attention (attention.cpp) and its per-target code (attention_tiles-inl.h) agree on.

#include <algorithm>
#include <cstdint>

#include "saw/autograd/kernels/attention.h"
#include "saw/autograd/kernels/attention_schedule.h"

namespace saw::kernels {

/// The tiles begin at multiples of these within a segment, whoever computes them: sums over tiles then have the same
/// order, and results the same bits, however the work is cut into tasks.
inline constexpr std::int64_t attention_query_tile = 64;
inline constexpr std::int64_t attention_key_tile = 128;

/// A head of a segment with some of its queries and keys (whole tiles, or up to the end), and which gradients of them
/// are wanted.
struct AttentionTask {
  std::int64_t segment, head;
  std::int64_t query_begin, query_end;
  std::int64_t key_begin, key_end;
  bool query_gradient, key_gradient, bias_gradient;
};

/// Scratch memory of one thread's task, laid out in one piece.
template <class T>
struct AttentionWorkspace {
  T* query;        // (width, queries): the tile's queries, transposed
  T* grad_output;  // (value_width, queries), likewise
  T* scores;       // (keys, queries)
  T* gradients;    // (keys, queries): of the scores
  T* bias;         // (keys, queries)
  T* factors;      // (keys, queries): what dropout multiplies by
  T* sums;         // (queries, width or value_width): output, or gradient of the queries
  T* rows;         // (4, queries)
  T* key_sums;     // (keys of the task, width)
  T* value_sums;   // (keys of the task, value_width)

  static std::int64_t size(const AttentionProblem<T>& problem, std::int64_t task_keys) {
    constexpr std::int64_t q = attention_query_tile, k = attention_key_tile;
    const std::int64_t widths = problem.width + problem.value_width;
    return q * (widths + 4 * k + std::max(problem.width, problem.value_width) + 4) + task_keys * widths;
  }
  AttentionWorkspace(const AttentionProblem<T>& problem, std::int64_t task_keys, T* memory) {
    constexpr std::int64_t q = attention_query_tile, k = attention_key_tile;
    const auto take = [&memory](std::int64_t count) {
      T* begin = memory;
      memory += count;
      return begin;
    };
    query = take(q * problem.width);
    grad_output = take(q * problem.value_width);
    scores = take(q * k);
    gradients = take(q * k);
    bias = take(q * k);
    factors = take(q * k);
    sums = take(q * std::max(problem.width, problem.value_width));
    rows = take(q * 4);
    key_sums = take(task_keys * problem.width);
    value_sums = take(task_keys * problem.value_width);
  }
};

}  // namespace saw::kernels
