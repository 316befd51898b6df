#include "saw/data/audio/log_mel.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/internal/log_filter_bank.h"
#include "saw/data/audio/internal/log_mel_options.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {
namespace {

constexpr std::int64_t largest_window = std::int64_t{1} << 20;

FilterBank filters_of(const LogMelOptions& options) {
  const MelBand band{options.window, options.sample_rate, options.mels, options.low_frequency, options.high_frequency};
  return triangles_over_hertz(band, options.slaney_scale ? MelScale::slaney : MelScale::htk, options.slaney_norm);
}

// Hann, periodic: the window's first sample would come again right behind its last.
std::vector<float> hann_window(std::int64_t size) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < size; ++i)
    result.push_back(static_cast<float>(
        0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(size))));
  return result;
}

// x_p … x_1 x_0 … x_T−1 x_T−2 … x_T−1−p: mirrored at the first and the last sample, which are not repeated.
std::vector<float> mirrored(const Tensor& samples, std::int64_t padding) {
  const std::int64_t count = samples.numel();
  const float* x = samples.data<float>();
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(count + 2 * padding));
  for (std::int64_t i = padding; i > 0; --i) result.push_back(x[i]);
  result.insert(result.end(), x, x + count);
  for (std::int64_t i = 1; i <= padding; ++i) result.push_back(x[count - 1 - i]);
  return result;
}

}  // namespace

LogMelOptions checked_log_mel(const char* op, LogMelOptions options) {
  if (options.sample_rate < 1)
    fail(ErrorKind::argument, "{}: the sample rate is out of range; got {}; expected at least 1", op,
         options.sample_rate);
  if (options.window < 2 || options.window > largest_window)
    fail(ErrorKind::argument, "{}: the window is out of range; got {}; expected 2 to {} samples", op, options.window,
         largest_window);
  if (options.hop < 1)
    fail(ErrorKind::argument, "{}: the hop is out of range; got {}; expected at least 1", op, options.hop);
  if (options.mels < 1 || options.mels > options.window / 2 + 1)
    fail(ErrorKind::argument, "{}: the number of mels is out of range; got {}; expected 1 to {}, the window's bins", op,
         options.mels, options.window / 2 + 1);
  const double nyquist = static_cast<double>(options.sample_rate) / 2.0;
  if (options.high_frequency == 0.0) options.high_frequency = nyquist;
  if (!(options.low_frequency >= 0.0 && options.low_frequency < options.high_frequency &&
        options.high_frequency <= nyquist))
    fail(ErrorKind::argument, "{}: the frequencies do not fit; got {} to {} Hz; expected 0 ≤ low < high ≤ {}", op,
         options.low_frequency, options.high_frequency, nyquist);
  // Below float32's smallest normal number the floor could round to 0, and its logarithm to −∞.
  if (!(options.floor >= 1.2e-38 && options.floor <= 1e38))
    fail(ErrorKind::argument, "{}: the floor is out of range; got {}; expected a positive float32", op, options.floor);
  return options;
}

struct LogMel::Plan {
  explicit Plan(const LogMelOptions& options)
      : window(hann_window(options.window)), bank(options.window, filters_of(options), options.floor) {}

  std::vector<float> window;
  LogFilterBank bank;
};

LogMel::LogMel(const LogMelOptions& options)
    : options_(checked_log_mel("LogMel", options)), plan_(std::make_unique<const Plan>(options_)) {}
LogMel::~LogMel() = default;
LogMel::LogMel(LogMel&&) noexcept = default;
LogMel& LogMel::operator=(LogMel&&) noexcept = default;

Tensor LogMel::operator()(const Tensor& samples) const {
  const Tensor x = checked_samples("LogMel", samples);
  const std::int64_t padding = options_.window / 2, count = x.numel();
  if (count <= padding)
    fail(ErrorKind::argument, "LogMel: too few samples to mirror; got {}; expected more than {}, half a window", count,
         padding);
  const std::vector<float> padded = mirrored(x, padding);
  const std::int64_t frames = 1 + (count + 2 * padding - options_.window) / options_.hop;
  Tensor result = Tensor::empty({frames, options_.mels}, float32);
  float* out = result.mutable_data<float>();
  LogFilterBank::Scratch scratch = plan_->bank.scratch();
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    const auto begin = padded.begin() + frame * options_.hop;
    std::transform(plan_->window.begin(), plan_->window.end(), begin, scratch.frame.begin(), std::multiplies<>());
    plan_->bank(scratch, out + frame * options_.mels);
  }
  return result;
}

}  // namespace data
}  // namespace saw
