#include "saw/autograd/checkpoint.h"

#include <string>
#include <unordered_set>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {
namespace {

/// Throws when the result depends on a leaf that checkpoint() was not told of: its gradient would be lost silently.
void check_leaves(const Tensor& output, const TensorList& known) {
  std::unordered_set<const Node*> seen, listed;
  for (const Tensor& tensor : known)
    if (tensor.defined() && tensor.requires_grad()) listed.insert(tensor.node().get());
  std::vector<const Node*> stack{output.node().get()};
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    if (!seen.insert(node).second || listed.contains(node)) continue;
    if (node->op == nullptr)
      fail(ErrorKind::autograd, "checkpoint: the function uses {}, which is neither an input nor a listed parameter",
           node->name.empty() ? std::string("a leaf") : node->name);
    for (const Edge& edge : node->edges)
      if (edge.node) stack.push_back(edge.node.get());
  }
}

const OpInfo checkpoint_info{"checkpoint", "f(x), recomputed in backward", true};

}  // namespace

Tensor checkpoint(const std::function<Tensor(const TensorList&)>& f, const TensorList& inputs,
                  const TensorList& parameters) {
  if (!f) fail(ErrorKind::argument, "checkpoint: the function is empty");
  const Generator before = default_generator();
  Tensor output;
  {
    const NoGradGuard no_grad;
    output = f(inputs);
  }
  TensorList all = inputs;
  all.insert(all.end(), parameters.begin(), parameters.end());
  return record(checkpoint_info, all, output, [&] {
    const std::size_t input_count = inputs.size();
    const std::size_t total = all.size();
    return Gradient::of_ops(all, [f, before, input_count, total](const BackwardContext& context) {
      const GeneratorGuard replay(before);
      const GradModeGuard recording(true);
      TensorList again, known, targets;
      std::vector<std::size_t> positions;
      for (std::size_t i = 0; i < total; ++i) {
        Tensor tensor = context.saved(i);
        // Inputs get a leaf of their own each, or stay on the tape when this backward is itself recorded.
        if (i < input_count && tensor.defined() && tensor.requires_grad())
          tensor = context.recording() ? alias(tensor) : tensor.detach();
        if (i < input_count && tensor.defined() && context.needs_grad(i) && !tensor.requires_grad())
          tensor.set_requires_grad(true);
        if (i < input_count) again.push_back(tensor);
        known.push_back(tensor);
        if (!context.needs_grad(i)) continue;
        positions.push_back(i);
        targets.push_back(tensor);
      }
      const Tensor result = f(again);
      TensorList gradients(total);
      if (!result.requires_grad()) return gradients;
      check_leaves(result, known);
      const TensorList found = grad_before_hooks(
          {result}, targets,
          {.grad_outputs = {context.grad_output()}, .create_graph = context.recording(), .allow_unused = true});
      for (std::size_t i = 0; i < positions.size(); ++i) gradients[positions[i]] = found[i];
      return gradients;
    });
  });
}

OpList checkpoint_ops() { return {&checkpoint_info}; }

}  // namespace saw
