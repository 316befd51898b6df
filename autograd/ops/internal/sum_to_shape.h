#pragma once

// For sources of autograd/, not for users: the reverse of broadcasting.

#include "saw/autograd/tape/tensor.h"

namespace saw {

/// x summed over the axes along which `target` was broadcast to x's shape; x itself when the shapes are equal. Made of
/// public ops, so it can be recorded. Throws Error(internal) when target does not broadcast to x's shape.
Tensor sum_to_shape(const Tensor& x, const Shape& target);

}  // namespace saw
