#include "saw/nn/losses.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
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

void check_rows(const char* loss, const Tensor& input) {
  check_floating(loss, input);
  if (input.rank() != 2)
    fail(ErrorKind::shape, "{}: input has the wrong rank; got {}; expected (N, d)", loss, input.shape());
}

void check_targets_of_rows(const char* loss, const Tensor& target, const Tensor& input) {
  if (target.shape() != Shape{input.size(0)})
    fail(ErrorKind::shape, "{}: the target does not fit; got {}; expected ({},) for input {}", loss, target.shape(),
         input.size(0), input.shape());
  if (target.dtype() != input.dtype())
    fail(ErrorKind::dtype, "{}: the target has another dtype than the input; got {}; expected {}", loss, target.dtype(),
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

/// How many targets are `ignore_index`; throws for one that is neither that nor a class.
std::int64_t count_ignored(const Tensor& targets, std::int64_t classes, std::int64_t ignore_index) {
  const Tensor row_major = targets.contiguous();
  const std::int64_t* values = row_major.data<std::int64_t>();
  std::int64_t ignored = 0;
  for (std::int64_t i = 0; i < targets.numel(); ++i) {
    if (values[i] == ignore_index)
      ++ignored;
    else if (values[i] < 0 || values[i] >= classes)
      fail(ErrorKind::index, "nll: a target is no class; got {} at row {}; expected 0 … {}, or {} to ignore a row",
           values[i], i, classes - 1, ignore_index);
  }
  return ignored;
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
  if (targets.shape() != Shape{rows} && targets.shape() == Shape{classes})
    fail(ErrorKind::shape,
         "nll: the input looks transposed; got {} for targets {}; expected (N, C) for targets (N); hint: "
         "transpose(input, 0, 1)",
         log_probabilities.shape(), targets.shape());
  if (targets.shape() != Shape{rows})
    fail(ErrorKind::shape, "nll: targets do not fit; got {}; expected ({},) for input {}", targets.shape(), rows,
         log_probabilities.shape());
  if (options.weight.defined()) check_vector("nll", "weight", options.weight, log_probabilities);

  const bool ignores = count_ignored(targets, classes, options.ignore_index) > 0;
  if (rows > 0 && !ignores && !options.weight.defined())  // the common case: nothing has to be hidden
    return -reduce(gather(log_probabilities, 1, targets.unsqueeze(1)).squeeze(1), options.reduction);
  const Tensor ignored = equal(targets, static_cast<double>(options.ignore_index));
  const Tensor numbers = masked_fill(targets, ignored, 0.0);
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
  return mse_loss(input, target, reduction);
}

Tensor kl_div(const Tensor& input, const Tensor& target, const KlDivOptions& options) {
  check_floating("kl_div", input);
  check_same("kl_div", "the target", target, input);
  Tensor losses;
  if (options.log_target) {
    losses = exp(target) * (target - input);
  } else {
    // t·log t and t·x are 0 for t = 0, also beside a logarithm of −inf.
    const Tensor none = equal(target, 0.0);
    losses = masked_fill(target * (log(masked_fill(target, none, 1.0)) - masked_fill(input, none, 0.0)), none, 0.0);
  }
  if (!options.batchmean || options.reduction != Reduction::mean) return reduce(losses, options.reduction);
  if (input.rank() == 0) fail(ErrorKind::shape, "kl_div: batchmean needs rows; got {}; expected (N, …)", input.shape());
  return losses.sum() / static_cast<double>(input.size(0));
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                             const CosineEmbeddingOptions& options) {
  constexpr const char* name = "cosine_embedding_loss";
  check_rows(name, a);
  check_same(name, "the second input", b, a);
  check_targets_of_rows(name, target, a);
  const Tensor positive = equal(target, 1.0);
  if (all(logical_or(positive, equal(target, -1.0))).item() == 0)
    fail(ErrorKind::argument, "{}: a target is neither 1 nor -1; got targets {}", name, target.shape());
  // The small number under the roots is PyTorch's: a vector of zeros has a gradient.
  constexpr double tiny = 1e-12;
  const Tensor cosine = sum(a * b, {1}) * rsqrt((sum(square(a), {1}) + tiny) * (sum(square(b), {1}) + tiny));
  return reduce(where(positive, 1.0 - cosine, relu(cosine - options.margin)), options.reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options) {
  constexpr const char* name = "triplet_margin_loss";
  check_rows(name, anchor);
  check_same(name, "the positive", positive, anchor);
  check_same(name, "the negative", negative, anchor);
  const auto distance = [&](const Tensor& a, const Tensor& b) { return norm(a - b + options.epsilon, options.p, {1}); };
  Tensor apart = distance(anchor, negative);
  if (options.swap) apart = minimum(apart, distance(positive, negative));
  return reduce(relu(distance(anchor, positive) - apart + options.margin), options.reduction);
}

Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                           const MarginRankingOptions& options) {
  check_floating("margin_ranking_loss", a);
  check_same("margin_ranking_loss", "the second input", b, a);
  check_same("margin_ranking_loss", "the target", target, a);
  return reduce(relu(target * (b - a) + options.margin), options.reduction);
}

}  // namespace saw::nn
