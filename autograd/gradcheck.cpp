#include "saw/autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"

namespace saw {
namespace {

/// The leaf's values laid out in memory in the axis order that `layout` has, still on the tape: what was permuted stays
/// permuted, while every element is one of its own even where the original repeats elements by stride 0.
Tensor relaid(const Tensor& leaf, const Tensor& layout) {
  if (!layout.defined() || layout.rank() < 2 || layout.is_contiguous()) return leaf;
  const Strides& strides = layout.strides();
  Shape order;
  for (std::size_t i = 0; i < layout.rank(); ++i) order.push_back(static_cast<std::int64_t>(i));
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return strides[static_cast<std::size_t>(a)] > strides[static_cast<std::size_t>(b)];
  });
  Shape inverse = order;
  for (std::size_t i = 0; i < order.size(); ++i)
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  return permute(contiguous(permute(leaf, order)), inverse);
}

TensorList relaid(const TensorList& leaves, const TensorList& layouts) {
  TensorList result;
  for (std::size_t i = 0; i < leaves.size(); ++i) result.push_back(relaid(leaves[i], layouts[i]));
  return result;
}

void check_inputs(const char* op, const TensorList& inputs) {
  bool any = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined() || !inputs[i].requires_grad()) continue;
    any = true;
    if (inputs[i].dtype() != float64)
      fail(ErrorKind::dtype,
           "{}: needs float64 inputs, differences drown in float32; got {} for input {}; convert with to()", op,
           inputs[i].dtype(), i);
  }
  if (!any) fail(ErrorKind::argument, "{}: no input requires a gradient; set_requires_grad(true) first", op);
}

TensorList floating_outputs(const TensorList& outputs) {
  TensorList result;
  for (const Tensor& output : outputs)
    if (is_floating(output.dtype())) result.push_back(output);
  return result;
}

/// Fixed random weights for each output, so that a mistake that is symmetric over elements cannot cancel in the sum.
TensorList random_weights(const TensorList& outputs, std::uint64_t seed) {
  Generator generator(seed);
  TensorList weights;
  for (const Tensor& output : outputs)
    weights.push_back(affine(rand(output.shape(), generator, output.dtype()), 1.0, 0.5));
  return weights;
}

double weighted_sum(const TensorList& outputs, const TensorList& weights) {
  double total = 0.0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto values = outputs[i].to_vector<double>();
    const auto factors = weights[i].to_vector<double>();
    for (std::size_t j = 0; j < values.size(); ++j) total += values[j] * factors[j];
  }
  return total;
}

std::string position(const Shape& shape, std::int64_t flat) {
  Shape index = shape;
  for (std::size_t i = shape.size(); i-- > 0;) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return to_string(index);
}

}  // namespace

