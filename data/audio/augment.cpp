#include "saw/data/audio/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {
namespace {

// ---- features ----

/// A stream whose numbers are taken one after the other.
class Draws {
 public:
  explicit Draws(Generator& generator) : stream_(generator) {}
  /// In [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high) { return stream_.integer(next_++, low, high + 1); }
  double uniform(double low, double high) { return low + (high - low) * stream_.uniform(next_++); }
  double normal() { return stream_.normal(next_++); }

 private:
  RandomStream stream_;
  std::uint64_t next_ = 0;
};

void check(const SpecAugmentOptions& options) {
  const auto not_negative = [](const char* name, std::int64_t value) {
    if (value < 0) fail(ErrorKind::argument, "spec_augment: {} is negative; got {}", name, value);
  };
  not_negative("time_warp", options.time_warp);
  not_negative("frequency_masks", options.frequency_masks);
  not_negative("frequency_width", options.frequency_width);
  not_negative("time_masks", options.time_masks);
  not_negative("time_width", options.time_width);
  if (!(options.largest_time_share >= 0.0 && options.largest_time_share <= 1.0))
    fail(ErrorKind::argument, "spec_augment: largest_time_share is out of range; got {}; expected 0 to 1",
         options.largest_time_share);
}

// Frame t of the result lies at `from` / `to` · t of the source up to frame `to`, which shows frame `from`; behind that
// the last frames meet again. Between two source frames values are interpolated.
Tensor warped(const Tensor& x, std::int64_t from, std::int64_t to) {
  const std::int64_t rows = x.size(0), features = x.size(1), last = rows - 1;
  Tensor result = Tensor::empty(x.shape(), float32);
  float* out = result.mutable_data<float>();
  const double before = static_cast<double>(from) / static_cast<double>(to);
  const double behind = static_cast<double>(last - from) / static_cast<double>(last - to);
  for (std::int64_t t = 0; t < rows; ++t) {
    const double place =
        t <= to ? before * static_cast<double>(t) : static_cast<double>(from) + behind * static_cast<double>(t - to);
    const std::int64_t row = std::min(static_cast<std::int64_t>(place), last - 1);
    const auto part = static_cast<float>(place - static_cast<double>(row));
    const float* left = x.data<float>() + row * features;
    const float* right = left + features;
    for (std::int64_t i = 0; i < features; ++i) *out++ = left[i] + part * (right[i] - left[i]);
  }
  return result;
}

std::vector<float> fill_values(const Tensor& x, const std::optional<double>& fill) {
  const auto features = static_cast<std::size_t>(x.size(1));
  if (fill) return std::vector<float>(features, static_cast<float>(*fill));
  std::vector<double> sums(features, 0.0);
  const float* value = x.data<float>();
  for (std::int64_t t = 0; t < x.size(0); ++t)
    for (double& sum : sums) sum += static_cast<double>(*value++);
  std::vector<float> result;
  for (const double sum : sums) result.push_back(static_cast<float>(sum / static_cast<double>(x.size(0))));
  return result;
}

// ---- sound ----

double power(const float* samples, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(samples[i]) * static_cast<double>(samples[i]);
  return sum / static_cast<double>(count);
}

Tensor scaled(const Tensor& x, double factor) {
  Tensor result = Tensor::empty(x.shape(), float32);
  const auto by = static_cast<float>(factor);
  std::transform(x.data<float>(), x.data<float>() + x.numel(), result.mutable_data<float>(),
                 [by](float sample) { return by * sample; });
  return result;
}

}  // namespace

