#pragma once

// The oracle of ops that work along one axis.

#include <functional>
#include <vector>

#include "samples/samples.h"

namespace samples {

/// A line at a time: f maps a line's values, in double, to a result of `size` values of dtype `result`; no history.
saw::Tensor along_axis(const saw::Tensor& x, std::int64_t axis, std::int64_t size, saw::DType result,
                       const std::function<std::vector<double>(const std::vector<double>&)>& f);

}  // namespace samples
