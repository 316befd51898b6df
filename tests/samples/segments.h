#pragma once

// What the samples of ops over packed rows have in common.

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace samples {

/// The rows of one segment.
inline saw::Tensor segment_of(const saw::Tensor& x, const saw::Segments& segments, std::int64_t segment) {
  return x.slice(0, segments.begin(segment), segments.end(segment));
}

/// `shape` with another size of the first axis.
inline saw::Shape with_rows(const saw::Shape& shape, std::int64_t rows) {
  saw::Shape result = shape;
  result[0] = rows;
  return result;
}

}  // namespace samples