Tensor spec_augment(const Tensor& frames, const SpecAugmentOptions& options, Generator& generator) {
  const Tensor x = checked_frames("spec_augment", frames);
  check(options);
  Draws draws(generator);
  const std::int64_t rows = x.size(0), features = x.size(1);
  if (x.numel() == 0) return x;

  const std::int64_t warp = options.time_warp;
  Tensor result;
  if (warp > 0 && warp < rows - warp) {
    const std::int64_t from = draws.integer(warp, rows - warp - 1);
    result = warped(x, from, from + draws.integer(1 - warp, warp - 1));
  } else {
    result = x.clone();
  }

  const std::vector<float> fill = fill_values(result, options.fill);
  float* out = result.mutable_data<float>();
  const auto mask = [&](std::int64_t first_row, std::int64_t end_row, std::int64_t first, std::int64_t end) {
    for (std::int64_t row = first_row; row < end_row; ++row)
      std::copy(fill.begin() + first, fill.begin() + end, out + row * features + first);
  };
  const std::int64_t widest = std::min(options.frequency_width, features);
  for (std::int64_t i = 0; i < options.frequency_masks; ++i) {
    const std::int64_t width = draws.integer(0, widest), first = draws.integer(0, features - width);
    mask(0, rows, first, first + width);
  }
  const std::int64_t longest =
      std::min(options.time_width, static_cast<std::int64_t>(options.largest_time_share * static_cast<double>(rows)));
  for (std::int64_t i = 0; i < options.time_masks; ++i) {
    const std::int64_t length = draws.integer(0, longest), first = draws.integer(0, rows - length);
    mask(first, first + length, 0, features);
  }
  return result;
}

Tensor add_noise_bursts(const Tensor& frames, const NoiseBurstOptions& options, Generator& generator) {
  const Tensor x = checked_frames("add_noise_bursts", frames);
  if (options.bursts < 0 || options.longest < 5)
    fail(ErrorKind::argument,
         "add_noise_bursts: options are out of range; got {} bursts of at most {} frames; expected ≥ 0, ≥ 5",
         options.bursts, options.longest);
  if (!(options.probability >= 0 && options.probability <= 1 && options.widest >= 0.1 && options.quietest >= 0))
    fail(ErrorKind::argument,
         "add_noise_bursts: options are out of range; got probability {}, widest {}, quietest {}; expected 0 … 1, ≥ "
         "0.1, ≥ 0",
         options.probability, options.widest, options.quietest);
  constexpr double roughness = 0.7;  // standard deviation of the noise's own log power, in nats
  Draws draws(generator);
  if (x.numel() == 0) return x;
  Tensor result = x.clone();
  const std::int64_t rows = result.size(0), bands = result.size(1);
  float* values = result.mutable_data<float>();
  const double loudest = static_cast<double>(*std::max_element(values, values + rows * bands));
  for (std::int64_t burst = 0; burst < options.bursts; ++burst) {
    if (draws.uniform(0, 1) >= options.probability) continue;
    const double centre = draws.uniform(0, static_cast<double>(bands));
    const double deviation = draws.uniform(0.1, options.widest) * static_cast<double>(bands);
    const double level = loudest - draws.uniform(0, options.quietest);
    const std::int64_t length = draws.integer(5, options.longest);
    const std::int64_t begin = draws.integer(-length + 1, rows - 1);
    for (std::int64_t t = std::max<std::int64_t>(begin, 0); t < std::min(begin + length, rows); ++t)
      for (std::int64_t band = 0; band < bands; ++band) {
        const double distance = (static_cast<double>(band) - centre) / deviation;
        const double noise = level - 2.0 * distance * distance + roughness * draws.normal();
        float& value = values[t * bands + band];
        const double signal = static_cast<double>(value);
        value = static_cast<float>(std::max(signal, noise) + std::log1p(std::exp(-std::abs(signal - noise))));
      }
  }
  return result;
}

Tensor random_crop(const Tensor& frames, std::int64_t length, Generator& generator) {
  const Tensor x = checked_frames("random_crop", frames);
  if (length < 1)
    fail(ErrorKind::argument, "random_crop: the length is out of range; got {}; expected at least 1", length);
  Draws draws(generator);
  if (x.size(0) <= length) return x;
  const std::int64_t first = draws.integer(0, x.size(0) - length);
  return x.slice(0, first, first + length);
}

