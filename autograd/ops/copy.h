#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// The same elements in other memory.

/// x itself if its memory is row-major and gapless, else such a copy.
Tensor contiguous(const Tensor& x);
/// A copy with memory of its own.
Tensor clone(const Tensor& x);
/// Converted elements; floating to int64 truncates, to bool is ≠ 0. The gradient is converted back between floating
/// dtypes.
Tensor to(const Tensor& x, DType dtype);

}  // namespace saw
