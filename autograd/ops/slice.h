#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Parts of the same memory; nothing is copied.

/// The elements begin, begin + step, … below end of an axis; negative positions count from the end and are clamped.
/// A negative step throws: use flip.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// One position of an axis, which disappears.
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index);
/// The diagonal over two axes, which become one at the end.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t axis0 = 0, std::int64_t axis1 = 1);

}  // namespace saw
