#pragma once

#include "saw/autograd/tensor.h"

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
/// Σ(x − mean)² / (n − correction).
Tensor var(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false);
Tensor std(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false);
/// log Σ exp(x), without overflow; −inf over nothing.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// (Σ|x|^p)^(1/p) for p > 0, which may be infinity. The gradient at 0 is 0. Throws Error(argument) for other p.
Tensor norm(const Tensor& x, double p = 2.0, const Axes& axes = {}, bool keepdim = false);
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdim = false);  ///< bool to bool
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
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
