#pragma once

#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Nonlinearities by name, for options of layers.
enum class Activation {
  identity,    ///< x
  relu,        ///< max(x, 0)
  leaky_relu,  ///< x above 0, else 0.01·x
  elu,         ///< x above 0, else eˣ − 1
  gelu,        ///< x·Φ(x)
  gelu_tanh,   ///< gelu by its approximation with tanh
  silu,        ///< x·σ(x)
  tanh,        ///< (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)
  sigmoid,     ///< 1 / (1 + e⁻ˣ)
  softplus,    ///< log(1 + eˣ)
};

/// "relu", "gelu_tanh", …
const char* to_string(Activation activation);

/// Applies it to every element; shape and dtype are kept.
Tensor activate(Activation activation, const Tensor& x);

}  // namespace nn
}  // namespace saw
