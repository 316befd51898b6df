#include "saw/autograd/ops/loss.h"

#include <utility>

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
#include "saw/autograd/ops/statistics.h"
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

// ---- samples ----

std::vector<Sample> cross_entropy_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& logits, const Tensor& targets, CrossEntropyOptions options) {
    return Sample{
        .name = name,
        .inputs = {logits},
        .run = [=](const TensorList& in) { return TensorList{cross_entropy(in[0], targets, options)}; },
        .reference =
            [=](const TensorList& in) { return TensorList{cross_entropy_reference(in[0], targets, options)}; }};
  };
  const Tensor targets = make.integers({6}, 0, 5);
  const Tensor weight = make.uniform({5}, 0.2, 2.0);
  const Tensor some_ignored = tensor(std::vector<std::int64_t>{0, -100, 4, 2, -100, 1});
  const Tensor all_ignored = full({6}, -100, int64);
  const Tensor logits = make.normal({6, 5});
  const Tensor no_targets = Tensor::empty({0}, int64);
  CrossEntropyOptions an_ignored_class;
  an_ignored_class.ignore_index = targets.to_vector<std::int64_t>().front();
  return {
      sample("mean", logits, targets, {}),
      sample("sum", make.normal({6, 5}), targets, {.reduction = Reduction::sum}),
      sample("none", make.normal({6, 5}), targets, {.reduction = Reduction::none}),
      sample("wider than a vector", make.normal({6, 37}), make.integers({6}, 0, 37), {.label_smoothing = 0.1}),
      sample("one class", make.normal({6, 1}), zeros({6}, int64), {}),
      sample("weights", make.normal({6, 5}), targets, {.weight = weight}),
      sample("ignored rows", make.normal({6, 5}), some_ignored, {}),
      sample("an ignored class", make.normal({6, 5}), targets, an_ignored_class),
      sample("label smoothing", make.normal({6, 5}), targets, {.label_smoothing = 0.1}),
      sample("nothing but smoothing", make.normal({6, 5}), targets, {.label_smoothing = 1.0}),
      sample("all options, mean", make.normal({6, 5}), some_ignored, {.weight = weight, .label_smoothing = 0.2}),
      sample("all options, sum", make.normal({6, 5}), some_ignored,
             {.weight = weight, .label_smoothing = 0.2, .reduction = Reduction::sum}),
      sample("all options, none", make.normal({6, 5}), some_ignored,
             {.weight = weight, .label_smoothing = 0.2, .reduction = Reduction::none}),
      sample("everything ignored", make.normal({6, 5}), all_ignored, {.weight = weight, .label_smoothing = 0.2}),
      sample("large logits", make.uniform({6, 5}, 400.0, 420.0), targets, {}),
      sample("no rows", make.normal({0, 5}), no_targets, {}),
      sample("no rows, none", make.normal({0, 5}), no_targets, {.reduction = Reduction::none}),
  };
}

std::vector<ErrorSample> cross_entropy_errors() {
  const auto call = [](const Shape& logits, const Tensor& targets, const CrossEntropyOptions& options = {},
                       DType dtype = float32) {
    return [=] { cross_entropy(zeros(logits, dtype), targets, options); };
  };
  const Tensor targets = zeros({2}, int64);
  return {
      {"logits of one dimension", call({3}, targets), ErrorKind::shape, "cross_entropy: logits"},
      {"targets of another length", call({3, 4}, targets), ErrorKind::shape, "cross_entropy: targets"},
      {"targets of two dimensions", call({2, 4}, zeros({2, 4}, int64)), ErrorKind::shape, "cross_entropy: targets"},
      {"integer logits", call({2, 4}, targets, {}, int64), ErrorKind::dtype, "cross_entropy: logits"},
      {"floating targets", call({2, 4}, zeros({2})), ErrorKind::dtype, "cross_entropy: targets"},
      {"target too large", call({2, 4}, tensor(std::vector<std::int64_t>{0, 4})), ErrorKind::index,
       "got 4 in row 1; expected 0 … 3"},
      {"negative target", call({2, 4}, tensor(std::vector<std::int64_t>{-1, 0})), ErrorKind::index,
       "got -1 in row 0; expected 0 … 3"},
      {"weight of another size", call({2, 4}, targets, {.weight = zeros({3})}), ErrorKind::shape,
       "cross_entropy: weight"},
      {"weight of another dtype", call({2, 4}, targets, {.weight = zeros({4}, float64)}), ErrorKind::dtype,
       "cross_entropy: weight"},
      {"smoothing above 1", call({2, 4}, targets, {.label_smoothing = 1.5}), ErrorKind::argument,
       "cross_entropy: label_smoothing"},
      {"negative smoothing", call({2, 4}, targets, {.label_smoothing = -0.1}), ErrorKind::argument,
       "cross_entropy: label_smoothing"},
      {"weight that wants a gradient",
       [] {
         cross_entropy(zeros({2, 4}), zeros({2}, int64), {.weight = ones({4}).set_requires_grad(true)});
       },
       ErrorKind::autograd, "cross_entropy: weight"},
  };
}

const OpInfo cross_entropy_info{"cross_entropy", "−log softmax(logits)[target]", true, cross_entropy_samples,
                                cross_entropy_errors};

// ---- the op ----

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
    Gradient gradient;
    gradient.saved = {logits, targets, sums};
    if (options.weight.defined()) gradient.saved.push_back(options.weight);
    CrossEntropyOptions constants = options;
    constants.weight = {};
    gradient.backward = [constants, divisor, weighted = options.weight.defined()](const BackwardContext& context) {
      const Inputs inputs(context.saved(0), context.saved(1), weighted ? context.saved(3) : Tensor());
      const Tensor row_sums = context.saved(2), dy = context.grad_output().contiguous();
      Tensor dx = Tensor::empty(inputs.logits.shape(), inputs.logits.dtype());
      dispatch_floating("cross_entropy", dx.dtype(), [&]<class T>() {
        const bool per_row = constants.reduction == Reduction::none;
        const T scale = per_row ? T{1} : static_cast<T>(static_cast<double>(*dy.data<T>()) / divisor);
        kernels::cross_entropy_backward(inputs.problem<T>(constants), row_sums.data<T>(),
                                        per_row ? dy.data<T>() : nullptr, scale, dx.mutable_data<T>());
      });
      return TensorList{dx};
    };
    gradient.reference = [targets, options](const TensorList& in) {
      return TensorList{cross_entropy_reference(in[0], targets, options)};
    };
    return gradient;
  });
}

OpList loss_ops() { return {&cross_entropy_info}; }

}  // namespace saw
