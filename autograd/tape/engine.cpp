#include "saw/autograd/tape/engine.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/sum_to_shape.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/backward_observer.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {
namespace {

thread_local std::function<void(const OpInfo&, bool begins)> backward_observer;

/// Adds a gradient to what has arrived so far. The first is moved in; later ones are added in place if nobody else can
/// see the sum, and out of place otherwise (one tensor may be the gradient of several inputs) or when it is recorded.
void accumulate(Tensor& sum, Tensor gradient, bool recording) {
  if (!sum.defined()) {
    sum = std::move(gradient);
  } else if (!recording && sum.uniquely_owned() && sum.is_contiguous()) {
    sum.add_(gradient);
  } else {
    sum = add(sum, gradient);
  }
}

/// A leaf keeps its gradient after backward, and optimizers and clipping write into it: it must own its memory.
void accumulate_into_leaf(Node& leaf, Tensor gradient, bool recording) {
  if (recording || (leaf.grad.defined() && leaf.grad.requires_grad())) {
    leaf.grad = leaf.grad.defined() ? add(leaf.grad, gradient) : clone(gradient);
  } else if (!leaf.grad.defined()) {
    const bool own = gradient.uniquely_owned() && gradient.is_contiguous();
    leaf.grad = own ? std::move(gradient) : clone(gradient);
  } else if (leaf.grad.is_contiguous()) {
    leaf.grad.add_(gradient);
  } else {  // brought by set_grad(), perhaps expanded
    leaf.grad = add(leaf.grad, gradient);
  }
}

/// The backward of a fused op, recorded: differentiates its reference at the same inputs.
TensorList differentiate_reference(Node& node, const TensorList& grad_outputs, const std::vector<bool>& wanted) {
  TensorList inputs, targets;
  for (const SavedTensor& saved : node.reference_inputs) inputs.push_back(alias(node.unpack(saved)));
  const TensorList outputs = node.gradient->reference()(inputs);
  if (outputs.size() != grad_outputs.size())
    fail(ErrorKind::internal, "{}: its reference has {} outputs; expected {}", node.op->name, outputs.size(),
         grad_outputs.size());
  GradOptions options{.create_graph = true, .allow_unused = true};
  TensorList used;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!grad_outputs[i].defined() || !outputs[i].requires_grad()) continue;
    used.push_back(outputs[i]);
    options.grad_outputs.push_back(grad_outputs[i]);
  }
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!wanted[i]) continue;
    positions.push_back(i);
    targets.push_back(inputs[i]);
  }
  TensorList result(inputs.size());
  if (used.empty() || targets.empty()) return result;
  TensorList gradients = grad(used, targets, options);
  for (std::size_t i = 0; i < positions.size(); ++i) result[positions[i]] = gradients[i];
  return result;
}

TensorList run_backward_of(Node& node, const TensorList& grad_outputs, const std::vector<bool>& wanted,
                           bool create_graph) {
  const GradModeGuard mode(create_graph);
  const BackwardContext context(node, grad_outputs, wanted, create_graph);
  if (!create_graph) return node.gradient->kernel()(context);
  if (node.gradient->recorded()) return node.gradient->recorded()(context);
  if (node.gradient->reference()) return differentiate_reference(node, grad_outputs, wanted);
  fail(ErrorKind::internal, "{}: create_graph was asked for, but the op has no way to second order", node.op->name);
}

struct Capture {
  const Node* node;
  std::uint32_t output_index;
  Tensor gradient;
};

/// One walk over the tape, newest node first. A node is older than all that depend on it, so when it comes up, its
/// gradient is complete; nothing recurses.
class Walk {
 public:
  /// With before_hooks, gradients are captured as they were before the hooks of their tensors.
  Walk(const GradOptions& options, std::vector<Capture>* captures, bool before_hooks = false)
      : retain_(options.retain_graph || options.create_graph),
        create_graph_(options.create_graph),
        before_hooks_(before_hooks),
        captures_(captures) {}

