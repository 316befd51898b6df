#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Activation functions, elementwise; shape and dtype are kept. They throw Error(dtype) for int64 and bool.

Tensor tanh(const Tensor& x);         ///< (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)
Tensor sigmoid(const Tensor& x);      ///< 1 / (1 + e⁻ˣ)
Tensor log_sigmoid(const Tensor& x);  ///< log(1 / (1 + e⁻ˣ)), without overflow
Tensor relu(const Tensor& x);         ///< max(x, 0), NaN stays; gradient 0 at 0
/// x where x > 0, else negative_slope·x. Throws Error(argument) for a negative slope.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where x > 0, else weight·x, with a weight that is learned (He et al. 2015): one number, or what broadcasts to x,
/// as one number (C) for each channel of (N, C). Throws Error(shape) where it does not.
Tensor prelu(const Tensor& x, const Tensor& weight);
/// x where x > 0, else alpha·(eˣ − 1) (Clevert et al. 2015). Throws Error(argument) for a negative alpha.
Tensor elu(const Tensor& x, double alpha = 1.0);
/// How gelu() is computed.
enum class GeluKind {
  erf,   ///< exactly, by the error function
  tanh,  ///< by the approximation with tanh, as in GPT-2
};
/// x·Φ(x) (Hendrycks & Gimpel 2016); `tanh` is the approximation 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))).
Tensor gelu(const Tensor& x, GeluKind kind = GeluKind::erf);
Tensor silu(const Tensor& x);      ///< x·σ(x), also called swish
Tensor mish(const Tensor& x);      ///< x·tanh(log(1 + eˣ)) (Misra 2019)
Tensor softplus(const Tensor& x);  ///< log(1 + eˣ), without overflow

}  // namespace saw
