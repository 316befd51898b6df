#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Reductions over any set of axes; an empty list means all axes. keepdim keeps reduced axes with size 1.
// Sums run in fixed chunks, so results do not depend on the number of threads.

/// Axes of a tensor, negative ones counted from the end; {} means all of them.
using Axes = Shape;

/// Conditions are counted, as int64.
Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// NaN of nothing. The mean of conditions is the share that holds, as float32 (PyTorch throws). Sums are kept in
/// double.
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor prod(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< gradient exact where elements are 0 too
/// Ties share the gradient; NaN wins. Throws Error(shape) over empty axes.
Tensor amax(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor amin(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< as amax, the smallest
/// Of conditions, or of numbers, which hold where they are not 0 (NaN holds); the result is bool.
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< as any; of nothing: true

}  // namespace saw
