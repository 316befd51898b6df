#pragma once

// The oracle of ops that only move elements.

#include <functional>

#include "saw/autograd/tape/tensor.h"

namespace samples {

/// The position of a linear row-major element number.
saw::Shape unravel(std::int64_t element, const saw::Shape& shape);

/// The linear row-major element number of a position.
std::int64_t ravel(const saw::Shape& index, const saw::Shape& shape);

/// A tensor of `shape` whose element at `index` is x at source(index), or 0 where source returns an index with a
/// negative entry. Slow, one element at a time; has no history.
saw::Tensor rearranged(const saw::Tensor& x, const saw::Shape& shape,
                       const std::function<saw::Shape(const saw::Shape& index)>& source);

}  // namespace samples
