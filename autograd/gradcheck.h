#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// How closely gradcheck() looks.
struct GradcheckOptions {
  double step = 1e-6;              ///< central differences f(x ± step·max(1, |x|))
  double absolute = 1e-6;          ///< allowed |analytic − numeric| ≤ absolute + relative·|numeric|
  double relative = 1e-4;          ///< see absolute
  std::uint64_t seed = 0;          ///< of the random weights that turn outputs into one number
  std::string name = "gradcheck";  ///< what messages call the function
};

/// What gradcheck found; converts to bool. `message` names function, input, index, and both values of the worst
/// element.
struct GradcheckResult {
  bool ok = true;                                ///< nothing exceeded what is allowed
  double worst = 0.0;                            ///< largest error in units of what is allowed
  std::string message;                           ///< empty when ok
  explicit operator bool() const { return ok; }  ///< `ok`
};

/// What is checked: from inputs to outputs, the same every time it is called.
using TensorFunction = std::function<TensorList(const TensorList& inputs)>;

/// Compares the gradients of Σ wᵢ·f(inputs)ᵢ (w random, so that symmetric mistakes do not cancel) with central
/// differences, for every element of every input that requires a gradient. Inputs must be float64 (Error(dtype)). Also
/// reports a function that gives different values when called twice. f may return int64 and bool outputs; they are
/// passed over.
GradcheckResult gradcheck(const TensorFunction& f, const TensorList& inputs, const GradcheckOptions& options = {});

/// gradcheck of the gradient: of f's backward as a function of the inputs and of the outputs' gradients.
GradcheckResult gradgradcheck(const TensorFunction& f, const TensorList& inputs, const GradcheckOptions& options = {});

}  // namespace saw
