#include "saw/autograd/tape/record.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {
namespace {

thread_local std::function<void(const OpInfo&)> observer;

SavedTensor save(const Tensor& tensor, const TensorList& outputs) {
  if (!tensor.defined()) return {};
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (tensor.is_same(outputs[i])) {
      // A handle of its own with no place on the tape: were the output itself kept, node and output would own each
      // other.
      Tensor own(tensor.storage(), tensor.shape(), tensor.strides(), tensor.offset(), tensor.dtype());
      return {own, tensor.storage()->version(), static_cast<std::int64_t>(i)};
    }
  return {tensor, tensor.storage()->version(), -1};
}

void check_finite(const OpInfo& info, const TensorList& inputs, const TensorList& outputs) {
  for (const Tensor& output : outputs) {
    if (all_finite(output)) continue;
    std::string shapes;
    for (const Tensor& input : inputs)
      if (input.defined()) shapes += (shapes.empty() ? "" : ", ") + to_string(input.shape());
    fail(ErrorKind::autograd, "{}: produced a NaN or an infinity; output {}; inputs {}", info.name, output.shape(),
         shapes);
  }
}

}  // namespace

Gradient Gradient::of_ops(TensorList saved, BackwardFunction backward) {
  Gradient gradient;
  gradient.saved_ = std::move(saved);
  gradient.kernel_ = std::move(backward);
  gradient.of_ops_ = true;
  return gradient;
}

Gradient Gradient::with_twin(TensorList saved, BackwardFunction kernel, BackwardFunction twin) {
  Gradient gradient;
  gradient.saved_ = std::move(saved);
  gradient.kernel_ = std::move(kernel);
  gradient.twin_ = std::move(twin);
  return gradient;
}

Gradient Gradient::with_reference(TensorList saved, BackwardFunction kernel, ReferenceFunction reference) {
  Gradient gradient;
  gradient.saved_ = std::move(saved);
  gradient.kernel_ = std::move(kernel);
  gradient.reference_ = std::move(reference);
  return gradient;
}

bool needs_record(const TensorList& inputs) {
  return is_grad_enabled() &&
         std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.defined() && x.requires_grad(); });
}

bool needs_record(std::initializer_list<Tensor> inputs) {
  return is_grad_enabled() &&
         std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.defined() && x.requires_grad(); });
}

TensorList record(const OpInfo& info, const TensorList& inputs, const TensorList& outputs,
                  const std::function<Gradient()>& make_gradient) {
  if (observer) observer(info);
  if (is_anomaly_enabled()) check_finite(info, inputs, outputs);
  if (!info.differentiable || !needs_record(inputs)) return outputs;

  Gradient gradient = make_gradient();
  if (!gradient.kernel())
    fail(ErrorKind::internal, "{}: an input requires a gradient, but the op records no backward", info.name);

  const std::shared_ptr<Node> node = Node::make();
  node->op = &info;
  node->outputs = static_cast<std::uint32_t>(outputs.size());
  node->edges.reserve(inputs.size());
  for (const Tensor& input : inputs) {
    Edge edge;
    if (input.defined()) {
      edge.shape = input.shape();
      edge.node = input.node();
      edge.output_index = input.output_index();
    }
    node->edges.push_back(std::move(edge));
  }
  const TensorList saved = gradient.take_saved();
  node->saved.reserve(saved.size());
  for (const Tensor& tensor : saved) node->saved.push_back(save(tensor, outputs));
  if (gradient.reference())
    for (const Tensor& input : inputs) node->reference_inputs.push_back(save(input, {}));
  node->gradient = std::move(gradient);
  if (is_anomaly_enabled()) node->module_path = current_module_path();

  TensorList results;
  results.reserve(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i)
    results.push_back(is_floating(outputs[i].dtype()) ? outputs[i].with_node(node, static_cast<std::uint32_t>(i))
                                                      : outputs[i]);
  return results;
}

Tensor record(const OpInfo& info, const TensorList& inputs, const Tensor& output,
              const std::function<Gradient()>& make_gradient) {
  return record(info, inputs, TensorList{output}, make_gradient)[0];
}

Tensor record_constant(const OpInfo& info, const Tensor& output) {
  if (observer) observer(info);
  return output;
}

// ---- what backward sees ----

Tensor BackwardContext::saved(std::size_t index) const { return node_.unpack(node_.saved[index]); }

// ---- observer ----

OpObserver::OpObserver(std::function<void(const OpInfo&)> new_observer) : saved_(std::move(observer)) {
  observer = std::move(new_observer);
}
OpObserver::~OpObserver() { observer = std::move(saved_); }

}  // namespace saw
