#include "saw/nn/losses.h"

#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"

namespace saw::nn {
namespace {

void check_floating(const char* loss, const Tensor& input) {
  if (!is_floating(input.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point input; got {}", loss, input.dtype());
}

void check_same(const char* loss, const char* what, const Tensor& other, const Tensor& input) {
  if (other.shape() != input.shape())
    fail(ErrorKind::shape, "{}: {} has another shape than the input; got {}; expected {}; reshape one of them", loss,
         what, other.shape(), input.shape());
  if (other.dtype() != input.dtype())
    fail(ErrorKind::dtype, "{}: {} has another dtype than the input; got {}; expected {}", loss, what, other.dtype(),
         input.dtype());
}

void check_vector(const char* loss, const char* what, const Tensor& vector, const Tensor& input) {
  if (input.rank() == 0 || vector.shape() != Shape{input.shape().back()})
    fail(ErrorKind::shape, "{}: {} does not fit; got {}; expected one number for each column of the input {}", loss,
         what, vector.shape(), input.shape());
  if (vector.dtype() != input.dtype())
    fail(ErrorKind::dtype, "{}: {} has another dtype than the input; got {}; expected {}", loss, what, vector.dtype(),
         input.dtype());
}

Tensor reduce(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean:
      return losses.mean();
    case Reduction::sum:
      return losses.sum();
    default:
      return losses;
  }
}

/// The targets with 0 in place of `ignore_index`; throws for a target that is no class.
Tensor checked_targets(const Tensor& targets, std::int64_t classes, std::int64_t ignore_index) {
  std::vector<std::int64_t> values = targets.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == ignore_index) {
      values[i] = 0;
    } else if (values[i] < 0 || values[i] >= classes) {
      fail(ErrorKind::index, "nll: a target is no class; got {} at row {}; expected 0 … {}, or {} to ignore a row",
           values[i], i, classes - 1, ignore_index);
    }
  }
  return tensor(values);
}

}  // namespace

Tensor nll(const Tensor& log_probabilities, const Tensor& targets, const NllOptions& options) {
  check_floating("nll", log_probabilities);
  if (log_probabilities.rank() != 2)
    fail(ErrorKind::shape, "nll: input has the wrong rank; got {}; expected (N, C)", log_probabilities.shape());
  if (targets.dtype() != int64)
    fail(ErrorKind::dtype, "nll: targets are class numbers; got {}; expected int64", targets.dtype());
  const std::int64_t rows = log_probabilities.size(0);
  const std::int64_t classes = log_probabilities.size(1);
  if (targets.shape() != Shape{rows})
    fail(ErrorKind::shape, "nll: targets do not fit; got {}; expected ({},) for input {}", targets.shape(), rows,
         log_probabilities.shape());
  if (options.weight.defined()) check_vector("nll", "weight", options.weight, log_probabilities);

  const Tensor numbers = checked_targets(targets, classes, options.ignore_index);
  const Tensor ignored = equal(targets, static_cast<double>(options.ignore_index));
  const Tensor weights = masked_fill(
      options.weight.defined() ? index_select(options.weight, 0, numbers) : ones({rows}, log_probabilities.dtype()),
      ignored, 0.0);  // (N)
  // What is ignored may be −inf: it is replaced, because 0 · inf is not 0.
  const Tensor picked =
      masked_fill(gather(log_probabilities, 1, numbers.unsqueeze(1)).squeeze(1), ignored, 0.0);  // (N)
  const Tensor losses = -(picked * weights);
  if (options.reduction != Reduction::mean) return reduce(losses, options.reduction);
  const Tensor total = weights.sum();
  return total.item() == 0.0 ? losses.sum() : losses.sum() / total;
}

Tensor mse(const Tensor& input, const Tensor& target, Reduction reduction) {
  check_floating("mse", input);
  check_same("mse", "the target", target, input);
  return reduce(square(input - target), reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                        const BinaryCrossEntropyOptions& options) {
  constexpr const char* name = "binary_cross_entropy_with_logits";
  check_floating(name, logits);
  check_same(name, "the target", targets, logits);
  if (options.weight.defined()) check_same(name, "weight", options.weight, logits);
  if (options.pos_weight.defined()) check_vector(name, "pos_weight", options.pos_weight, logits);

  // −log σ(x) = softplus(−x) and −log(1 − σ(x)) = x + softplus(−x), so with p the weight of the ones
  //   p·t·softplus(−x) + (1 − t)·(x + softplus(−x)) = (1 − t)·x + (1 + (p − 1)·t)·softplus(−x)
  const Tensor ones_count = options.pos_weight.defined() ? (options.pos_weight - 1.0) * targets + 1.0 : Tensor();
  const Tensor tail = softplus(-logits);
  Tensor losses = (1.0 - targets) * logits + (ones_count.defined() ? ones_count * tail : tail);
  if (options.weight.defined()) losses = losses * options.weight;
  return reduce(losses, options.reduction);
}

}  // namespace saw::nn
