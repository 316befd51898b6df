#pragma once

#include <optional>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Elementwise functions of one floating tensor; shape and dtype are kept. They throw Error(dtype) for int64 and bool,
// except abs, sign, neg and clamp, which also take int64.

Tensor neg(const Tensor& x);         ///< −x
Tensor abs(const Tensor& x);         ///< gradient sign(x), 0 at 0
Tensor sign(const Tensor& x);        ///< −1, 0 or 1; gradient 0
Tensor square(const Tensor& x);      ///< x²
Tensor reciprocal(const Tensor& x);  ///< 1/x
Tensor exp(const Tensor& x);         ///< eˣ
Tensor exp2(const Tensor& x);        ///< 2ˣ
Tensor expm1(const Tensor& x);       ///< eˣ − 1, exact for small x
Tensor log(const Tensor& x);         ///< natural logarithm; −∞ of 0, NaN below
Tensor log2(const Tensor& x);        ///< exact for powers of 2
Tensor log10(const Tensor& x);       ///< exact for powers of 10
Tensor log1p(const Tensor& x);       ///< log(1 + x), exact for small x
Tensor sqrt(const Tensor& x);        ///< √x; NaN below 0
Tensor rsqrt(const Tensor& x);       ///< 1/√x
Tensor sin(const Tensor& x);         ///< of radians
Tensor cos(const Tensor& x);         ///< of radians
Tensor erf(const Tensor& x);         ///< the error function, 2/√π ∫₀ˣ e^(−t²) dt
Tensor ndtr(const Tensor& x);        ///< Φ(x) = (1 + erf(x/√2)) / 2, the normal distribution function
Tensor floor(const Tensor& x);       ///< gradient 0, as for ceil and round
Tensor ceil(const Tensor& x);        ///< gradient 0
Tensor round(const Tensor& x);       ///< halves to even
Tensor trunc(const Tensor& x);       ///< towards 0

/// min(max(x, low), high); either bound may be left out: clamp(x, 0.0), clamp(x, {}, 1.0). NaN stays. The gradient is 1
/// inside [low, high], bounds included, and 0 outside. Also for int64, with integer bounds. Throws Error(argument) when
/// low > high or a bound is NaN.
Tensor clamp(const Tensor& x, std::optional<double> low, std::optional<double> high = {});
/// x with numbers for what is not finite; by default 0 for NaN, and the largest finite numbers for the infinities. The
/// gradient is 0 there.
Tensor nan_to_num(const Tensor& x, double nan = 0.0, std::optional<double> posinf = {},
                  std::optional<double> neginf = {});
/// x to a fixed power; the gradient of x⁰ is 0 everywhere.
Tensor pow(const Tensor& x, double exponent);

Tensor isnan(const Tensor& x);     ///< bool
Tensor isinf(const Tensor& x);     ///< bool
Tensor isfinite(const Tensor& x);  ///< bool

}  // namespace saw
