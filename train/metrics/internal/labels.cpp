#include "saw/train/metrics/internal/labels.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/sort.h"

namespace saw::train {
namespace {

void check_targets(const char* metric, const Tensor& predictions, const Tensor& targets) {
  if (!predictions.defined() || !targets.defined())
    fail(ErrorKind::argument, "{}: predictions and targets must be defined tensors", metric);
  if (targets.dtype() != int64) fail(ErrorKind::dtype, "{}: targets; got {}; expected int64", metric, targets.dtype());
}

void check_range(const char* metric, const std::vector<std::int64_t>& targets, std::int64_t classes,
                 std::int64_t ignore_index) {
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i] != ignore_index && (targets[i] < 0 || targets[i] >= classes))
      fail(ErrorKind::index, "{}: target {} has no class; got {}; expected 0 … {} or {}, which does not count", metric,
           i, targets[i], classes - 1, ignore_index);
}

}  // namespace

std::int64_t check_logits(const char* metric, const Tensor& logits, const Tensor& targets) {
  check_targets(metric, logits, targets);
  if (!is_floating(logits.dtype()))
    fail(ErrorKind::dtype, "{}: logits; got {}; expected a floating dtype", metric, logits.dtype());
  Shape expected = targets.shape();
  const bool deeper = logits.rank() == targets.rank() + 1;
  if (deeper) expected.push_back(logits.size(-1));
  if (!deeper || logits.shape() != expected || logits.size(-1) < 1)
    fail(ErrorKind::shape, "{}: logits beside targets {}; got {}; expected the same shape and one axis of classes",
         metric, targets.shape(), logits.shape());
  return logits.size(-1);
}

std::int64_t rows_at_once(std::int64_t classes) { return std::max<std::int64_t>(1, (1 << 18) / classes); }

Labels labels_of(const char* metric, const Tensor& predictions, const Tensor& targets, std::int64_t ignore_index) {
  check_targets(metric, predictions, targets);
  std::vector<std::int64_t> predicted;
  const std::vector<std::int64_t> wanted = targets.to_vector<std::int64_t>();
  if (predictions.dtype() == int64) {
    if (predictions.shape() != targets.shape())
      fail(ErrorKind::shape, "{}: predicted ids beside targets {}; got {}; expected equal shapes", metric,
           targets.shape(), predictions.shape());
    predicted = predictions.to_vector<std::int64_t>();
  } else {
    check_range(metric, wanted, check_logits(metric, predictions, targets), ignore_index);
    if (!wanted.empty()) predicted = argmax(predictions.detach()).to_vector<std::int64_t>();
  }
  Labels labels;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == ignore_index) continue;
    labels.predictions.push_back(predicted[i]);
    labels.targets.push_back(wanted[i]);
  }
  return labels;
}

}  // namespace saw::train
