#include "saw/autograd/ops/elementwise_loss.h"

#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/elementwise_loss.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/optional_data.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo mse_loss_info{"mse_loss", "(x − t)²", true};
const OpInfo l1_loss_info{"l1_loss", "|x − t|", true};
const OpInfo huber_loss_info{"huber_loss", "½(x − t)², or δ(|x − t| − ½δ) beyond δ", true};
const OpInfo smooth_l1_loss_info{"smooth_l1_loss", "½(x − t)²/β, or |x − t| − ½β beyond β", true};
const OpInfo binary_cross_entropy_info{"binary_cross_entropy_with_logits", "−t log σ(x) − (1 − t) log(1 − σ(x))", true};

void check_like(const char* op, const char* name, const Tensor& other, const Tensor& input) {
  if (other.shape() != input.shape())
    fail(ErrorKind::shape, "{}: {} has another shape than the input; got {}; expected {}; reshape one of them", op,
         name, other.shape(), input.shape());
  if (other.dtype() != input.dtype())
    fail(ErrorKind::dtype, "{}: {} has another dtype than the input; got {}; expected {}", op, name, other.dtype(),
         input.dtype());
}

void check_operands(const char* op, const Tensor& input, const Tensor& target) {
  if (!is_floating(input.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point input; got {}; expected float32 or float64", op, input.dtype());
  check_like(op, "the target", target, input);
}

Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

/// A loss as the kernel knows it, with a factor, and one value per element in plain ops.
struct Formula {
  kernels::ElementwiseLoss loss;
  double delta = 0;
  double factor = 1;

  template <class T>
  kernels::LossOperands<T> operands(const Tensor& input, const Tensor& target) const {
    return {loss, static_cast<T>(delta), input.data<T>(), target.data<T>(), input.numel()};
  }
};
using Composite = Tensor (*)(const Tensor& input, const Tensor& target, const Formula& formula);

Tensor elementwise_loss(const OpInfo& info, const Tensor& input, const Tensor& target, const Formula& formula,
                        Reduction reduction, Composite composite) {
  const double share = reduction == Reduction::mean ? 1.0 / static_cast<double>(input.numel()) : 1.0;
  const Tensor y = dispatch_floating(info.name, input.dtype(), [&]<class T>() {
    const Tensor x = input.detach().contiguous(), t = target.detach().contiguous();
    const kernels::LossOperands<T> operands = formula.operands<T>(x, t);
    if (reduction != Reduction::none) {
      const Tensor total = Tensor::empty({}, input.dtype());
      *total.mutable_data<T>() = static_cast<T>(kernels::loss_sum(operands) * formula.factor * share);
      return total;
    }
    const Tensor losses = Tensor::empty(input.shape(), input.dtype());
    kernels::loss_values(operands, losses.mutable_data<T>());
    return formula.factor == 1 ? losses : losses * formula.factor;
  });
  return record(info, {input, target}, y, [&] {
    const auto kernel = [name = info.name, formula, reduction, share](const BackwardContext& context) {
      const Tensor x = context.saved(0).contiguous(), t = context.saved(1).contiguous();
      const Tensor dy = context.grad_output().contiguous();
      const auto wanted = [&](std::size_t i) {
        return context.needs_grad(i) ? Tensor::empty(x.shape(), x.dtype()) : Tensor();
      };
      const Tensor dx = wanted(0), dt = wanted(1);
      dispatch_floating(name, x.dtype(), [&]<class T>() {
        const bool per_element = reduction == Reduction::none;
        const double scale = formula.factor * share * (per_element ? 1.0 : static_cast<double>(*dy.data<T>()));
        kernels::loss_backward(formula.operands<T>(x, t), per_element ? dy.data<T>() : nullptr, static_cast<T>(scale),
                               mutable_data_or_null<T>(dx), mutable_data_or_null<T>(dt));
      });
      return TensorList{dx, dt};
    };
    const auto reference = [formula, reduction, composite](const TensorList& in) {
      return TensorList{reduced(composite(in[0], in[1], formula), reduction)};
    };
    return Gradient::with_reference({input, target}, kernel, reference);
  });
}

Tensor squared_composite(const Tensor& input, const Tensor& target, const Formula& formula) {
  const Tensor squares = square(input - target);
  return formula.factor == 1 ? squares : squares * formula.factor;
}

Tensor huber_composite(const Tensor& input, const Tensor& target, const Formula& formula) {
  const Tensor distance = input - target, near = clamp(distance, -formula.delta, formula.delta);
  return (square(near) * 0.5 + (abs(distance) - abs(near)) * formula.delta) * formula.factor;
}

Tensor absolute_composite(const Tensor& input, const Tensor& target, const Formula&) { return abs(input - target); }

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  check_operands("mse_loss", input, target);
  return elementwise_loss(mse_loss_info, input, target, {.loss = kernels::ElementwiseLoss::squared}, reduction,
                          squared_composite);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  check_operands("l1_loss", input, target);
  return elementwise_loss(l1_loss_info, input, target, {.loss = kernels::ElementwiseLoss::absolute}, reduction,
                          absolute_composite);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, double delta, Reduction reduction) {
  check_operands("huber_loss", input, target);
  if (!(delta > 0)) fail(ErrorKind::argument, "huber_loss: delta must be positive; got {}", delta);
  if (std::isinf(delta))  // nothing is far: half the square
    return elementwise_loss(huber_loss_info, input, target, {.loss = kernels::ElementwiseLoss::squared, .factor = 0.5},
                            reduction, squared_composite);
  return elementwise_loss(huber_loss_info, input, target, {.loss = kernels::ElementwiseLoss::huber, .delta = delta},
                          reduction, huber_composite);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, double beta, Reduction reduction) {
  check_operands("smooth_l1_loss", input, target);
  if (!(beta >= 0)) fail(ErrorKind::argument, "smooth_l1_loss: beta must not be negative; got {}", beta);
  // Below the smallest normal number, 1/β is no number and nothing is near.
  if (beta < (input.dtype() == float32 ? static_cast<double>(std::numeric_limits<float>::min())
                                       : std::numeric_limits<double>::min()))
    return elementwise_loss(smooth_l1_loss_info, input, target, {.loss = kernels::ElementwiseLoss::absolute}, reduction,
                            absolute_composite);
  return elementwise_loss(smooth_l1_loss_info, input, target,
                          {.loss = kernels::ElementwiseLoss::huber, .delta = beta, .factor = 1.0 / beta}, reduction,
                          huber_composite);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                        const BinaryCrossEntropyOptions& options) {
  constexpr const char* name = "binary_cross_entropy_with_logits";
  check_operands(name, logits, targets);
  const Tensor &weight = options.weight, &pos_weight = options.pos_weight;
  if (weight.defined()) check_like(name, "weight", weight, logits);
  if (pos_weight.defined()) {
    if (logits.rank() == 0 || pos_weight.shape() != Shape{logits.shape().back()})
      fail(ErrorKind::shape, "{}: pos_weight does not fit; got {}; expected one number for each column of the input {}",
           name, pos_weight.shape(), logits.shape());
    if (pos_weight.dtype() != logits.dtype())
      fail(ErrorKind::dtype, "{}: pos_weight has another dtype than the input; got {}; expected {}", name,
           pos_weight.dtype(), logits.dtype());
  }
  // −log σ(x) = softplus(−x) and −log(1 − σ(x)) = softplus(x): both terms are positive, so nothing cancels.
  if (!weight.defined() && !pos_weight.defined())
    return elementwise_loss(
        binary_cross_entropy_info, logits, targets, {.loss = kernels::ElementwiseLoss::binary_cross_entropy},
        options.reduction,
        [](const Tensor& x, const Tensor& t, const Formula&) { return t * softplus(-x) + (1.0 - t) * softplus(x); });
  Tensor ones_part = targets * softplus(-logits);
  if (pos_weight.defined()) ones_part = ones_part * pos_weight;
  Tensor losses = ones_part + (1.0 - targets) * softplus(logits);
  if (weight.defined()) losses = losses * weight;
  return reduced(losses, options.reduction);
}

OpList elementwise_loss_ops() {
  return {&mse_loss_info, &l1_loss_info, &huber_loss_info, &smooth_l1_loss_info, &binary_cross_entropy_info};
}

}  // namespace saw
