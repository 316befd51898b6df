#include "saw/data/audio/mfcc.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {
namespace {

constexpr double pi = std::numbers::pi;

}  // namespace

Tensor decibels(const Tensor& frames, double range) {
  const Tensor x = checked_frames("decibels", frames);
  if (!(range >= 0.0)) fail(ErrorKind::argument, "decibels: the range is negative; got {}", range);
  Tensor result = Tensor::empty(x.shape(), float32);
  const float* in = x.data<float>();
  float* out = result.mutable_data<float>();
  const auto factor = static_cast<float>(10.0 / std::numbers::ln10);
  std::transform(in, in + x.numel(), out, [factor](float value) { return factor * value; });
  if (range == 0.0 || x.numel() == 0) return result;
  const float lowest = *std::max_element(out, out + x.numel()) - static_cast<float>(range);
  std::replace_if(
      out, out + x.numel(), [lowest](float value) { return value < lowest; }, lowest);
  return result;
}

Tensor dct(const Tensor& frames, std::int64_t coefficients) {
  const Tensor x = checked_frames("dct", frames);
  const std::int64_t rows = x.size(0), features = x.size(1);
  if (coefficients < 1 || coefficients > features)
    fail(ErrorKind::argument, "dct: the number of coefficients is out of range; got {}; expected 1 to {}", coefficients,
         features);
  std::vector<float> basis;  // (coefficients, features)
  for (std::int64_t k = 0; k < coefficients; ++k) {
    const double scale = std::sqrt((k == 0 ? 1.0 : 2.0) / static_cast<double>(features));
    for (std::int64_t m = 0; m < features; ++m)
      basis.push_back(static_cast<float>(scale * std::cos(pi * static_cast<double>(k) * (static_cast<double>(m) + 0.5) /
                                                          static_cast<double>(features))));
  }
  Tensor result = Tensor::empty({rows, coefficients}, float32);
  const float* row = x.data<float>();
  float* out = result.mutable_data<float>();
  for (std::int64_t t = 0; t < rows; ++t, row += features) {
    const float* weight = basis.data();
    for (std::int64_t k = 0; k < coefficients; ++k) {
      double sum = 0.0;
      for (std::int64_t m = 0; m < features; ++m) sum += static_cast<double>(row[m]) * static_cast<double>(*weight++);
      *out++ = static_cast<float>(sum);
    }
  }
  return result;
}

Tensor lifter(const Tensor& cepstra, double q) {
  const Tensor x = checked_frames("lifter", cepstra);
  if (!(q > 0.0) || !std::isfinite(q))
    fail(ErrorKind::argument, "lifter: q is out of range; got {}; expected more than 0", q);
  Tensor result = Tensor::empty(x.shape(), float32);
  const float* in = x.data<float>();
  float* out = result.mutable_data<float>();
  const std::int64_t rows = x.size(0), columns = x.size(1);
  for (std::int64_t k = 0; k < columns; ++k) {
    const auto factor = static_cast<float>(1.0 + 0.5 * q * std::sin(pi * static_cast<double>(k) / q));
    for (std::int64_t t = 0; t < rows; ++t) out[t * columns + k] = factor * in[t * columns + k];
  }
  return result;
}

Tensor kaldi_mfcc(const KaldiFbank& fbank, const Tensor& samples, std::int64_t coefficients, double q) {
  const Tensor features = fbank(samples);
  const std::int64_t energy_columns = fbank.options().use_energy ? 1 : 0;
  Tensor result = dct(features.slice(1, energy_columns, features.size(1)), coefficients);
  if (q != 0.0) result = lifter(result, q);
  if (energy_columns == 1) result.select(1, 0).copy_(features.select(1, 0));
  return result;
}

}  // namespace data
}  // namespace saw
