#pragma once

#include <cstdint>
#include <span>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace saw::nn {

/// Rows to pick from others (index_select), and how their sequences lie then.
struct RowOrder {
  Tensor rows;        ///< (N) int64
  Segments segments;  ///< of the picked rows
};

/// Of cat({kept, more}): behind the rows of each segment of `kept` those of the same segment of `more`. There have to
/// be as many segments of both.
RowOrder appended_rows(const Segments& kept, const Segments& more);
/// The last `count` rows of each segment, or all where there are fewer.
RowOrder last_rows(const Segments& segments, std::int64_t count);
/// Of each segment so many of the last rows as the segment of the same number in `counts` has: the new ones, where both
/// grew by them.
Tensor last_rows(const Segments& segments, const Segments& counts);
/// The segments with these numbers, in this order.
RowOrder rows_of_segments(const Segments& segments, std::span<const std::int64_t> numbers);

}  // namespace saw::nn
