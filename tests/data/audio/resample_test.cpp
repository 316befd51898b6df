#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "saw/autograd/ops/creation.h"
#include "saw/data/audio/audio.h"
#include "support/errors.h"
#include "support/golden.h"

using namespace saw;

namespace {

data::Audio sine(double frequency, std::int64_t rate, double seconds = 0.5) {
  std::vector<float> samples(static_cast<std::size_t>(seconds * static_cast<double>(rate)));
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = static_cast<float>(
        std::sin(2.0 * std::numbers::pi * frequency * static_cast<double>(i) / static_cast<double>(rate) + 0.3));
  return {tensor(samples), rate};
}

// The largest difference to what sine() makes at that rate, away from the ends where the signal is cut off.
double error_inside(const data::Audio& sound, double frequency) {
  const std::vector<float> expected =
      sine(frequency, sound.sample_rate, sound.seconds() + 0.01).samples.to_vector<float>();
  const std::vector<float> samples = sound.samples.to_vector<float>();
  double worst = 0.0;
  for (std::size_t i = samples.size() / 4; i < samples.size() * 3 / 4; ++i)
    worst = std::max(worst, std::abs(static_cast<double>(samples[i]) - static_cast<double>(expected[i])));
  return worst;
}

double largest_inside(const data::Audio& sound) {
  const std::int64_t count = sound.samples.numel();
  return test::largest(sound.samples.slice(0, count / 4, count * 3 / 4));
}

struct Rates {
  std::int64_t from, to;
};
// Ratios with few and with many phases; those of the second line are interpolated between rows of a table.
const Rates all_rates[] = {{8000, 16000},  {16000, 8000},  {44100, 16000}, {16000, 44100},
                           {48000, 16000}, {17600, 16000}, {44100, 15999}, {15999, 44100},
                           {16000, 15999}, {44101, 7993},  {96001, 8000}};

}  // namespace

TEST_CASE("resample: sines of the pass band are kept") {
  for (const Rates& rates : all_rates) {
    const std::int64_t from = rates.from, to = rates.to;
    const double nyquist = 0.5 * static_cast<double>(std::min(from, to));
    for (const double part : {0.01, 0.1, 0.3, 0.5, 0.7, 0.85, 0.895}) {
      CAPTURE(from);
      CAPTURE(to);
      CAPTURE(part);
      const data::Audio result = data::resample(sine(part * nyquist, from), to);
      CHECK(result.sample_rate == to);
      CHECK(error_inside(result, part * nyquist) < 2e-5);
    }
  }
}

TEST_CASE("resample: what the lower rate cannot hold is removed") {
  for (const Rates& rates : all_rates) {
    const std::int64_t from = rates.from, to = rates.to;
    if (from <= to) continue;
    const double from_nyquist = 0.5 * static_cast<double>(from), to_nyquist = 0.5 * static_cast<double>(to);
    for (const double part : {0.01, 0.1, 0.5, 0.9}) {
      CAPTURE(from);
      CAPTURE(to);
      CAPTURE(part);
      const double frequency = to_nyquist + part * (from_nyquist - to_nyquist);
      CHECK(largest_inside(data::resample(sine(frequency, from), to)) < 2e-5);  // −94 dB
    }
  }
}

TEST_CASE("resample: an impulse becomes the filter, symmetric and of the same sum") {
  std::vector<float> samples(801, 0.0F);
  samples[400] = 1.0F;
  const std::vector<float> up = data::resample({tensor(samples), 8000}, 24000).samples.to_vector<float>();
  REQUIRE(up.size() == 2403);
  double sum = 0.0;
  for (const float value : up) sum += static_cast<double>(value);
  CHECK(sum == doctest::Approx(3.0).epsilon(1e-5));
  for (std::size_t i = 1; i < 300; ++i) CHECK(std::abs(up[1200 - i] - up[1200 + i]) < 1e-6F);
  for (std::size_t i = 0; i < 1200 - 3 * 64; ++i) CHECK(up[i] == 0.0F);  // the filter's half-width
  CHECK(up[1200] == doctest::Approx(0.95).epsilon(0.01));
}

TEST_CASE("resample: a constant stays exactly constant") {
  for (const Rates& rates : all_rates) {
    const std::int64_t from = rates.from, to = rates.to;
    CAPTURE(from);
    CAPTURE(to);
    const Tensor result = data::resample({full({from / 4}, 0.7, float32), from}, to).samples;
    const std::int64_t count = result.numel();
    const Tensor inside = result.slice(0, count / 4, count * 3 / 4);
    CHECK(test::difference(inside, full(inside.shape(), 0.7, float32), 0.0, 1e-6) == "");
  }
}

TEST_CASE("resample: lengths") {
  const auto length = [](std::int64_t count, std::int64_t from, std::int64_t to) {
    return data::resample({zeros({count}, float32), from}, to).samples.numel();
  };
  CHECK(length(0, 8000, 16000) == 0);
  CHECK(length(1, 8000, 16000) == 2);
  CHECK(length(1, 16000, 8000) == 1);
  CHECK(length(3, 16000, 8000) == 2);
  CHECK(length(44100, 44100, 16000) == 16000);
  CHECK(length(44101, 44100, 16000) == 16001);
  CHECK(length(44100, 44100, 15999) == 15999);
  CHECK(length(10, 255, 1) == 1);
  CHECK(length(10, 1, 255) == 2550);
}

TEST_CASE("resample: equal rates give the same sound") {
  const data::Audio sound = sine(440.0, 16000, 0.01);
  const data::Audio result = data::resample(sound, 16000);
  CHECK(result.sample_rate == 16000);
  CHECK(test::difference(result.samples, sound.samples, 0.0, 0.0) == "");
}

TEST_CASE("resample: wrong rates") {
  const data::Audio sound = sine(440.0, 16000, 0.01);
  CHECK(test::error_text(ErrorKind::argument, [&] { data::resample(sound, 0); }) ==
        "resample: the new sample rate is out of range; got 0; expected 1 to 1073741824 Hz");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::resample({sound.samples, -1}, 8000);
        }) == "resample: the sound's sample rate is out of range; got -1; expected 1 to 1073741824 Hz");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::resample(sound, 10); }) ==
        "resample: the rates differ too much; got 16000 and 10 Hz; expected a ratio below 256");
  CHECK(test::error_text(ErrorKind::dtype, [] {
          data::resample({zeros({9}, float64), 8000}, 16000);
        }) == "resample: samples have the wrong dtype; got float64; expected float32");
}
