#include "saw/autograd/custom_function.h"

#include <deque>
#include <mutex>
#include <string>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {
namespace {

const OpInfo custom_info{"custom_function", "the user's", true};

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
    return Gradient::of_ops(saved,
                            [own_name, backward = backward, count = inputs.size()](const BackwardContext& context) {
                              TensorList in;
                              for (std::size_t i = 0; i < count; ++i) in.push_back(context.saved(i));
                              TensorList gradients = backward(in, context.saved(count), context.grad_output());
                              check_gradients(own_name, in, gradients);
                              return gradients;
                            });
  });
}

OpList custom_function_ops() { return {&custom_info}; }

}  // namespace saw
