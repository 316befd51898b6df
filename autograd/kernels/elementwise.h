#pragma once

// For sources, not for users: the loop under every elementwise kernel. It owns strides, broadcasting and threads.
//
//   const auto nest = make_loop_nest<3>(shape, {out_strides, a_strides, b_strides});
//   map(nest, cheap_grain, [](float a, float b) { return a + b; }, out, a, b);

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/base/shape.h"

namespace saw::kernels {

/// Elements per chunk of work: for ops that wait for memory, and for ops that compute (exp, pow, …).
inline constexpr std::int64_t cheap_grain = 65536;
inline constexpr std::int64_t costly_grain = 8192;

/// Strides with which an operand of `shape` walks over `target`: 0 along axes that it stretches or lacks.
/// The shapes must broadcast.
inline Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& target) {
  Strides result = Shape::filled(target.size(), 0);
  const std::size_t missing = target.size() - shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1 || target[missing + i] == 1) result[missing + i] = strides[i];
  return result;
}

/// Nested loops over K operands: as few axes as possible, the innermost last. Operand 0 is the one that is written.
template <std::size_t K>
struct LoopNest {
  std::size_t rank = 0;
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::array<std::array<std::int64_t, K>, Shape::max_rank> strides{};  // [axis][operand]

  /// Elements of the innermost loop; 1 for a single element.
  std::int64_t inner_size() const { return rank == 0 ? 1 : sizes[rank - 1]; }
  std::int64_t inner_stride(std::size_t operand) const { return rank == 0 ? 1 : strides[rank - 1][operand]; }
  std::int64_t rows() const {
    std::int64_t product = 1;
    for (std::size_t axis = 0; axis + 1 < rank; ++axis) product *= sizes[axis];
    return product;
  }
  /// Where the operands stand at the beginning of a row.
  std::array<std::int64_t, K> row_offsets(std::int64_t row) const {
    std::array<std::int64_t, K> offsets{};
    for (std::size_t axis = rank - (rank > 0); axis-- > 0;) {
      const std::int64_t i = row % sizes[axis];
      row /= sizes[axis];
      for (std::size_t k = 0; k < K; ++k) offsets[k] += i * strides[axis][k];
    }
    return offsets;
  }
};

/// Drops axes of size 1, puts the axis along which operand 0 is densest last, and merges axes that are one run for
/// every operand. `shape` must have no axis of size 0: there is nothing to loop over.
template <std::size_t K>
LoopNest<K> make_loop_nest(const Shape& shape, const std::array<Strides, K>& strides) {
  LoopNest<K> nest;
  std::array<std::size_t, Shape::max_rank> order{};
  std::size_t count = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (shape[axis] != 1) order[count++] = axis;
  std::stable_sort(order.begin(), order.begin() + count,
                   [&](std::size_t a, std::size_t b) { return strides[0][a] > strides[0][b]; });
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t axis = order[i];
    bool merges = nest.rank > 0;
    for (std::size_t k = 0; k < K && merges; ++k)
      merges = nest.strides[nest.rank - 1][k] == strides[k][axis] * shape[axis];
    if (merges) {
      nest.sizes[nest.rank - 1] *= shape[axis];
    } else {
      nest.sizes[nest.rank++] = shape[axis];
    }
    for (std::size_t k = 0; k < K; ++k) nest.strides[nest.rank - 1][k] = strides[k][axis];
  }
  return nest;
}

/// Calls row(offsets, n) for runs of n elements along the innermost axis that together cover the nest; `offsets` are
/// the operands' positions at the first of them. Runs are cut at multiples of `grain`, whatever the number of threads.
template <std::size_t K, class Row>
void for_each_row(const LoopNest<K>& nest, std::int64_t grain, Row&& row) {
  const std::int64_t n = nest.inner_size();
  const std::int64_t pieces = (n + grain - 1) / grain;  // a long row is work for several threads
  const std::int64_t piece_size = pieces == 1 ? n : grain;
  if (nest.rank <= 1) {
    parallel_for(0, n, grain, [&](std::int64_t begin, std::int64_t end) {
      std::array<std::int64_t, K> offsets;
      for (std::size_t k = 0; k < K; ++k) offsets[k] = begin * nest.inner_stride(k);
      row(offsets, end - begin);
    });
    return;
  }
  parallel_for(0, nest.rows() * pieces, std::max<std::int64_t>(1, grain / piece_size),
               [&](std::int64_t begin, std::int64_t end) {
                 std::int64_t index = begin / pieces;
                 std::int64_t piece = begin % pieces;
                 std::array<std::int64_t, K> start = nest.row_offsets(index);
                 for (std::int64_t unit = begin; unit < end; ++unit) {
                   std::array<std::int64_t, K> offsets = start;
                   for (std::size_t k = 0; k < K; ++k) offsets[k] += piece * piece_size * nest.inner_stride(k);
                   row(offsets, std::min(piece_size, n - piece * piece_size));
                   if (++piece < pieces) continue;
                   piece = 0;
                   ++index;
                   // The next row mostly is one step along the last outer axis; anything else counts anew.
                   const std::size_t outer = nest.rank - 2;
                   if (index % nest.sizes[outer] != 0) {
                     for (std::size_t k = 0; k < K; ++k) start[k] += nest.strides[outer][k];
                   } else if (unit + 1 < end) {
                     start = nest.row_offsets(index);
                   }
                 }
               });
}

namespace detail {

template <class F, class R, class... A, std::size_t... I>
void map_row(std::int64_t n, const std::array<std::int64_t, sizeof...(A) + 1>& strides, const F& f, R* out,
             std::index_sequence<I...>, const A*... in) {
  if (strides[0] == 1 && ((strides[I + 1] == 1) && ...)) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[i]...);
    return;
  }
  if constexpr (sizeof...(A) == 2) {  // one operand repeats along the row: (N, d) with (N, 1), or with a scalar
    const auto binary = [&](const auto* a, const auto* b) {
      if (strides[0] == 1 && strides[1] == 1 && strides[2] == 0) {
        const auto right = *b;
        for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], right);
        return true;
      }
      if (strides[0] == 1 && strides[1] == 0 && strides[2] == 1) {
        const auto left = *a;
        for (std::int64_t i = 0; i < n; ++i) out[i] = f(left, b[i]);
        return true;
      }
      return false;
    };
    if (binary(in...)) return;
  }
  for (std::int64_t i = 0; i < n; ++i) out[i * strides[0]] = f(in[i * strides[I + 1]]...);
}

}  // namespace detail

/// out = f(in…) for every element of the nest, operand 0 being `out`.
template <class F, class R, class... A>
void map(const LoopNest<sizeof...(A) + 1>& nest, std::int64_t grain, const F& f, R* out, const A*... in) {
  constexpr std::size_t K = sizeof...(A) + 1;
  std::array<std::int64_t, K> strides;
  for (std::size_t k = 0; k < K; ++k) strides[k] = nest.inner_stride(k);
  for_each_row(nest, grain, [&](const std::array<std::int64_t, K>& offsets, std::int64_t n) {
    [&]<std::size_t... I>(std::index_sequence<I...> sequence) {
      detail::map_row(n, strides, f, out + offsets[0], sequence, (in + offsets[I + 1])...);
    }
    (std::make_index_sequence<sizeof...(A)>());
  });
}

}  // namespace saw::kernels
