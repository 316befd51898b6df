#pragma once

#include <functional>
#include <string>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// A differentiable function of the user's own: `forward` maps the inputs' data to an output (it runs with recording
/// off), `backward` maps (inputs, output, gradient of the output) to the inputs' gradients. When `backward` is made of
/// saw's ops, higher orders work too.
struct CustomFunction {
  std::string name;                                         ///< what messages call it; "" is "custom_function"
  std::function<Tensor(const TensorList& inputs)> forward;  ///< runs with recording off
  /// One gradient for each input, undefined where there is none.
  std::function<TensorList(const TensorList& inputs, const Tensor& output, const Tensor& grad_output)> backward;
  /// Computes and records. Throws Error(argument) without a forward or backward.
  Tensor operator()(const TensorList& inputs) const;
};

}  // namespace saw
