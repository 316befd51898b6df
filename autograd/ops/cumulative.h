#pragma once

#include "saw/autograd/ops/sort.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// What runs along one axis, from its first element to its last; the shape stays. float32, float64 and int64; bool
// throws Error(dtype). A tensor without axes is taken as one element along axis 0 or −1.

/// yᵢ = x₀ + … + xᵢ, added up in double.
Tensor cumsum(const Tensor& x, std::int64_t axis = -1);
/// yᵢ = x₀ · … · xᵢ; the gradient is exact where elements are 0 too.
Tensor cumprod(const Tensor& x, std::int64_t axis = -1);
/// The largest (smallest) element so far and its last position; NaN wins.
ValuesAndIndices cummax(const Tensor& x, std::int64_t axis = -1);
ValuesAndIndices cummin(const Tensor& x, std::int64_t axis = -1);  ///< as cummax, the smallest
/// yᵢ = xᵢ₊₁ − xᵢ along an axis, n times over; the axis gets n elements fewer (none, if it has no more). Throws
/// Error(argument) for a negative n and for a tensor without axes.
Tensor diff(const Tensor& x, std::int64_t n = 1, std::int64_t axis = -1);

}  // namespace saw
