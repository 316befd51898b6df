#pragma once

#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Element q·(n − 1) in order, between neighbours by their distance; NaN if there is one. float32 and float64. Throws
// Error(argument) for q outside [0, 1] and Error(shape) over an empty axis.

/// One quantile along an axis.
Tensor quantile(const Tensor& x, double q, std::int64_t axis, bool keepdim = false);
/// Several; the result has a new first axis, one slice for each.
Tensor quantile(const Tensor& x, const std::vector<double>& q, std::int64_t axis, bool keepdim = false);
/// Over all elements.
Tensor quantile(const Tensor& x, double q);
Tensor quantile(const Tensor& x, const std::vector<double>& q);

}  // namespace saw
