#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Other shapes for the same memory; nothing is copied, except by reshape where it must.

/// One size may be −1 and is then worked out. A view where the strides allow it, else a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
/// The axes first … last as one; a number becomes one axis of size 1.
Tensor flatten(const Tensor& x, std::int64_t first = 0, std::int64_t last = -1);
Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1);  ///< two axes in each other's place
/// Axis i of the result is axis axes[i] of x.
Tensor permute(const Tensor& x, const Shape& axes);
Tensor swapaxes(const Tensor& x, std::int64_t axis0, std::int64_t axis1);  ///< NumPy's name of transpose
/// Axis source[k] goes to position destination[k]; the others keep their order.
Tensor movedim(const Tensor& x, const Shape& source, const Shape& destination);
Tensor squeeze(const Tensor& x);                       ///< drops all axes of size 1
Tensor squeeze(const Tensor& x, std::int64_t axis);    ///< that axis, if it has size 1
Tensor unsqueeze(const Tensor& x, std::int64_t axis);  ///< a new axis of size 1 at this position of the result
/// Repeats axes of size 1 by stride 0; −1 keeps a size.
Tensor expand(const Tensor& x, const Shape& shape);

}  // namespace saw
