#include "saw/autograd/ops/loss.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/kernels/softmax.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

Tensor cross_entropy_reference(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  const std::int64_t classes = logits.size(1);
  const DType dtype = logits.dtype();
  const Tensor ignored = equal(targets, static_cast<double>(options.ignore_index));  // (N)
  const Tensor safe_targets = where(ignored, zeros_like(targets), targets);          // (N)
  const Tensor weight = options.weight.defined() ? options.weight : ones({classes}, dtype);
  const Tensor own_weight = classes == 0 ? zeros(targets.shape(), dtype)
                                         : masked_fill(index_select(weight, 0, safe_targets), ignored, 0.0);  // (N)
  const Tensor log_p = log_softmax(logits, 1);                                                                // (N, C)
  const Tensor picked = logits.numel() == 0 ? sum(log_p, {1}) : gather(log_p, 1, safe_targets.unsqueeze(1)).squeeze(1);
  Tensor losses = own_weight * picked * (options.label_smoothing - 1.0);
  if (options.label_smoothing > 0)
    losses = losses - sum(log_p * weight, {1}) * (options.label_smoothing / static_cast<double>(classes));
  losses = masked_fill(losses, ignored, 0.0);
  if (options.reduction == Reduction::none) return losses;
  if (options.reduction == Reduction::sum) return sum(losses);
  return all(ignored).item() != 0 ? sum(losses) : sum(losses) / sum(own_weight);
}

const OpInfo cross_entropy_info{"cross_entropy", "−log softmax(logits)[target]", true};

void check_cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  if (logits.rank() != 2)
    fail(ErrorKind::shape, "cross_entropy: logits have the wrong rank; got {}; expected (N, C)", logits.shape());
  if (!is_floating(logits.dtype()))
    fail(ErrorKind::dtype, "cross_entropy: logits are no floating point numbers; got {}; expected float32 or float64",
         logits.dtype());
  if (targets.dtype() != int64)
    fail(ErrorKind::dtype, "cross_entropy: targets are class numbers; got {}; expected int64", targets.dtype());
  const std::int64_t rows = logits.size(0), classes = logits.size(1);
  if (targets.shape() == Shape{classes} && rows != classes)
    fail(ErrorKind::shape,
         "cross_entropy: logits look transposed; got {} for targets {}; expected {}; hint: transpose(0, 1)",
         logits.shape(), targets.shape(), Shape{classes, rows});
  if (targets.shape() != Shape{rows})
    fail(ErrorKind::shape, "cross_entropy: targets do not fit the logits; got {} for logits {}; expected {}",
         targets.shape(), logits.shape(), Shape{rows});
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    fail(ErrorKind::argument, "cross_entropy: label_smoothing is no probability; got {}; expected 0 … 1",
         options.label_smoothing);
  if (!options.weight.defined()) return;
  if (options.weight.dtype() != logits.dtype())
    fail(ErrorKind::dtype, "cross_entropy: weight and logits have different dtypes; got {} and {}",
         options.weight.dtype(), logits.dtype());
  if (options.weight.shape() != Shape{classes})
    fail(ErrorKind::shape, "cross_entropy: weight has not one entry per class; got {}; expected {}",
         options.weight.shape(), Shape{classes});
  if (is_grad_enabled() && options.weight.requires_grad())
    fail(ErrorKind::autograd, "cross_entropy: weight is a constant, but requires a gradient; hint: detach() it");
}

/// Throws for a target that is neither a class nor ignored; returns how many count.
std::int64_t check_targets(const Tensor& targets, std::int64_t classes, std::int64_t ignore_index) {
  const std::int64_t* values = targets.data<std::int64_t>();
  std::int64_t counted = 0;
  for (std::int64_t row = 0, rows = targets.numel(); row < rows; ++row) {
    if (values[row] == ignore_index) continue;
    if (values[row] < 0 || values[row] >= classes)
      fail(ErrorKind::index, "cross_entropy: target out of range; got {} in row {}; expected 0 … {} or ignore_index {}",
           values[row], row, classes - 1, ignore_index);
    ++counted;
  }
  return counted;
}

