#include "saw/train/metrics/equal_error_rate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"

namespace saw::train {

void EqualErrorRate::update(double score, bool is_target) {
  if (std::isnan(score)) fail(ErrorKind::argument, "EqualErrorRate: the score of trial {} is NaN", scores_.size());
  scores_.push_back(score);
  is_target_.push_back(is_target);
}

void EqualErrorRate::update(const Tensor& scores, const Tensor& is_target) {
  if (scores.rank() != 1 || scores.shape() != is_target.shape())
    fail(ErrorKind::shape, "EqualErrorRate: scores and answers; got {} and {}; expected (N) and (N)", scores.shape(),
         is_target.shape());
  if (!is_floating(scores.dtype()) || is_target.dtype() != boolean)
    fail(ErrorKind::dtype, "EqualErrorRate: scores and answers; got {} and {}; expected a floating dtype and bool",
         scores.dtype(), is_target.dtype());
  const std::vector<double> values = to(scores.detach(), float64).to_vector<double>();
  const std::vector<bool> answers = is_target.to_vector<bool>();
  for (std::size_t i = 0; i < values.size(); ++i) update(values[i], answers[i]);
}

void EqualErrorRate::merge(const EqualErrorRate& other) {
  const EqualErrorRate copy = other;  // it may be this one
  scores_.insert(scores_.end(), copy.scores_.begin(), copy.scores_.end());
  is_target_.insert(is_target_.end(), copy.is_target_.begin(), copy.is_target_.end());
}

void EqualErrorRate::reset() {
  scores_.clear();
  is_target_.clear();
}

bool EqualErrorRate::has_both_kinds() const {
  const auto targets = std::count(is_target_.begin(), is_target_.end(), true);
  return targets > 0 && targets < std::ssize(is_target_);
}

double EqualErrorRate::value() const {
  return has_both_kinds() ? data::equal_error_rate(scores_, is_target_) : std::numeric_limits<double>::quiet_NaN();
}

double EqualErrorRate::min_detection_cost(const data::DetectionCostOptions& options) const {
  return has_both_kinds() ? data::min_detection_cost(scores_, is_target_, options)
                          : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace saw::train
