#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// What orders or runs along one axis.

/// Position of the first largest element (or the first NaN) along an axis, int64. Throws Error(shape) over an empty
/// axis.
Tensor argmax(const Tensor& x, std::int64_t axis = -1, bool keepdim = false);
Tensor argmin(const Tensor& x, std::int64_t axis = -1, bool keepdim = false);
Tensor cumsum(const Tensor& x, std::int64_t axis = -1);

struct Sorted {
  Tensor values;
  Tensor indices;  ///< int64 positions along the axis
};
/// Stable sort along an axis; NaN last (first when descending).
Sorted sort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
/// The k largest (or smallest) along an axis, best first.
Sorted topk(const Tensor& x, std::int64_t k, std::int64_t axis = -1, bool largest = true);

}  // namespace saw