  /// With captures: only nodes that lead to one are visited.
  void find_wanted(const TensorList& outputs) {
    std::vector<Node*> reachable, stack;
    std::unordered_set<const Node*> seen;
    for (const Tensor& output : outputs)
      if (seen.insert(output.node().get()).second) stack.push_back(output.node().get());
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      reachable.push_back(node);
      for (const Edge& edge : node->edges)
        if (edge.node && seen.insert(edge.node.get()).second) stack.push_back(edge.node.get());
    }
    std::sort(reachable.begin(), reachable.end(),
              [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
    for (const Capture& capture : *captures_)
      if (seen.contains(capture.node)) wanted_.insert(capture.node);
    for (const Node* node : reachable)
      for (const Edge& edge : node->edges)
        if (edge.node && wanted_.contains(edge.node.get())) {
          wanted_.insert(node);
          passing_.insert(node);
          break;
        }
  }
  bool reaches(const Node* node) const { return wanted_.contains(node); }

  void seed(const Tensor& output, Tensor gradient) {
    if (captures_ != nullptr && !reaches(output.node().get())) return;
    arrive(output.node(), output.output_index(), std::move(gradient));
  }

  void run() {
    while (!heap_.empty()) {
      const std::shared_ptr<Node> node = heap_.top().node;
      heap_.pop();
      const auto entry = gradients_.find(node.get());
      TensorList grad_outputs = std::move(entry->second);
      gradients_.erase(entry);
      visit(*node, std::move(grad_outputs));
    }
  }

 private:
  struct Pending {
    std::uint64_t sequence;
    std::shared_ptr<Node> node;
    bool operator<(const Pending& other) const { return sequence < other.sequence; }
  };

  void arrive(const std::shared_ptr<Node>& node, std::uint32_t output_index, Tensor gradient) {
    auto [entry, fresh] = gradients_.try_emplace(node.get());
    if (fresh) {
      entry->second.resize(node->outputs);
      heap_.push({node->sequence, node});
    }
    const GradModeGuard mode(create_graph_);
    accumulate(entry->second[output_index], std::move(gradient), create_graph_);
  }

  void visit(Node& node, TensorList grad_outputs) {
    if (!before_hooks_ || !is_captured(node)) run_hooks(node, grad_outputs);
    if (captures_ != nullptr) {
      for (Capture& capture : *captures_)
        if (capture.node == &node) capture.gradient = grad_outputs[capture.output_index];
      if (!passing_.contains(&node)) return;
    }
    if (node.op == nullptr) {
      if (captures_ == nullptr) {
        const GradModeGuard mode(create_graph_);
        accumulate_into_leaf(node, std::move(grad_outputs[0]), create_graph_);
      }
      return;
    }
    if (node.released)
      fail(ErrorKind::autograd,
           "backward: the saved tensors of {} were freed by an earlier backward; pass retain_graph = true to that one",
           node.op->name);

    std::vector<bool> wanted(node.edges.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      wanted[i] = node.edges[i].node != nullptr && (captures_ == nullptr || reaches(node.edges[i].node.get()));
    if (backward_observer) backward_observer(*node.op, true);
    TensorList gradients = run_backward_of(node, grad_outputs, wanted, create_graph_);
    if (backward_observer) backward_observer(*node.op, false);
    grad_outputs.clear();
    if (gradients.size() != node.edges.size())
      fail(ErrorKind::internal, "{}: backward gave {} gradients; expected {}", node.op->name, gradients.size(),
           node.edges.size());
    if (is_anomaly_enabled()) check_finite(node, gradients);
    if (!retain_) node.release();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!wanted[i] || !gradients[i].defined()) continue;
      const Edge& edge = node.edges[i];
      Tensor gradient = std::move(gradients[i]);
      if (gradient.shape() != edge.shape) {
        const GradModeGuard mode(create_graph_);
        gradient = sum_to_shape(gradient, edge.shape);
      }
      arrive(edge.node, edge.output_index, std::move(gradient));
    }
  }

  bool is_captured(const Node& node) const {
    return captures_ != nullptr && std::any_of(captures_->begin(), captures_->end(),
                                               [&](const Capture& capture) { return capture.node == &node; });
  }

  void run_hooks(const Node& node, TensorList& gradients) {
    const GradModeGuard mode(create_graph_);
    if (node.hooks.empty()) return;
    // A list of its own: a hook may register another, which has its turn in the next backward, or remove one.
    const std::vector<std::shared_ptr<NodeHook>> hooks = node.hooks;
    for (const std::shared_ptr<NodeHook>& hook : hooks) {
      Tensor& gradient = gradients[hook->output_index];
      if (hook->removed || !gradient.defined()) continue;
      const Tensor replaced = hook->hook(gradient);
      if (!replaced.defined()) continue;
      if (replaced.shape() != gradient.shape() || replaced.dtype() != gradient.dtype())
        fail(ErrorKind::shape, "hook of {}: a gradient must be replaced by one like it; got {} {}; expected {} {}",
             node.describe(), replaced.dtype(), replaced.shape(), gradient.dtype(), gradient.shape());
      gradient = replaced;
    }
  }