Tensor add_noise(const Tensor& samples, const Tensor& noise, double snr, Generator& generator) {
  const Tensor x = checked_samples("add_noise", samples), n = checked_samples("add_noise", noise);
  if (n.numel() == 0) fail(ErrorKind::argument, "add_noise: the noise has no samples");
  if (!std::isfinite(snr)) fail(ErrorKind::argument, "add_noise: the signal-to-noise ratio is not finite; got {}", snr);
  const std::int64_t count = x.numel(), noise_count = n.numel();
  // A stretch of longer noise lies wholly inside it.
  std::int64_t at = Draws(generator).integer(0, noise_count > count ? noise_count - count : noise_count - 1);
  std::vector<float> added(static_cast<std::size_t>(count));
  for (float& sample : added) {
    sample = n.data<float>()[at];
    if (++at == noise_count) at = 0;
  }
  if (count == 0) return x;
  const double noise_power = power(added.data(), count);
  const double wanted_power = power(x.data<float>(), count) / std::pow(10.0, snr / 10.0);
  const auto gain = noise_power > 0.0 ? static_cast<float>(std::sqrt(wanted_power / noise_power)) : 0.0F;
  Tensor result = Tensor::empty(x.shape(), float32);
  std::transform(added.begin(), added.end(), x.data<float>(), result.mutable_data<float>(),
                 [gain](float noise_sample, float sample) { return sample + gain * noise_sample; });
  return result;
}

// White noise through first-order filters in a row, each with a pole and a zero an octave above it. Poles two octaves
// apart make a staircase that falls by a factor of 2 in amplitude every two octaves, and so smooth a one that it
// differs from 1 / f by less than 0.1 dB up to a tenth of the sample rate, and by 2 dB at half of it.
Tensor pink_noise(std::int64_t count, Generator& generator) {
  if (count < 0) fail(ErrorKind::argument, "pink_noise: the count is negative; got {}", count);
  Tensor result = randn({count}, generator);
  if (count == 0) return result;
  float* samples = result.mutable_data<float>();
  constexpr int filters = 9;
  for (int k = 0; k < filters; ++k) {
    const double frequency = 0.25 * std::pow(4.0, -k);  // of the sample rate
    const double pole = std::exp(-2.0 * std::numbers::pi * frequency);
    const double zero = std::exp(-4.0 * std::numbers::pi * frequency);
    double last_in = 0.0, last_out = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double in = static_cast<double>(samples[i]);
      last_out = in - zero * last_in + pole * last_out;
      last_in = in;
      samples[i] = static_cast<float>(last_out);
    }
  }
  return scaled(result, 1.0 / std::sqrt(power(samples, count)));
}

Audio change_speed(const Audio& audio, double factor) {
  if (!(factor >= 0.1 && factor <= 10.0))
    fail(ErrorKind::argument, "change_speed: the factor is out of range; got {}; expected 0.1 to 10", factor);
  // Played at the original rate, a recording of rate · factor is so much faster.
  const auto rate = static_cast<std::int64_t>(std::llround(static_cast<double>(audio.sample_rate) * factor));
  return resample({audio.samples, rate}, audio.sample_rate);
}

Audio perturb_speed(const Audio& audio, const std::vector<double>& factors, Generator& generator) {
  if (factors.empty()) fail(ErrorKind::argument, "perturb_speed: no factors");
  const std::int64_t chosen = Draws(generator).integer(0, static_cast<std::int64_t>(factors.size()) - 1);
  return change_speed(audio, factors[static_cast<std::size_t>(chosen)]);
}

Tensor random_gain(const Tensor& samples, double low, double high, Generator& generator) {
  const Tensor x = checked_samples("random_gain", samples);
  if (!(low <= high) || !std::isfinite(low) || !std::isfinite(high))
    fail(ErrorKind::argument, "random_gain: the decibels do not fit; got {} to {}; expected low ≤ high", low, high);
  const double decibels = low + (high - low) * RandomStream(generator).uniform(0);
  return scaled(x, std::pow(10.0, decibels / 20.0));
}

}  // namespace data
}  // namespace saw
