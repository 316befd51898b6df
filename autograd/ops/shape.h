#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Tensors joined, cut and padded.

Tensor cat(const TensorList& tensors, std::int64_t axis = 0);                  ///< equal shapes except along the axis
Tensor stack(const TensorList& tensors, std::int64_t axis = 0);                ///< equal shapes; a new axis
TensorList split(const Tensor& x, const Shape& sizes, std::int64_t axis = 0);  ///< views; the sizes add up to the axis
TensorList split(const Tensor& x, std::int64_t size, std::int64_t axis = 0);  ///< equal pieces, the last may be smaller
TensorList chunk(const Tensor& x, std::int64_t count, std::int64_t axis = 0);  ///< as PyTorch: may give fewer pieces
/// `before` and `after` elements of `value` around each axis; both lists have one entry per axis, all ≥ 0.
Tensor pad(const Tensor& x, const Shape& before, const Shape& after, double value = 0.0);

}  // namespace saw