  static void check_finite(const Node& node, const TensorList& gradients) {
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i].defined() && !all_finite(gradients[i]))
        fail(ErrorKind::autograd, "{}: backward produced a NaN or an infinity{}; gradient of input {} of shape {}",
             node.op->name, node.module_path.empty() ? "" : " in " + node.module_path, i, gradients[i].shape());
  }

  bool retain_;
  bool create_graph_;
  bool before_hooks_;
  std::vector<Capture>* captures_;
  std::unordered_set<const Node*> wanted_;   // captured, or leading to what is
  std::unordered_set<const Node*> passing_;  // leading to what is captured
  std::unordered_map<const Node*, TensorList> gradients_;
  std::priority_queue<Pending> heap_;
};

/// The gradients that a backward begins with, checked.
TensorList initial_gradients(const char* op, const TensorList& outputs, const GradOptions& options) {
  if (outputs.empty()) fail(ErrorKind::argument, "{}: no outputs were given", op);
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size())
    fail(ErrorKind::argument, "{}: the gradients of the outputs do not match; got {} for {} output(s)", op,
         options.grad_outputs.size(), outputs.size());
  TensorList gradients;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    if (!output.requires_grad())
      fail(ErrorKind::autograd,
           "{}: the output of shape {} does not depend on any tensor that requires a gradient; was it computed under "
           "NoGradGuard or detached?",
           op, output.shape());
    if (!options.grad_outputs.empty() && options.grad_outputs[i].defined()) {
      const Tensor& given = options.grad_outputs[i];
      if (given.shape() != output.shape() || given.dtype() != output.dtype())
        fail(ErrorKind::shape, "{}: the gradient of an output must look like it; got {} {}; expected {} {}", op,
             given.dtype(), given.shape(), output.dtype(), output.shape());
      gradients.push_back(given);
    } else if (output.numel() == 1) {
      gradients.push_back(ones(output.shape(), output.dtype()));
    } else {
      fail(ErrorKind::autograd, "{}: needs a scalar or a gradient for the output; got shape {}; take sum() or mean()",
           op, output.shape());
    }
  }
  return gradients;
}

TensorList gradients_of(const TensorList& outputs, const TensorList& inputs, const GradOptions& options,
                        bool before_hooks) {
  const TensorList gradients = initial_gradients("grad", outputs, options);
  std::vector<Capture> captures;
  for (const Tensor& input : inputs) {
    if (!input.requires_grad())
      fail(ErrorKind::autograd, "grad: an input of shape {} does not require a gradient; set_requires_grad(true) first",
           input.shape());
    captures.push_back({input.node().get(), input.output_index(), {}});
  }
  Walk walk(options, &captures, before_hooks);
  walk.find_wanted(outputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) walk.seed(outputs[i], gradients[i]);
  walk.run();

  TensorList result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (captures[i].gradient.defined()) {
      result.push_back(captures[i].gradient);
    } else if (walk.reaches(captures[i].node)) {
      result.push_back(zeros_like(inputs[i].detach()));
    } else if (options.allow_unused) {
      result.emplace_back();
    } else {
      fail(ErrorKind::autograd,
           "grad: the outputs do not depend on input {} of shape {}; allow_unused returns undefined", i,
           inputs[i].shape());
    }
  }
  return result;
}

}  // namespace

void backward(const TensorList& outputs, const GradOptions& options) {
  const TensorList gradients = initial_gradients("backward", outputs, options);
  Walk walk(options, nullptr);
  for (std::size_t i = 0; i < outputs.size(); ++i) walk.seed(outputs[i], gradients[i]);
  walk.run();
}

TensorList grad(const TensorList& outputs, const TensorList& inputs, const GradOptions& options) {
  return gradients_of(outputs, inputs, options, false);
}

TensorList grad_before_hooks(const TensorList& outputs, const TensorList& inputs, const GradOptions& options) {
  return gradients_of(outputs, inputs, options, true);
}

BackwardObserver::BackwardObserver(std::function<void(const OpInfo&, bool begins)> observer)
    : saved_(std::move(backward_observer)) {
  backward_observer = std::move(observer);
}
BackwardObserver::~BackwardObserver() { backward_observer = std::move(saved_); }

}  // namespace saw
