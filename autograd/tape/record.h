#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// What an op's backward sees. Undefined tensors stand for gradients that are zero or not asked for.
class BackwardContext {
 public:
  BackwardContext(Node& node, const TensorList& grad_outputs, const std::vector<bool>& wanted, bool recording)
      : node_(node), grad_outputs_(grad_outputs), wanted_(wanted), recording_(recording) {}

  /// The gradient of output `index`; undefined when nothing downstream used that output.
  const Tensor& grad_output(std::size_t index = 0) const { return grad_outputs_[index]; }
  /// Whether anyone wants the gradient of input `index`; what is not wanted may be returned undefined.
  bool needs_grad(std::size_t index) const { return wanted_[index]; }
  /// Saved tensor `index`. Throws Error(autograd) when it was changed in place since.
  Tensor saved(std::size_t index) const;
  /// True while this backward is itself being recorded (create_graph).
  bool recording() const { return recording_; }

 private:
  Node& node_;
  const TensorList& grad_outputs_;
  const std::vector<bool>& wanted_;  // per input
  bool recording_;
};

/// Gradients of the inputs, in the inputs' order. A gradient may have the shape that the input was broadcast to: the
/// engine sums it back.
using BackwardFunction = std::function<TensorList(const BackwardContext&)>;

/// How an op is differentiated. Exactly one of the three ways to second order must be there:
/// `plain`, `recorded_backward`, or `reference`.
struct Gradient {
  /// Tensors that backward needs: inputs, or the op's own outputs (a node keeps those detached, so no cycle arises).
  TensorList saved = {};
  /// First order. Runs with recording off; may call kernels on raw data.
  BackwardFunction backward = {};
  /// `backward` is made of recorded ops alone, so the same code serves every order.
  bool plain = false;
  /// For create_graph: backward once more, in recorded ops.
  BackwardFunction recorded_backward = {};
  /// For create_graph: the op made of plain ops, as a function of the inputs; the engine differentiates it. The node
  /// then keeps the op's inputs alive (list them in `saved` too if backward wants them: the memory is shared).
  std::function<TensorList(const TensorList& inputs)> reference = {};
};

/// Whether an op over these inputs has to be recorded: recording is on and one of them requires a gradient.
bool needs_record(std::initializer_list<Tensor> inputs);
bool needs_record(const TensorList& inputs);

/// The one way to make the result of an op: turns what the kernel wrote into a tensor with history. `inputs` are the
/// tensors that gradients may flow to. `gradient` is called only when something has to be recorded; it receives nothing
/// and returns the Gradient. Throws Error(internal) when an input needs a gradient and the op gives no backward though
/// its OpInfo says it has one.
///
///   return record(exp_info, {x}, y, [&] { return Gradient{.saved = {y}, .backward = …, .plain = true}; });
Tensor record(const OpInfo& info, const TensorList& inputs, const Tensor& output,
              const std::function<Gradient()>& gradient);
/// The same for ops with several outputs; integer and boolean outputs never carry history.
TensorList record(const OpInfo& info, const TensorList& inputs, const TensorList& outputs,
                  const std::function<Gradient()>& gradient);
/// For ops that never have a gradient (comparisons, argmax): returns `output`; says so to the observer.
Tensor record_constant(const OpInfo& info, const Tensor& output);

/// Sees the OpInfo of everything that is recorded on this thread while it lives; the tests use it to prove that no
/// op is missing from the registry.
class OpObserver {
 public:
  explicit OpObserver(std::function<void(const OpInfo&)> observer);
  ~OpObserver();
  OpObserver(const OpObserver&) = delete;
  OpObserver& operator=(const OpObserver&) = delete;

 private:
  std::function<void(const OpInfo&)> saved_;
};

}  // namespace saw
