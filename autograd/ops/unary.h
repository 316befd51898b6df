#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Elementwise functions of one floating tensor; shape and dtype are kept. They throw Error(dtype) for int64 and bool,
// except abs, sign and neg, which also take int64.

Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);   ///< gradient sign(x), 0 at 0
Tensor sign(const Tensor& x);  ///< −1, 0 or 1; gradient 0
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor floor(const Tensor& x);  ///< gradient 0, as for ceil and round
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  ///< halves to even

/// min(max(x, low), high); NaN stays. The gradient is 1 inside [low, high], bounds included, and 0 outside.
/// Throws Error(argument) when low > high or a bound is NaN.
Tensor clamp(const Tensor& x, double low, double high);
/// x to a fixed power; the gradient of x⁰ is 0 everywhere.
Tensor pow(const Tensor& x, double exponent);

Tensor isnan(const Tensor& x);     ///< bool
Tensor isfinite(const Tensor& x);  ///< bool

}  // namespace saw
