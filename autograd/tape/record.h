#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
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

/// The op made of plain ops, as a function of its inputs.
using ReferenceFunction = std::function<TensorList(const TensorList& inputs)>;

/// How an op is differentiated: made by one of three functions, one for each way to second order. `saved` are the
/// tensors that backward needs: inputs, or the op's own outputs (a node keeps those detached, so no cycle arises).
class Gradient {
 public:
  /// `backward` is made of recorded ops alone, so the same code serves every order.
  static Gradient of_ops(TensorList saved, BackwardFunction backward);
  /// `kernel` for the first order, which runs with recording off and may work on raw data; when the backward is itself
  /// recorded (create_graph), its `twin`: the same formula in recorded ops.
  static Gradient with_twin(TensorList saved, BackwardFunction kernel, BackwardFunction twin);
  /// `kernel` for the first order; when the backward is itself recorded, the engine differentiates `reference`. The
  /// node then keeps the op's inputs alive (list them in `saved` too if the kernel wants them: the memory is shared).
  static Gradient with_reference(TensorList saved, BackwardFunction kernel, ReferenceFunction reference);

  // ---- for the tape ----
  /// The tensors to save; leaves none behind.
  TensorList take_saved() { return std::move(saved_); }
  /// First order, with recording off.
  const BackwardFunction& kernel() const { return kernel_; }
  /// The same in recorded ops: `kernel` itself, or its twin; empty for a gradient with a reference.
  const BackwardFunction& recorded() const { return of_ops_ ? kernel_ : twin_; }
  /// Empty unless made with_reference.
  const ReferenceFunction& reference() const { return reference_; }

 private:
  Gradient() = default;

  TensorList saved_;
  BackwardFunction kernel_, twin_;
  ReferenceFunction reference_;
  bool of_ops_ = false;
};

/// Whether an op over these inputs has to be recorded: recording is on and one of them requires a gradient.
bool needs_record(std::initializer_list<Tensor> inputs);
bool needs_record(const TensorList& inputs);

/// The one way to make the result of an op: turns what the kernel wrote into a tensor with history. `inputs` are the
/// tensors that gradients may flow to. `gradient` is called only when something has to be recorded; it receives nothing
/// and returns the Gradient. Throws Error(internal) when an input needs a gradient and the op gives no backward though
/// its OpInfo says it has one.
///
///   return record(exp_info, {x}, y, [&] { return Gradient::of_ops({y}, [](const BackwardContext& c) -> TensorList {
///     return {c.grad_output() * c.saved(0)};
///   }); });
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
