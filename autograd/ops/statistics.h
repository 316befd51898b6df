#pragma once

#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"

namespace [[gnu::visibility("default")]] saw {

// Over any set of axes, as in reduce.h.

/// Σ(x − mean)² / (n − correction).
Tensor var(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false);
Tensor std(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false);
/// log Σ exp(x), without overflow; −inf over nothing.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// (Σ|x|^p)^(1/p) for p > 0, which may be infinity. The gradient at 0 is 0. Throws Error(argument) for other p.
Tensor norm(const Tensor& x, double p = 2.0, const Axes& axes = {}, bool keepdim = false);

}  // namespace saw
