#include "saw/data/audio/normalize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {
namespace {

void check_at_least(const char* op, const char* name, std::int64_t value, std::int64_t least) {
  if (value < least)
    fail(ErrorKind::argument, "{}: {} is too small; got {}; expected at least {}", op, name, value, least);
}

// Mean over time of each feature of (T, features).
std::vector<double> means(const Tensor& x) {
  std::vector<double> result(static_cast<std::size_t>(x.size(1)), 0.0);
  const float* value = x.data<float>();
  for (std::int64_t t = 0; t < x.size(0); ++t)
    for (double& sum : result) sum += static_cast<double>(*value++);
  for (double& sum : result) sum /= static_cast<double>(x.size(0));
  return result;
}

// (x − mean) · factor, feature by feature.
Tensor shifted_and_scaled(const Tensor& x, const std::vector<double>& mean, const std::vector<double>& factor) {
  Tensor result = Tensor::empty(x.shape(), float32);
  const float* value = x.data<float>();
  float* out = result.mutable_data<float>();
  for (std::int64_t t = 0; t < x.size(0); ++t)
    for (std::size_t i = 0; i < mean.size(); ++i)
      *out++ = static_cast<float>((static_cast<double>(*value++) - mean[i]) * factor[i]);
  return result;
}

}  // namespace

Tensor subtract_mean(const Tensor& frames) {
  const Tensor x = checked_frames("subtract_mean", frames);
  const std::vector<double> mean = means(x);
  return shifted_and_scaled(x, mean, std::vector<double>(mean.size(), 1.0));
}

Tensor standardize(const Tensor& frames) {
  const Tensor x = checked_frames("standardize", frames);
  const std::vector<double> mean = means(x);
  std::vector<double> factor(mean.size(), 0.0);
  const float* value = x.data<float>();
  for (std::int64_t t = 0; t < x.size(0); ++t)
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double difference = static_cast<double>(*value++) - mean[i];
      factor[i] += difference * difference;
    }
  for (std::size_t i = 0; i < factor.size(); ++i) {
    const double deviation = std::sqrt(factor[i] / static_cast<double>(x.size(0)));
    const double noise = static_cast<double>(std::numeric_limits<float>::epsilon()) * std::abs(mean[i]);
    factor[i] = deviation <= noise ? 0.0 : 1.0 / deviation;  // this way round NaN stays NaN
  }
  return shifted_and_scaled(x, mean, factor);
}

Tensor deltas(const Tensor& frames, std::int64_t window) {
  const Tensor x = checked_frames("deltas", frames);
  check_at_least("deltas", "the window", window, 1);
  const std::int64_t rows = x.size(0), features = x.size(1);
  Tensor result = Tensor::empty(x.shape(), float32);
  const float* in = x.data<float>();
  float* out = result.mutable_data<float>();
  double norm = 0.0;
  for (std::int64_t n = 1; n <= window; ++n) norm += 2.0 * static_cast<double>(n) * static_cast<double>(n);
  std::vector<double> sums(static_cast<std::size_t>(features));
  for (std::int64_t t = 0; t < rows; ++t) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (std::int64_t n = 1; n <= window; ++n) {
      const float* after = in + std::min(t + n, rows - 1) * features;
      const float* before = in + std::max<std::int64_t>(t - n, 0) * features;
      for (double& sum : sums)
        sum += static_cast<double>(n) * (static_cast<double>(*after++) - static_cast<double>(*before++));
    }
    for (const double sum : sums) *out++ = static_cast<float>(sum / norm);
  }
  return result;
}

Tensor with_deltas(const Tensor& frames, std::int64_t order, std::int64_t window) {
  Tensor block = checked_frames("with_deltas", frames);
  check_at_least("with_deltas", "the order", order, 0);
  const std::int64_t features = block.size(1);
  Tensor result = Tensor::empty({block.size(0), features * (1 + order)}, float32);
  result.slice(1, 0, features).copy_(block);
  for (std::int64_t i = 1; i <= order; ++i) {
    block = deltas(block, window);
    result.slice(1, i * features, (i + 1) * features).copy_(block);
  }
  return result;
}

Tensor stack_frames(const Tensor& frames, std::int64_t left, std::int64_t right, std::int64_t step) {
  const Tensor x = checked_frames("stack_frames", frames);
  check_at_least("stack_frames", "left", left, 0);
  check_at_least("stack_frames", "right", right, 0);
  check_at_least("stack_frames", "the step", step, 1);
  const std::int64_t rows = x.size(0), features = x.size(1);
  const std::int64_t result_rows = (rows + step - 1) / step;
  Tensor result = Tensor::empty({result_rows, features * (left + 1 + right)}, float32);
  float* out = result.mutable_data<float>();
  for (std::int64_t row = 0; row < result_rows; ++row)
    for (std::int64_t at = row * step - left; at <= row * step + right; ++at)
      out = std::copy_n(x.data<float>() + std::clamp<std::int64_t>(at, 0, rows - 1) * features, features, out);
  return result;
}

}  // namespace data
}  // namespace saw