/// Tensors that the kernels read; contiguous, kept alive while they do.
struct Inputs {
  Tensor logits, targets, weight;

  Inputs(const Tensor& logits_in, const Tensor& targets_in, const Tensor& weight_in)
      : logits(logits_in.contiguous()),
        targets(targets_in.contiguous()),
        weight(weight_in.defined() ? weight_in.contiguous() : Tensor()) {}

  template <class T>
  kernels::CrossEntropy<T> problem(const CrossEntropyOptions& options) const {
    return {logits.data<T>(),
            targets.data<std::int64_t>(),
            weight.defined() ? weight.data<T>() : nullptr,
            logits.size(0),
            logits.size(1),
            options.ignore_index,
            options.label_smoothing};
  }
};

/// Σ of the weights of the targets that count.
template <class T>
double counted_weight(const kernels::CrossEntropy<T>& problem) {
  double total = 0;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    if (problem.targets[row] == problem.ignore_index) continue;
    total += problem.weight == nullptr ? 1.0 : static_cast<double>(problem.weight[problem.targets[row]]);
  }
  return total;
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  check_cross_entropy(logits, targets, options);
  const std::int64_t rows = logits.size(0);
  const Tensor sums = Tensor::empty({rows}, logits.dtype());
  double divisor = 1;  // of the mean
  const Tensor y = dispatch_floating("cross_entropy", logits.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Inputs inputs(logits, targets, options.weight);
    const std::int64_t counted = check_targets(inputs.targets, logits.size(1), options.ignore_index);
    const kernels::CrossEntropy<T> problem = inputs.problem<T>(options);
    Tensor losses = Tensor::empty({rows}, logits.dtype());
    kernels::cross_entropy_forward(problem, losses.mutable_data<T>(), sums.mutable_data<T>());
    if (options.reduction == Reduction::none) return losses;
    Tensor total = Tensor::empty({}, logits.dtype());
    T* loss = total.mutable_data<T>();
    kernels::sum(losses.data<T>(), 1, rows, 1, loss);
    if (options.reduction == Reduction::mean && counted > 0) {
      divisor = counted_weight(problem);
      *loss = static_cast<T>(static_cast<double>(*loss) / divisor);
    }
    return total;
  });
  return record(cross_entropy_info, {logits}, y, [&] {
    enum Saved : std::size_t { saved_logits, saved_targets, saved_sums, saved_weight };
    CrossEntropyOptions constants = options;
    constants.weight = {};
    const auto kernel = [constants, divisor](const BackwardContext& context) {
      const Inputs inputs(context.saved(saved_logits), context.saved(saved_targets), context.saved(saved_weight));
      const Tensor row_sums = context.saved(saved_sums), dy = context.grad_output().contiguous();
      Tensor dx = Tensor::empty(inputs.logits.shape(), inputs.logits.dtype());
      dispatch_floating("cross_entropy", dx.dtype(), [&]<class T>() {
        const bool per_row = constants.reduction == Reduction::none;
        const T scale = per_row ? T{1} : static_cast<T>(static_cast<double>(*dy.data<T>()) / divisor);
        kernels::cross_entropy_backward(inputs.problem<T>(constants), row_sums.data<T>(),
                                        per_row ? dy.data<T>() : nullptr, scale, dx.mutable_data<T>());
      });
      return TensorList{dx};
    };
    const auto reference = [targets, options](const TensorList& in) {
      return TensorList{cross_entropy_reference(in[0], targets, options)};
    };
    return Gradient::with_reference({logits, targets, sums, options.weight}, kernel, reference);
  });
}

OpList loss_ops() { return {&cross_entropy_info}; }

}  // namespace saw
