// Log-mel features against the definition written out naively in float64; golden files are in features_golden_test.cpp.

#include "saw/data/audio/log_mel.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <thread>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "support/errors.h"
#include "support/golden.h"

using namespace saw;

namespace {

// A chirp in a little noise.
Tensor test_sound(std::int64_t count, std::uint64_t seed = 1) {
  const RandomStream stream(seed, 0);
  std::vector<float> samples;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto t = static_cast<double>(i);
    samples.push_back(static_cast<float>(0.3 * std::sin(0.05 * t + 1e-4 * t * t) +
                                         0.05 * stream.normal(static_cast<std::uint64_t>(i))));
  }
  return tensor(samples);
}

// The definition, without a fast transform and without sparse filters.
Tensor naive_log_mel(const Tensor& samples, const data::LogMelOptions& o) {
  const std::vector<float> x = samples.to_vector<float>();
  const auto count = static_cast<std::int64_t>(x.size());
  const double high = o.high_frequency == 0.0 ? static_cast<double>(o.sample_rate) / 2.0 : o.high_frequency;
  const auto mel = [](double f) { return 2595.0 * std::log10(1.0 + f / 700.0); };
  std::vector<double> corners;
  for (std::int64_t m = 0; m < o.mels + 2; ++m) {
    const double at = mel(o.low_frequency) +
                      static_cast<double>(m) / static_cast<double>(o.mels + 1) * (mel(high) - mel(o.low_frequency));
    corners.push_back(700.0 * (std::pow(10.0, at / 2595.0) - 1.0));
  }
  std::vector<float> result;
  const std::int64_t padding = o.window / 2, frames = 1 + (count + 2 * padding - o.window) / o.hop;
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    std::vector<double> windowed;
    for (std::int64_t i = 0; i < o.window; ++i) {
      std::int64_t at = frame * o.hop + i - padding;
      if (at < 0) at = -at;
      if (at >= count) at = 2 * (count - 1) - at;
      const double phase = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(o.window);
      windowed.push_back(x[static_cast<std::size_t>(at)] * 0.5 * (1.0 - std::cos(phase)));
    }
    std::vector<double> power;
    for (std::int64_t k = 0; k <= o.window / 2; ++k) {
      std::complex<double> sum = 0.0;
      for (std::int64_t i = 0; i < o.window; ++i)
        sum += windowed[static_cast<std::size_t>(i)] *
               std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(k * i % o.window) /
                                   static_cast<double>(o.window));
      power.push_back(std::norm(sum));
    }
    for (std::size_t m = 0; m < static_cast<std::size_t>(o.mels); ++m) {
      double sum = 0.0;
      for (std::size_t k = 0; k < power.size(); ++k) {
        const double f = static_cast<double>(k) * static_cast<double>(o.sample_rate) / static_cast<double>(o.window);
        const double rising = (f - corners[m]) / (corners[m + 1] - corners[m]);
        const double falling = (corners[m + 2] - f) / (corners[m + 2] - corners[m + 1]);
        sum += power[k] * std::max(0.0, std::min(rising, falling));
      }
      result.push_back(static_cast<float>(std::log(std::max(sum, o.floor))));
    }
  }
  return tensor(result, {frames, o.mels});
}

}  // namespace

TEST_CASE("LogMel: equals its definition") {
  for (const std::int64_t count : {201, 400, 559, 560, 561, 1000}) {
    CAPTURE(count);
    const Tensor samples = test_sound(count);
    const Tensor frames = data::LogMel()(samples);
    CHECK(frames.shape() == Shape{1 + count / 160, 40});
    CHECK(test::difference(frames, naive_log_mel(samples, {}), 0.0, 1e-4) == "");
  }
}

