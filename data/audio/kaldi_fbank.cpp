#include "saw/data/audio/kaldi_fbank.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/audio/internal/log_filter_bank.h"
#include "saw/data/audio/internal/samples.h"

namespace saw {
namespace data {
namespace {

constexpr std::int64_t largest_frame = std::int64_t{1} << 20;
constexpr float log_floor = std::numeric_limits<float>::epsilon();

double half_rate(const KaldiFbankOptions& options) { return static_cast<double>(options.sample_rate) / 2.0; }

double high_frequency_of(const KaldiFbankOptions& options) {
  return options.high_frequency > 0.0 ? options.high_frequency : half_rate(options) + options.high_frequency;
}

std::int64_t samples_in(double milliseconds, std::int64_t sample_rate) {
  return static_cast<std::int64_t>(milliseconds * static_cast<double>(sample_rate) / 1000.0);
}

const KaldiFbankOptions& checked(const KaldiFbankOptions& options) {
  if (options.sample_rate < 1 || options.sample_rate > (std::int64_t{1} << 30))
    fail(ErrorKind::argument, "KaldiFbank: the sample rate is out of range; got {}; expected 1 to 2^30 Hz",
         options.sample_rate);
  constexpr double largest_time = 1e6;
  for (const double time : {options.frame_length, options.frame_shift})
    if (!(time > 0.0 && time <= largest_time))
      fail(ErrorKind::argument, "KaldiFbank: a frame's time is out of range; got {} ms; expected more than 0, up to {}",
           time, largest_time);
  const std::int64_t frame = samples_in(options.frame_length, options.sample_rate);
  if (frame < 2 || frame > largest_frame)
    fail(ErrorKind::argument, "KaldiFbank: the frame length is out of range; got {} ms, {} samples; expected 2 to {}",
         options.frame_length, frame, largest_frame);
  if (samples_in(options.frame_shift, options.sample_rate) < 1)
    fail(ErrorKind::argument, "KaldiFbank: the frame shift is less than a sample; got {} ms", options.frame_shift);
  const double high = high_frequency_of(options);
  if (!(options.low_frequency >= 0.0 && options.low_frequency < high && high <= half_rate(options)))
    fail(ErrorKind::argument, "KaldiFbank: the frequencies do not fit; got {} to {} Hz; expected 0 ≤ low < high ≤ {}",
         options.low_frequency, high, half_rate(options));
  if (options.mels < 1)
    fail(ErrorKind::argument, "KaldiFbank: the number of mels is out of range; got {}; expected at least 1",
         options.mels);
  if (!(options.preemphasis >= 0.0 && options.preemphasis <= 1.0))
    fail(ErrorKind::argument, "KaldiFbank: the pre-emphasis is out of range; got {}; expected 0 to 1",
         options.preemphasis);
  if (!(options.dither >= 0.0) || !std::isfinite(options.dither))
    fail(ErrorKind::argument, "KaldiFbank: the dither is out of range; got {}; expected 0 or more", options.dither);
  if (!(options.scale > 0.0) || !std::isfinite(options.scale))
    fail(ErrorKind::argument, "KaldiFbank: the scale is out of range; got {}; expected more than 0", options.scale);
  return options;
}

double window_at(KaldiWindow window, double angle) {
  switch (window) {
    case KaldiWindow::povey:
      return std::pow(0.5 - 0.5 * std::cos(angle), 0.85);
    case KaldiWindow::hamming:
      return 0.54 - 0.46 * std::cos(angle);
    case KaldiWindow::hanning:
      return 0.5 - 0.5 * std::cos(angle);
    case KaldiWindow::blackman:
      return 0.42 - 0.5 * std::cos(angle) + 0.08 * std::cos(2.0 * angle);
    case KaldiWindow::rectangular:
      return 1.0;
  }
  fail(ErrorKind::argument, "KaldiFbank: an unknown window; got {}", static_cast<int>(window));
}

std::vector<float> window_of(KaldiWindow window, std::int64_t size) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < size; ++i) {
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(size - 1);
    result.push_back(static_cast<float>(window_at(window, angle)));
  }
  return result;
}

FilterBank filters_of(const KaldiFbankOptions& options, std::int64_t points) {
  // More filters than bins leave some of them empty, so a large number need not be tried.
  if (options.mels <= points / 2) {
    FilterBank bank = triangles_over_mel(
        {points, options.sample_rate, options.mels, options.low_frequency, high_frequency_of(options)});
    if (!bank.has_empty()) return bank;
  }
  fail(ErrorKind::argument,
       "KaldiFbank: some filters lie between the {} points of the Fourier transform; got {} mels; "
       "take fewer or longer frames",
       points, options.mels);
}

float log_energy(const std::vector<float>& frame, std::int64_t size) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < size; ++i) {
    const double x = frame[static_cast<std::size_t>(i)];
    sum += x * x;
  }
  const auto energy = static_cast<float>(sum);
  return std::log(energy < log_floor ? log_floor : energy);
}