GradcheckResult gradcheck(const TensorFunction& f, const TensorList& inputs, const GradcheckOptions& options) {
  check_inputs("gradcheck", inputs);
  GradcheckResult result;
  const GradModeGuard recording(true);

  // Leaves of the check's own; the caller's tensors stay untouched.
  TensorList leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.defined() ? clone(input.detach()) : input);
    if (input.defined() && input.requires_grad()) leaves.back().set_requires_grad(true);
  }
  const TensorList outputs = floating_outputs(f(relaid(leaves, inputs)));
  for (const Tensor& output : outputs)
    if (output.dtype() != float64)
      fail(ErrorKind::dtype, "gradcheck: {} must give float64 outputs; got {}", options.name, output.dtype());
  const TensorList weights = random_weights(outputs, options.seed);

  TensorList targets, tracked, tracked_weights;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (leaves[i].defined() && leaves[i].requires_grad()) {
      targets.push_back(leaves[i]);
      positions.push_back(i);
    }
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].requires_grad()) {
      tracked.push_back(outputs[i]);
      tracked_weights.push_back(weights[i]);
    }
  TensorList analytic(targets.size());
  if (!tracked.empty()) analytic = grad(tracked, targets, {.grad_outputs = tracked_weights, .allow_unused = true});

  const NoGradGuard no_grad;
  TensorList plain;
  for (const Tensor& input : inputs) plain.push_back(input.defined() ? clone(input.detach()) : input);
  const auto evaluate = [&](const TensorList& values) {
    return weighted_sum(floating_outputs(f(relaid(values, inputs))), weights);
  };
  const double once = evaluate(plain), twice = evaluate(plain);
  if (once != twice && !(std::isnan(once) && std::isnan(twice))) {
    result.ok = false;
    result.message = fmt::format("{}: not deterministic: two calls gave {} and {}", options.name, once, twice);
    return result;
  }

  for (std::size_t t = 0; t < targets.size(); ++t) {
    const std::size_t which = positions[t];
    const auto values = targets[t].to_vector<double>();
    const auto expected =
        analytic[t].defined() ? analytic[t].to_vector<double>() : std::vector<double>(values.size(), 0.0);
    for (std::size_t j = 0; j < values.size(); ++j) {
      const double h = options.step * std::max(1.0, std::abs(values[j]));
      const auto moved = [&](double by) {
        TensorList at = plain;
        at[which] = clone(plain[which]);
        at[which].mutable_data<double>()[j] += by;
        return evaluate(at);
      };
      const double numeric = (moved(h) - moved(-h)) / (2.0 * h);
      const double error = std::abs(expected[j] - numeric);
      const double allowed = options.absolute + options.relative * std::abs(numeric);
      const double units = std::isfinite(error) ? error / allowed : INFINITY;
      if (units > result.worst) {
        result.worst = units;
        if (units > 1.0) {
          result.ok = false;
          result.message = fmt::format(
              "{}: wrong gradient; input {} of shape {}, element {}: analytic {:.9g}, numeric {:.9g}, allowed "
              "difference {:.2g}",
              options.name, which, targets[t].shape(), position(targets[t].shape(), static_cast<std::int64_t>(j)),
              expected[j], numeric, allowed);
        }
      }
    }
  }
  return result;
}

GradcheckResult gradgradcheck(const TensorFunction& f, const TensorList& inputs, const GradcheckOptions& options) {
  check_inputs("gradgradcheck", inputs);
  const GradModeGuard recording(true);
  // The gradient as a function of the inputs and of the outputs' gradients. Outputs without history are constants.
  const TensorList probe_outputs = floating_outputs(f(inputs));
  std::vector<std::size_t> tracked;
  TensorList extended = inputs;
  Generator generator(options.seed + 1);
  for (std::size_t i = 0; i < probe_outputs.size(); ++i)
    if (probe_outputs[i].requires_grad()) {
      tracked.push_back(i);
      extended.push_back(affine(rand(probe_outputs[i].shape(), generator, float64), 1.0, 0.5).set_requires_grad(true));
    }
  GradcheckResult result;
  if (tracked.empty()) return result;
  const std::size_t count = inputs.size();
  std::vector<bool> differentiable;
  for (const Tensor& input : inputs) differentiable.push_back(input.defined() && input.requires_grad());

  const TensorFunction gradient = [&f, count, tracked, differentiable](const TensorList& all) {
    const GradModeGuard on(true);
    TensorList in(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    TensorList targets;
    for (std::size_t i = 0; i < count; ++i) {
      if (!differentiable[i]) continue;
      // Numeric evaluations pass plain data, which needs a place on the tape for the inner derivative.
      if (!in[i].requires_grad())
        in[i] = Tensor(in[i].storage(), in[i].shape(), in[i].strides(), in[i].offset(), in[i].dtype())
                    .set_requires_grad(true);
      targets.push_back(in[i]);
    }
    const TensorList outputs = floating_outputs(f(in));
    TensorList used, weights;
    for (std::size_t i = 0; i < tracked.size(); ++i) {
      used.push_back(outputs[tracked[i]]);
      weights.push_back(all[count + i]);
    }
    TensorList gradients = grad(used, targets, {.grad_outputs = weights, .create_graph = true, .allow_unused = true});
    TensorList result_list;
    for (std::size_t i = 0; i < gradients.size(); ++i)
      result_list.push_back(gradients[i].defined() ? gradients[i] : zeros(targets[i].shape(), float64));
    return result_list;
  };
  GradcheckOptions second = options;
  second.name = options.name + " (second order)";
  return gradcheck(gradient, extended, second);
}

}  // namespace saw
