#pragma once

#include "saw/autograd/ops/reduce.h"

namespace [[gnu::visibility("default")]] saw {

// Over any set of axes, as in reduce.h.

// Sums are kept in double: float32 elements of any magnitude neither overflow nor vanish on the way.

/// Σ(x − mean)² / (n − correction).
Tensor var(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false);
/// √var. (PyTorch's name is std, which the standard library's namespace has here.) The gradient of equal elements is 0.
Tensor stddev(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false);
/// log Σ exp(x), without overflow; −inf over nothing.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// (Σ|x|^p)^(1/p) for p > 0, which may be infinity. The gradient at 0 is 0. Throws Error(argument) for other p.
Tensor norm(const Tensor& x, double p = 2.0, const Axes& axes = {}, bool keepdim = false);

}  // namespace saw
