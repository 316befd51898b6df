// Ops that run functions of the user's: checkpoint and CustomFunction.

#include <deque>
#include <mutex>
#include <string>
#include <unordered_set>

#include "saw/autograd/check.h"
#include "saw/autograd/engine.h"
#include "saw/autograd/node.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/families.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/random.h"

namespace saw {
namespace {

// ---- checkpoint ----

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

Tensor gated(const TensorList& in) { return tanh(in[0]) * in[1]; }

std::vector<Sample> checkpoint_samples(SampleMaker& make) {
  return {{.name = "two inputs",
           .inputs = {make.normal({3, 4}), make.normal({3, 4})},
           .run = [](const TensorList& in) { return TensorList{checkpoint(gated, in)}; },
           .reference = [](const TensorList& in) { return TensorList{gated(in)}; }}};
}

std::vector<ErrorSample> checkpoint_errors() {
  return {{"no function", [] { checkpoint({}, {}); }, ErrorKind::argument, "checkpoint: the function is empty"}};
}

const OpInfo checkpoint_info{"checkpoint", "f(x), recomputed in backward", true, checkpoint_samples, checkpoint_errors};

// ---- CustomFunction ----

CustomFunction cube() {
  return {.name = "cube",
          .forward = [](const TensorList& in) { return in[0] * in[0] * in[0]; },
          .backward = [](const TensorList& in, const Tensor&,
                         const Tensor& g) { return TensorList{g * in[0] * in[0] * 3.0}; }};
}

std::vector<Sample> custom_samples(SampleMaker& make) {
  return {{.name = "cube",
           .inputs = {make.normal({2, 3})},
           .run = [](const TensorList& in) { return TensorList{cube()(in)}; },
           .reference = [](const TensorList& in) { return TensorList{pow(in[0], 3.0)}; }}};
}

std::vector<ErrorSample> custom_errors() {
  return {{"no forward", [] { CustomFunction{}({}); }, ErrorKind::argument, "custom_function"}};
}

const OpInfo custom_info{"custom_function", "the user's", true, custom_samples, custom_errors};

/// Throws unless each gradient that the user's backward gave fits its input, or what that was broadcast to.
void check_gradients(const std::string& name, const TensorList& inputs, const TensorList& gradients) {
  if (gradients.size() != inputs.size())
    fail(ErrorKind::argument, "{}: backward gave {} gradient(s); expected {}, one for each input", name,
         gradients.size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor &input = inputs[i], &gradient = gradients[i];
    if (!input.defined() || !gradient.defined()) continue;
    if (gradient.dtype() != input.dtype())
      fail(ErrorKind::dtype, "{}: backward gave input {} a gradient of another dtype; got {}; expected {}", name, i,
           gradient.dtype(), input.dtype());
    bool fits = gradient.rank() >= input.rank();
    for (std::size_t axis = 1; axis <= input.rank() && fits; ++axis) {
      const std::int64_t size = input.shape()[input.rank() - axis];
      fits = size == 1 || size == gradient.shape()[gradient.rank() - axis];
    }
    if (!fits)
      fail(ErrorKind::shape, "{}: backward gave input {} a gradient of another shape; got {}; expected {}", name, i,
           gradient.shape(), input.shape());
  }
}

/// An OpInfo that carries the user's name into messages. Kept for the life of the process: nodes point to it.
const OpInfo& named_custom_info(const std::string& name) {
  static std::mutex mutex;
  static std::deque<std::pair<std::string, OpInfo>> known;
  const std::lock_guard lock(mutex);
  for (const auto& [known_name, info] : known)
    if (known_name == name) return info;
  auto& entry = known.emplace_back(name, custom_info);
  entry.second.name = entry.first.c_str();
  return entry.second;
}

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
    return Gradient{
        .saved = all,
        .backward =
            [f, before, input_count, total](const BackwardContext& context) {
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
            },
        .plain = true};
  });
}

Tensor CustomFunction::operator()(const TensorList& inputs) const {
  if (!forward || !backward)
    fail(ErrorKind::argument, "custom_function: '{}' needs both a forward and a backward", name);
  const std::string own_name = name.empty() ? "custom_function" : name;
  Tensor output;
  {
    const NoGradGuard no_grad;
    output = forward(inputs);
  }
  if (!output.defined()) fail(ErrorKind::argument, "{}: forward gave an undefined tensor", own_name);
  // An input that is handed through must not become its own result on the tape.
  for (const Tensor& input : inputs)
    if (output.is_same(input)) output = output.detach();
  return record(named_custom_info(own_name), inputs, output, [&] {
    TensorList saved = inputs;
    saved.push_back(output);
    return Gradient{.saved = saved,
                    .backward =
                        [own_name, backward = backward, count = inputs.size()](const BackwardContext& context) {
                          TensorList in;
                          for (std::size_t i = 0; i < count; ++i) in.push_back(context.saved(i));
                          TensorList gradients = backward(in, context.saved(count), context.grad_output());
                          check_gradients(own_name, in, gradients);
                          return gradients;
                        },
                    .plain = true};
  });
}

OpList function_ops() { return {&checkpoint_info, &custom_info}; }

}  // namespace saw
