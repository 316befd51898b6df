#pragma once

#include "saw/autograd/ops/glu.h"
#include "saw/nn/activation.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// A nonlinearity as a module, for Sequential; elsewhere call relu(x) itself.
class ActivationLayer : public Module {
 public:
  /// With the default slopes of the functions in ops/activation.h.
  explicit ActivationLayer(Activation activation) : activation_(activation) {}
  /// Elementwise, the shape stays.
  Tensor forward(const Tensor& x) const {
    const auto scope = enter(x);
    return scope.output(activate(activation_, x));
  }

 private:
  Activation activation_;
};

/// max(x, 0).
struct ReLU : ActivationLayer {
  ReLU() : ActivationLayer(Activation::relu) {}
};
/// x above 0, else 0.01·x.
struct LeakyReLU : ActivationLayer {
  LeakyReLU() : ActivationLayer(Activation::leaky_relu) {}
};
/// x above 0, else eˣ − 1.
struct ELU : ActivationLayer {
  ELU() : ActivationLayer(Activation::elu) {}
};
/// The exact x·Φ(x); ActivationLayer(Activation::gelu_tanh) is the approximation.
struct GELU : ActivationLayer {
  GELU() : ActivationLayer(Activation::gelu) {}
};
/// x·σ(x), also called swish.
struct SiLU : ActivationLayer {
  SiLU() : ActivationLayer(Activation::silu) {}
};
/// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).
struct Tanh : ActivationLayer {
  Tanh() : ActivationLayer(Activation::tanh) {}
};
/// 1 / (1 + e⁻ˣ).
struct Sigmoid : ActivationLayer {
  Sigmoid() : ActivationLayer(Activation::sigmoid) {}
};
/// log(1 + eˣ).
struct Softplus : ActivationLayer {
  Softplus() : ActivationLayer(Activation::softplus) {}
};

/// a · σ(b) for the halves a, b of the last axis: (…, 2d) → (…, d).
class GLU : public Module {
 public:
  /// Throws Error(shape) for an odd last axis.
  Tensor forward(const Tensor& x) const {
    const auto scope = enter(x);
    return scope.output(glu(x));
  }
};

}  // namespace nn
}  // namespace saw
