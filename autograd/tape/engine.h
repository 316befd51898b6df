#pragma once

#include "saw/autograd/base/module_scope.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// What grad() and backward() start from, keep and forgive.
struct GradOptions {
  /// Gradients of the outputs; may stay empty when every output is a scalar (then they are 1).
  TensorList grad_outputs = {};
  /// Keep saved tensors for another backward over the same tape.
  bool retain_graph = false;
  /// Record the backward itself, so that its result can be differentiated again. Implies retain_graph.
  bool create_graph = false;
  /// Return undefined tensors for inputs that the outputs do not depend on, instead of throwing.
  bool allow_unused = false;
};

/// d(outputs)/d(inputs) as tensors, without touching grad() of any leaf. Inputs may be leaves or results on the way.
///
///   Tensor dy = grad({y}, {x}, {.create_graph = true})[0];   // then grad({dy.sum()}, {x})[0] is the second derivative
TensorList grad(const TensorList& outputs, const TensorList& inputs, const GradOptions& options = {});

/// Adds the gradients of `outputs` to grad() of every leaf they depend on.
void backward(const TensorList& outputs, const GradOptions& options = {});

/// While it lives, the first NaN or infinity that an op of this thread produces, forward or backward, throws
/// Error(autograd) with the op, the module path and the shapes.
class AnomalyGuard {
 public:
  AnomalyGuard();
  ~AnomalyGuard();
  AnomalyGuard(const AnomalyGuard&) = delete;
  AnomalyGuard& operator=(const AnomalyGuard&) = delete;

 private:
  bool saved_;
};

/// Nodes alive on all tapes of the process: a training loop that keeps its losses as tensors shows up here.
std::int64_t live_nodes();

}  // namespace saw
