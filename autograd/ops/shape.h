#pragma once

#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Tensors joined, cut and padded.

Tensor cat(const TensorList& tensors, std::int64_t axis = 0);    ///< equal shapes except along the axis
Tensor stack(const TensorList& tensors, std::int64_t axis = 0);  ///< equal shapes; a new axis
/// Views of consecutive pieces, any number of them; the sizes add up to the axis.
TensorList split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis = 0);
TensorList split(const Tensor& x, std::int64_t size, std::int64_t axis = 0);  ///< equal pieces, the last may be smaller
TensorList chunk(const Tensor& x, std::int64_t count, std::int64_t axis = 0);  ///< as PyTorch: may give fewer pieces
TensorList unbind(const Tensor& x, std::int64_t axis = 0);  ///< views of all positions of an axis, which disappears
/// `before` and `after` elements of `value` around each axis; both lists have one entry per axis, all ≥ 0.
Tensor pad(const Tensor& x, const Shape& before, const Shape& after, double value = 0.0);

}  // namespace saw
