#pragma once

// For sources of autograd/, not for users: the oracle of ops that only move elements.

#include <functional>

#include "saw/autograd/tape/tensor.h"

namespace saw {

/// A tensor of `shape` whose element at `index` is x at source(index), or 0 where source returns an index with a
/// negative entry. Slow, one element at a time; has no history.
Tensor rearranged(const Tensor& x, const Shape& shape, const std::function<Shape(const Shape& index)>& source);

/// The position of a linear row-major element number.
Shape unravel(std::int64_t element, const Shape& shape);

/// The linear row-major element number of a position.
std::int64_t ravel(const Shape& index, const Shape& shape);

}  // namespace saw
