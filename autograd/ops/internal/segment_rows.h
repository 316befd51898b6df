#pragma once

// For sources of autograd/, not for users: what ops over packed rows (N, …) have in common.

#include <algorithm>
#include <span>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

inline constexpr std::int64_t segment_grain = 1 << 15;  // elements per chunk

inline void check_rows(const char* op, const Tensor& x, const Segments& segments) {
  if (x.rank() < 1 || x.shape()[0] != segments.rows())
    fail(ErrorKind::shape, "{}: the rows do not match the segments; got shape {} for {}; expected {} rows", op,
         x.shape(), segments, segments.rows());
}

inline void check_segment_count(const char* op, const Tensor& x, const Segments& segments) {
  if (x.rank() < 1 || x.shape()[0] != segments.count())
    fail(ErrorKind::shape, "{}: needs one row per segment; got shape {} for {}; expected {} rows", op, x.shape(),
         segments, segments.count());
}

/// Elements of one row.
inline std::int64_t row_size(const Shape& shape) {
  std::int64_t size = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) size *= shape[axis];
  return size;
}

inline Shape with_rows(const Shape& shape, std::int64_t rows) {
  Shape result = shape;
  result[0] = rows;
  return result;
}

/// Calls f(segment) for all of them, in parallel.
template <class F>
void for_segments(const Segments& segments, std::int64_t columns, const F& f) {
  const std::int64_t cost = segments.rows() * columns / std::max<std::int64_t>(segments.count(), 1) + 1;
  parallel_for(0, segments.count(), std::max<std::int64_t>(1, segment_grain / cost),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t segment = begin; segment < end; ++segment) f(segment);
               });
}

/// Calls f(row, segment) for all rows, in parallel.
template <class F>
void for_rows(const Segments& segments, std::int64_t columns, const F& f) {
  const std::span<const std::int64_t> offsets = segments.offsets();
  parallel_for(0, segments.rows(), std::max<std::int64_t>(1, segment_grain / (columns + 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 std::int64_t segment = std::upper_bound(offsets.begin(), offsets.end(), begin) - offsets.begin() - 1;
                 for (std::int64_t row = begin; row < end; ++row) {
                   while (row >= segments.end(segment)) ++segment;
                   f(row, segment);
                 }
               });
}

}  // namespace saw