TEST_CASE("LogMel: other sizes, odd windows and sizes with large prime factors") {
  const Tensor samples = test_sound(1500);
  for (const std::int64_t window : {2, 3, 64, 511, 512, 551, 2 * 97, 2 * 263}) {
    CAPTURE(window);
    const data::LogMelOptions options{.sample_rate = 11025,
                                      .window = window,
                                      .hop = 77,
                                      .mels = std::min<std::int64_t>(window / 2 + 1, 23),
                                      .low_frequency = 0.0,
                                      .high_frequency = 5000.0,
                                      .floor = 1e-6};
    CHECK(test::difference(data::LogMel(options)(samples), naive_log_mel(samples, options), 0.0, 2e-4) == "");
  }
}

TEST_CASE("LogMel: silence gives the floor, NaN stays NaN") {
  const data::LogMel log_mel;
  const float floor = std::log(1e-9F);
  for (const float value : log_mel(zeros({1600}, float32)).to_vector<float>()) CHECK(value == floor);
  std::vector<float> samples(1600, 0.1F);
  samples[800] = std::numeric_limits<float>::quiet_NaN();
  const Tensor frames = log_mel(tensor(samples));
  CHECK(std::isnan(frames.select(0, 5).select(0, 3).item()));
  CHECK(!std::isnan(frames.select(0, 2).select(0, 3).item()));
}

TEST_CASE("LogMel: two threads share one") {
  const data::LogMel log_mel;
  const Tensor sounds[] = {test_sound(16000, 1), test_sound(16000, 2)};
  const std::vector<float> expected[] = {log_mel(sounds[0]).to_vector<float>(), log_mel(sounds[1]).to_vector<float>()};
  int differences[] = {0, 0};
  std::vector<std::thread> threads;
  for (const int i : {0, 1})
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round)
        if (log_mel(sounds[i]).to_vector<float>() != expected[i]) ++differences[i];
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(differences[0] + differences[1] == 0);
}

TEST_CASE("LogMel: takes views, and can be moved") {
  const Tensor samples = test_sound(4000);
  data::LogMel first;
  const data::LogMel second = std::move(first);
  const Tensor view = samples.slice(0, 0, 4000, 2);
  CHECK(test::difference(second(view), second(view.clone()), 0.0, 0.0) == "");
}

TEST_CASE("LogMel: wrong options and samples") {
  const auto error = [](const data::LogMelOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { data::LogMel{options}; });
  };
  CHECK(error({.sample_rate = 0}) == "LogMel: the sample rate is out of range; got 0; expected at least 1");
  CHECK(error({.window = 1}) == "LogMel: the window is out of range; got 1; expected 2 to 1048576 samples");
  CHECK(error({.hop = 0}) == "LogMel: the hop is out of range; got 0; expected at least 1");
  CHECK(error({.mels = 202}) ==
        "LogMel: the number of mels is out of range; got 202; expected 1 to 201, the window's bins");
  CHECK(error({.low_frequency = 8000.0}) ==
        "LogMel: the frequencies do not fit; got 8000 to 8000 Hz; expected 0 ≤ low < high ≤ 8000");
  CHECK(error({.high_frequency = 9000.0}) ==
        "LogMel: the frequencies do not fit; got 50 to 9000 Hz; expected 0 ≤ low < high ≤ 8000");
  CHECK(error({.low_frequency = std::nan("")}) ==
        "LogMel: the frequencies do not fit; got nan to 8000 Hz; expected 0 ≤ low < high ≤ 8000");
  CHECK(error({.floor = 0.0}) == "LogMel: the floor is out of range; got 0; expected a positive float32");
  const data::LogMel log_mel;
  CHECK(test::error_text(ErrorKind::argument, [&] { log_mel(zeros({200}, float32)); }) ==
        "LogMel: too few samples to mirror; got 200; expected more than 200, half a window");
  CHECK(test::error_text(ErrorKind::shape, [&] {
          log_mel(zeros({2, 800}, float32));
        }) == "LogMel: samples have the wrong shape; got (2, 800); expected (T)");
  CHECK(test::error_text(ErrorKind::dtype, [&] { log_mel(zeros({800}, float64)); }) ==
        "LogMel: samples have the wrong dtype; got float64; expected float32");
  CHECK(test::error_text(ErrorKind::argument, [&] { log_mel(Tensor()); }) == "LogMel: samples are undefined");
}
