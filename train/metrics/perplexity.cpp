#include "saw/train/metrics/perplexity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/loss.h"
#include "saw/autograd/ops/view.h"
#include "saw/train/metrics/internal/labels.h"

namespace saw::train {

void Perplexity::update(const Tensor& logits, const Tensor& targets) {
  const std::int64_t classes = check_logits("Perplexity", logits, targets);
  const NoGradGuard no_grad;
  const std::vector<std::int64_t> wanted = targets.to_vector<std::int64_t>();
  const std::int64_t rows = targets.numel(), together = rows_at_once(classes);
  const Tensor flat_logits = logits.detach().reshape({rows, classes}), flat_targets = targets.reshape({rows});
  double sum = 0;
  for (std::int64_t begin = 0; begin < rows; begin += together) {
    const std::int64_t end = std::min(begin + together, rows);
    sum += saw::cross_entropy(to(flat_logits.slice(0, begin, end), float64), flat_targets.slice(0, begin, end),
                              {.ignore_index = ignore_index_, .reduction = Reduction::sum})
               .item();
  }
  sum_ += sum;
  count_ += std::ssize(wanted) - std::count(wanted.begin(), wanted.end(), ignore_index_);
}

void Perplexity::update(double mean_loss, std::int64_t count) {
  if (count < 0) fail(ErrorKind::argument, "Perplexity: count; got {}; expected at least 0", count);
  if (count == 0) return;
  sum_ += mean_loss * static_cast<double>(count);
  count_ += count;
}

void Perplexity::merge(const Perplexity& other) {
  sum_ += other.sum_;
  count_ += other.count_;
}

double Perplexity::cross_entropy() const {
  return count_ > 0 ? sum_ / static_cast<double>(count_) : std::numeric_limits<double>::quiet_NaN();
}
double Perplexity::bits_per_target() const { return cross_entropy() / std::log(2.0); }
double Perplexity::value() const { return std::exp(cross_entropy()); }

}  // namespace saw::train