// Sample `at` of a sound that goes on beyond its ends, mirrored with its last sample repeated: … x_1 x_0 x_0 x_1 …
std::int64_t mirrored(std::int64_t at, std::int64_t count) {
  const std::int64_t period = 2 * count, place = ((at % period) + period) % period;
  return place < count ? place : period - 1 - place;
}

}  // namespace

struct KaldiFbank::Plan {
  explicit Plan(const KaldiFbankOptions& options)
      : length(samples_in(options.frame_length, options.sample_rate)),
        shift(samples_in(options.frame_shift, options.sample_rate)),
        points(static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(length)))),
        window(window_of(options.window, length)),
        bank(points, filters_of(options, points), static_cast<double>(log_floor)) {}

  std::int64_t length, shift, points;  // samples
  std::vector<float> window;
  LogFilterBank bank;
};

KaldiFbank::KaldiFbank(const KaldiFbankOptions& options)
    : options_(checked(options)), plan_(std::make_unique<const Plan>(options_)) {}
KaldiFbank::~KaldiFbank() = default;
KaldiFbank::KaldiFbank(KaldiFbank&&) noexcept = default;
KaldiFbank& KaldiFbank::operator=(KaldiFbank&&) noexcept = default;

Tensor KaldiFbank::operator()(const Tensor& samples) const {
  if (options_.dither > 0.0)
    fail(ErrorKind::argument, "KaldiFbank: dither needs a generator; got dither {}; call it as (samples, generator)",
         options_.dither);
  return features(samples, nullptr);
}

Tensor KaldiFbank::operator()(const Tensor& samples, Generator& generator) const {
  return features(samples, &generator);
}

Tensor KaldiFbank::features(const Tensor& samples, Generator* generator) const {
  const Tensor x = checked_samples("KaldiFbank", samples);
  const Plan& plan = *plan_;
  const std::int64_t count = x.numel();
  const std::int64_t frames = options_.snip_edges ? (count < plan.length ? 0 : 1 + (count - plan.length) / plan.shift)
                                                  : (count + plan.shift / 2) / plan.shift;
  if (frames == 0)
    fail(ErrorKind::argument, "KaldiFbank: too few samples for a frame; got {}; expected at least {}", count,
         options_.snip_edges ? plan.length : plan.shift - plan.shift / 2);

  std::vector<float> sound(static_cast<std::size_t>(count));
  const auto scale = static_cast<float>(options_.scale);
  std::transform(x.data<float>(), x.data<float>() + count, sound.begin(), [scale](float s) { return s * scale; });
  if (options_.dither > 0.0) {
    const Tensor noise = randn({count}, *generator);
    const auto deviation = static_cast<float>(options_.dither);
    for (std::size_t i = 0; i < sound.size(); ++i) sound[i] += deviation * noise.data<float>()[i];
  }
  if (!options_.snip_edges) {  // frame f is centred on sample (f + ½) · shift
    std::vector<float> longer;
    const std::int64_t begin = plan.shift / 2 - plan.length / 2, size = (frames - 1) * plan.shift + plan.length;
    for (std::int64_t i = begin; i < begin + size; ++i)
      longer.push_back(sound[static_cast<std::size_t>(mirrored(i, count))]);
    sound = std::move(longer);
  }

  const std::int64_t width = options_.mels + (options_.use_energy ? 1 : 0);
  Tensor result = Tensor::empty({frames, width}, float32);
  float* out = result.mutable_data<float>();
  LogFilterBank::Scratch scratch = plan.bank.scratch();
  std::vector<float>& frame = scratch.frame;  // beyond the frame's length it stays 0
  const auto begin = frame.begin(), end = begin + plan.length;
  const auto preemphasis = static_cast<float>(options_.preemphasis);
  for (std::int64_t f = 0; f < frames; ++f) {
    std::copy_n(sound.begin() + f * plan.shift, plan.length, begin);
    if (options_.remove_dc_offset) {
      const auto mean = static_cast<float>(std::accumulate(begin, end, 0.0) / static_cast<double>(plan.length));
      std::transform(begin, end, begin, [mean](float s) { return s - mean; });
    }
    if (options_.use_energy && options_.raw_energy) *out++ = log_energy(frame, plan.length);
    for (auto sample = end - 1; sample != begin; --sample) *sample -= preemphasis * *(sample - 1);
    *begin -= preemphasis * *begin;
    std::transform(begin, end, plan.window.begin(), begin, std::multiplies<>());
    if (options_.use_energy && !options_.raw_energy) *out++ = log_energy(frame, plan.length);
    plan.bank(scratch, out);
    out += options_.mels;
  }
  return result;
}

}  // namespace data
}  // namespace saw
