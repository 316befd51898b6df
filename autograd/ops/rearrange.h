#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// The elements of one tensor in another order, repeated, or kept in part. Copies.

/// numpy.tile: the whole tensor `counts` times along each axis.
Tensor repeat(const Tensor& x, const Shape& counts);
/// Each position of an axis `count` times in a row; without an axis x is flattened first.
Tensor repeat_interleave(const Tensor& x, std::int64_t count);
Tensor repeat_interleave(const Tensor& x, std::int64_t count, std::int64_t axis);
/// Position i counts[i] times in a row; counts is int64, (size of the axis).
Tensor repeat_interleave(const Tensor& x, const Tensor& counts);
Tensor repeat_interleave(const Tensor& x, const Tensor& counts, std::int64_t axis);
Tensor flip(const Tensor& x, const Shape& axes);  ///< the other way round along each of the axes
/// Element i of axes[k] goes to position i + shifts[k], and comes in again at the other end. One shift for each axis.
Tensor roll(const Tensor& x, const Shape& shifts, const Shape& axes);
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);  ///< over the last two axes; the rest becomes 0
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);  ///< as tril: on and above the diagonal

}  // namespace saw
