#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/audio.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {
namespace {

// The low-pass filter, with t counted in samples of the lower rate:
//   h(t) = c · sinc(c t) · I₀(β √(1 − (t / w)²)) / I₀(β),   |t| < w.
// By Kaiser's formulas a window of half-width w with stop-band attenuation A has β = 0.1102 (A − 8.7) and a transition
// band of (A − 7.95) / (2.285 · 2 w) radians, here a tenth of the Nyquist frequency. It ends where the aliases begin.
constexpr double half_width = 64.0, attenuation = 100.0;
constexpr double beta = 0.1102 * (attenuation - 8.7);
constexpr double transition = (attenuation - 7.95) / (2.285 * 2.0 * half_width) / std::numbers::pi;
constexpr double cutoff = 1.0 - transition / 2.0;

// I₀(β √u) = Σ_k (β² u / 4)^k / k!², as a polynomial in u; the terms left out are below 10⁻¹⁷ of the sum.
constexpr auto bessel_coefficients = [] {
  std::array<double, 28> result{1.0};
  for (std::size_t k = 1; k < result.size(); ++k)
    result[k] = result[k - 1] * (beta * beta / 4.0) / static_cast<double>(k * k);
  return result;
}();

constexpr std::int64_t lanes = 16;

/// One row of filter weights for each of the places between two input samples that an output can have: `up` of
/// them. Where those are too many, for a finer grid than the ear needs, with interpolation between its rows: the error
/// of that is (π / grid)² / 8 ≈ 10⁻⁶ of the signal, and the memory does not depend on the rates.
class PolyphaseFilter {
 public:
  PolyphaseFilter(std::int64_t up, std::int64_t down)
      : scale_(std::min(1.0, static_cast<double>(up) / static_cast<double>(down))),
        before_(static_cast<std::int64_t>(std::ceil(half_width / scale_))),
        taps_((2 * before_ + lanes - 1) / lanes * lanes),
        up_(up) {
    constexpr std::int64_t largest_table = std::int64_t{1} << 18;
    constexpr double grid = 1024.0;
    exact_ = up * taps_ <= largest_table;
    grid_ = exact_ ? up : static_cast<std::int64_t>(std::ceil(grid * scale_));
    const std::int64_t rows = exact_ ? up : grid_ + 1;
    table_.resize(static_cast<std::size_t>(rows * taps_));
    fill_table(rows);
  }

  std::int64_t taps() const { return taps_; }
  /// Zeros that have to stand before the first sample.
  std::int64_t padding() const { return before_ - 1; }

  /// The output at phase / up samples behind samples[padding()].
  float operator()(const float* samples, std::int64_t phase) const {
    if (exact_) return dot(samples, phase);
    const double place = static_cast<double>(phase) * static_cast<double>(grid_) / static_cast<double>(up_);
    const auto row = std::min(static_cast<std::int64_t>(place), grid_ - 1);
    const auto part = static_cast<float>(place - static_cast<double>(row));
    const float left = dot(samples, row), right = dot(samples, row + 1);
    return left + part * (right - left);
  }

