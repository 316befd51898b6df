#include "saw/train/metrics/accuracy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"
#include "saw/train/metrics/internal/labels.h"

namespace saw::train {
namespace {

double share(std::int64_t correct, std::int64_t count) {
  return count > 0 ? static_cast<double>(correct) / static_cast<double>(count)
                   : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void Accuracy::update(const Tensor& predictions, const Tensor& targets) {
  const Labels labels = labels_of("Accuracy", predictions, targets, ignore_index_);
  for (std::size_t i = 0; i < labels.targets.size(); ++i) correct_ += labels.predictions[i] == labels.targets[i];
  count_ += std::ssize(labels.targets);
}

void Accuracy::update(std::int64_t correct, std::int64_t count) {
  if (correct < 0 || correct > count)
    fail(ErrorKind::argument, "Accuracy: {} correct of {}; expected 0 to as many as there are", correct, count);
  correct_ += correct;
  count_ += count;
}

void Accuracy::merge(const Accuracy& other) {
  correct_ += other.correct_;
  count_ += other.count_;
}

double Accuracy::value() const { return share(correct_, count_); }

TopKAccuracy::TopKAccuracy(std::int64_t k, std::int64_t ignore_index) : k_(k), ignore_index_(ignore_index) {
  if (k < 1) fail(ErrorKind::argument, "TopKAccuracy: k; got {}; expected at least 1", k);
}

void TopKAccuracy::update(const Tensor& logits, const Tensor& targets) {
  const std::int64_t classes = check_logits("TopKAccuracy", logits, targets);
  const std::vector<std::int64_t> wanted = targets.to_vector<std::int64_t>();
  const std::int64_t rows = std::ssize(wanted), together = rows_at_once(classes);
  const Tensor flat = logits.detach().reshape({rows, classes});
  std::int64_t correct = 0, count = 0;
  std::vector<double> values;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row % together == 0)
      values = to(flat.slice(0, row, std::min(row + together, rows)), float64).to_vector<double>();
    const std::int64_t target = wanted[static_cast<std::size_t>(row)];
    if (target == ignore_index_) continue;
    if (target < 0 || target >= classes)
      fail(ErrorKind::index,
           "TopKAccuracy: target {} has no class; got {}; expected 0 … {} or {}, which does not count", row, target,
           classes - 1, ignore_index_);
    const double* logit = values.data() + row % together * classes;
    std::int64_t before = std::isnan(logit[target]) ? k_ : 0;
    for (std::int64_t c = 0; c < classes && before < k_; ++c)
      before += std::isnan(logit[c]) || logit[c] > logit[target] || (c < target && logit[c] == logit[target]);
    correct += before < k_;
    ++count;
  }
  correct_ += correct;
  count_ += count;
}

void TopKAccuracy::merge(const TopKAccuracy& other) {
  if (k_ != other.k_)
    fail(ErrorKind::argument, "TopKAccuracy: counts of the {} and the {} largest cannot be merged", k_, other.k_);
  correct_ += other.correct_;
  count_ += other.count_;
}

double TopKAccuracy::value() const { return share(correct_, count_); }

}  // namespace saw::train
