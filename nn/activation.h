#pragma once

#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Nonlinearities by name, for options of layers.
enum class Activation { identity, relu, leaky_relu, elu, gelu, gelu_tanh, silu, tanh, sigmoid, softplus };

/// "relu", "gelu_tanh", …
const char* to_string(Activation activation);

/// Applies it to every element; shape and dtype are kept.
Tensor activate(Activation activation, const Tensor& x);

}  // namespace nn
}  // namespace saw
