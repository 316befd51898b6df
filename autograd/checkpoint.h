#pragma once

#include <functional>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Runs f(inputs) without keeping its activations: backward computes them again. `parameters` are the leaves that f
/// uses beside its inputs (`module.parameters()`). Random draws inside f repeat themselves. Throws Error(autograd) in
/// backward when f reaches a leaf that was not listed.
Tensor checkpoint(const std::function<Tensor(const TensorList& inputs)>& f, const TensorList& inputs,
                  const TensorList& parameters = {});

}  // namespace saw