 private:
  // The rows differ by a shift, so that sin(a (k − f)) = sin(a k) cos(a f) − cos(a k) sin(a f) needs few sines; and the
  // polynomial is worked out for all taps at once, which the compiler turns into vector code.
  void fill_table(std::int64_t rows) {
    const auto size = static_cast<std::size_t>(2 * before_);
    const double slope = std::numbers::pi * cutoff * scale_;
    std::vector<double> sines(size), cosines(size), u(size), window(size);
    for (std::size_t j = 0; j < size; ++j) {
      sines[j] = std::sin(slope * offset(j));
      cosines[j] = std::cos(slope * offset(j));
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      const double fraction = static_cast<double>(row) / static_cast<double>(grid_);
      for (std::size_t j = 0; j < size; ++j) {
        const double x = scale_ * (offset(j) - fraction) / half_width;
        u[j] = 1.0 - x * x;
      }
      std::fill(window.begin(), window.end(), 0.0);
      for (std::size_t k = bessel_coefficients.size(); k-- > 0;)
        for (std::size_t j = 0; j < size; ++j) window[j] = window[j] * u[j] + bessel_coefficients[k];
      const double sine = std::sin(slope * fraction), cosine = std::cos(slope * fraction);
      double sum = 0.0;
      for (std::size_t j = 0; j < size; ++j) {
        const double angle = slope * (offset(j) - fraction);
        const double sinc = std::abs(angle) < 1e-9 ? 1.0 : (sines[j] * cosine - cosines[j] * sine) / angle;
        window[j] = u[j] > 0.0 ? window[j] * sinc : 0.0;
        sum += window[j];
      }
      // Divided by their sum, the weights of a row leave a constant signal as it is.
      float* weights = table_.data() + row * taps_;
      for (const double weight : window) *weights++ = static_cast<float>(weight / sum);
    }
  }

  // From the input sample at or before the output's place to that of tap j.
  double offset(std::size_t j) const { return static_cast<double>(j) - static_cast<double>(before_ - 1); }

  float dot(const float* samples, std::int64_t row) const {
    const float* weights = table_.data() + row * taps_;
    std::array<float, lanes> sums{};  // independent, so that the compiler keeps them in vector registers
    for (std::int64_t j = 0; j < taps_; j += lanes)
      for (std::int64_t lane = 0; lane < lanes; ++lane)
        sums[static_cast<std::size_t>(lane)] += samples[j + lane] * weights[j + lane];
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
    return sums[0];
  }

  double scale_;         // of the lower rate to the input's
  std::int64_t before_;  // taps up to the output's place, and as many behind it
  std::int64_t taps_;
  std::int64_t up_;
  bool exact_;
  std::int64_t grid_;  // rows from one input sample to the next
  std::vector<float> table_;
};

void check_rate(const char* which, std::int64_t rate) {
  constexpr std::int64_t most = std::int64_t{1} << 30;
  if (rate < 1 || rate > most)
    fail(ErrorKind::argument, "resample: {} sample rate is out of range; got {}; expected 1 to {} Hz", which, rate,
         most);
}

}  // namespace

Audio resample(const Audio& audio, std::int64_t sample_rate) {
  const Tensor samples = checked_samples("resample", audio.samples);
  check_rate("the sound's", audio.sample_rate);
  check_rate("the new", sample_rate);
  if (audio.sample_rate == sample_rate) return {samples, sample_rate};
  constexpr std::int64_t largest_ratio = 256;
  if (audio.sample_rate / sample_rate >= largest_ratio || sample_rate / audio.sample_rate >= largest_ratio)
    fail(ErrorKind::argument, "resample: the rates differ too much; got {} and {} Hz; expected a ratio below {}",
         audio.sample_rate, sample_rate, largest_ratio);

  const std::int64_t divisor = std::gcd(audio.sample_rate, sample_rate);
  const std::int64_t up = sample_rate / divisor, down = audio.sample_rate / divisor;
  const std::int64_t count = samples.numel();
  if (count > (std::int64_t{1} << 32))
    fail(ErrorKind::argument, "resample: too long; got {} samples; at most 2^32", count);
  const std::int64_t result_count = (count * up + down - 1) / down;
  Tensor result = Tensor::empty({result_count}, float32);
  if (count == 0) return {result, sample_rate};

  const PolyphaseFilter filter(up, down);
  std::vector<float> padded(static_cast<std::size_t>(filter.padding() + count + filter.taps()), 0.0F);
  std::copy_n(samples.data<float>(), count, padded.begin() + filter.padding());
  float* out = result.mutable_data<float>();
  const float* position = padded.data();
  std::int64_t phase = 0;
  for (std::int64_t i = 0; i < result_count; ++i) {
    out[i] = filter(position, phase);
    phase += down;
    position += phase / up;
    phase %= up;
  }
  return {result, sample_rate};
}

}  // namespace data
}  // namespace saw
