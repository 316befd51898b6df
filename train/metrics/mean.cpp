#include "saw/train/metrics/mean.h"

#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"

namespace saw::train {

Mean::Mean(double sum, double weight) : sum_(sum), weight_(weight) {
  if (!(weight >= 0) || !std::isfinite(weight))
    fail(ErrorKind::argument, "Mean: weight; got {}; expected a finite number, at least 0", weight);
}

void Mean::update(double value, double weight) {
  if (!(weight >= 0) || !std::isfinite(weight))
    fail(ErrorKind::argument, "Mean: weight; got {}; expected a finite number, at least 0", weight);
  if (weight == 0) return;  // 0 · NaN would be NaN
  sum_ += value * weight;
  weight_ += weight;
}

void Mean::update(const Tensor& values) {
  for (const double value : to(values.detach(), float64).to_vector<double>()) update(value);
}

void Mean::update(const Tensor& values, const Tensor& weights) {
  if (values.shape() != weights.shape())
    fail(ErrorKind::shape, "Mean: values and weights; got {} and {}; expected equal shapes", values.shape(),
         weights.shape());
  const std::vector<double> all_values = to(values.detach(), float64).to_vector<double>();
  const std::vector<double> all_weights = to(weights.detach(), float64).to_vector<double>();
  for (std::size_t i = 0; i < all_values.size(); ++i) update(all_values[i], all_weights[i]);
}

void Mean::merge(const Mean& other) {
  sum_ += other.sum_;
  weight_ += other.weight_;
}

double Mean::value() const { return weight_ > 0 ? sum_ / weight_ : std::numeric_limits<double>::quiet_NaN(); }

}  // namespace saw::train
