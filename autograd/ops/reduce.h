#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Reductions over any set of axes; an empty list means all axes. keepdim keeps reduced axes with size 1.
// Sums run in fixed chunks, so results do not depend on the number of threads.

using Axes = Shape;

Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< of nothing: NaN
Tensor prod(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< gradient exact where elements are 0 too
/// Ties share the gradient; NaN wins. Throws Error(shape) over empty axes.
Tensor amax(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor amin(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< bool to bool
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdim = false);

}  // namespace saw
