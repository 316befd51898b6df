#pragma once

#include "saw/autograd/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Other ways to look at the same memory; nothing is copied, except by reshape and contiguous where they must.

/// One size may be −1 and is then worked out. A view where the strides allow it, else a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1);
/// Axis i of the result is axis axes[i] of x.
Tensor permute(const Tensor& x, const Shape& axes);
Tensor squeeze(const Tensor& x);                     ///< drops all axes of size 1
Tensor squeeze(const Tensor& x, std::int64_t axis);  ///< that axis, if it has size 1
Tensor unsqueeze(const Tensor& x, std::int64_t axis);
/// Repeats axes of size 1 by stride 0; −1 keeps a size.
Tensor expand(const Tensor& x, const Shape& shape);
/// The elements begin, begin + step, … below end of an axis; negative positions count from the end and are clamped.
/// A negative step throws: use flip.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// One position of an axis, which disappears.
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index);
/// The diagonal over two axes, which become one at the end.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t axis0 = 0, std::int64_t axis1 = 1);

/// x itself if its memory is row-major and gapless, else such a copy.
Tensor contiguous(const Tensor& x);
/// A copy with memory of its own.
Tensor clone(const Tensor& x);
/// Converted elements; floating to int64 truncates, to bool is ≠ 0. The gradient is converted back between floating
/// dtypes.
Tensor to(const Tensor& x, DType dtype);

}  // namespace saw
