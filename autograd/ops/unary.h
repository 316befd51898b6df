#pragma once

#include "saw/autograd/tensor.h"

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
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor floor(const Tensor& x);  ///< gradient 0, as for ceil and round
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  ///< halves to even

Tensor relu(const Tensor& x);  ///< max(x, 0), NaN stays; gradient 0 at 0
/// x where x > 0, else negative_slope·x. Throws Error(argument) for a negative slope.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where x > 0, else alpha·(eˣ − 1) (Clevert et al. 2015). Throws Error(argument) for a negative alpha.
Tensor elu(const Tensor& x, double alpha = 1.0);
enum class GeluKind { erf, tanh };
/// x·Φ(x) (Hendrycks & Gimpel 2016); `tanh` is the approximation 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))).
Tensor gelu(const Tensor& x, GeluKind kind = GeluKind::erf);
Tensor silu(const Tensor& x);      ///< x·σ(x), also called swish
Tensor softplus(const Tensor& x);  ///< log(1 + eˣ), without overflow

/// min(max(x, low), high); NaN stays. The gradient is 1 inside [low, high], bounds included, and 0 outside.
/// Throws Error(argument) when low > high or a bound is NaN.
Tensor clamp(const Tensor& x, double low, double high);
/// x to a fixed power; the gradient of x⁰ is 0 everywhere.
Tensor pow(const Tensor& x, double exponent);

Tensor isnan(const Tensor& x);     ///< bool
Tensor isfinite(const Tensor& x);  ///< bool

}  // namespace saw
