#include "saw/data/audio/vocal_tract.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "saw/autograd/ops.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

namespace {

Tensor tone(double hertz) {
  std::vector<float> samples(16000);
  for (std::size_t t = 0; t < samples.size(); ++t)
    samples[t] = static_cast<float>(0.5 * std::sin(2.0 * std::numbers::pi * hertz * static_cast<double>(t) / 16000.0));
  return tensor(samples);
}

std::int64_t loudest_band(const Tensor& frames) { return argmax(mean(frames, {0}), 0).item<std::int64_t>(); }

}  // namespace

TEST_CASE("warp_vocal_tract: a tone comes to lie where one of another frequency does") {
  for (const bool slaney : {false, true}) {
    const data::LogMel log_mel({.slaney_scale = slaney});
    for (const double hertz : {500.0, 1000.0, 2000.0, 3000.0})
      for (const double factor : {0.7, 0.9, 1.0, 1.2, 1.5}) {
        const Tensor warped = data::warp_vocal_tract(log_mel(tone(hertz)), factor, log_mel.options());
        CHECK(std::abs(loudest_band(warped) - loudest_band(log_mel(tone(hertz / factor)))) <= 1);
      }
  }
}

TEST_CASE("warp_vocal_tract: interpolates, repeats the outermost values, and leaves its input alone") {
  const data::LogMelOptions mels{.mels = 5};
  const Tensor ramp = tensor({{0.0F, 1.0F, 2.0F, 3.0F, 4.0F}, {5.0F, 5.0F, 5.0F, 5.0F, 5.0F}});
  const Tensor before = ramp.clone();
  const Tensor same = data::warp_vocal_tract(ramp, 1.0, mels);
  CHECK(test::difference(same, ramp, 0.0, 1e-5).empty());
  const Tensor longer = data::warp_vocal_tract(ramp, 1.3, mels), shorter = data::warp_vocal_tract(ramp, 1 / 1.3, mels);
  for (std::int64_t m = 0; m < 5; ++m) {
    CHECK(longer.select(0, 1).select(0, m).item() == 5.0);  // what is flat stays flat
    CHECK(longer.select(0, 0).select(0, m).item() >= static_cast<double>(m));
    CHECK(shorter.select(0, 0).select(0, m).item() <= static_cast<double>(m));
  }
  CHECK(longer.select(0, 0).select(0, 4).item() == 4.0);
  CHECK(shorter.select(0, 0).select(0, 4).item() < 4.0);
  CHECK(test::same_bits(ramp, before));
  CHECK(data::warp_vocal_tract(zeros({0, 5}), 1.2, mels).size(0) == 0);
  // HTK's scale by hand: 50 to 8,000 Hz, the middle band of five.
  const double low = 2595 * std::log10(1 + 50 / 700.0), high = 2595 * std::log10(1 + 8000 / 700.0);
  const double hertz = 700 * (std::pow(10.0, (low + 0.5 * (high - low)) / 2595) - 1);
  const double place = (2595 * std::log10(1 + 1.3 * hertz / 700) - low) / (high - low) * 6 - 1;
  CHECK(longer.select(0, 0).select(0, 2).item() == doctest::Approx(place).epsilon(1e-6));
}

TEST_CASE("perturb_vocal_tract: a function of the generator, within its range") {
  const data::LogMelOptions mels{.mels = 5};
  const Tensor ramp = tensor({{0.0F, 1.0F, 2.0F, 3.0F, 4.0F}});
  const double least = data::warp_vocal_tract(ramp, 1 / 1.2, mels).select(0, 0).select(0, 2).item();
  const double most = data::warp_vocal_tract(ramp, 1.2, mels).select(0, 0).select(0, 2).item();
  std::set<double> seen;
  Generator generator(3), again(3);
  for (int i = 0; i < 50; ++i) {
    const Tensor warped = data::perturb_vocal_tract(ramp, 1.2, mels, generator);
    CHECK(generator.position() == static_cast<std::uint64_t>(i) + 1);
    CHECK(test::same_bits(warped, data::perturb_vocal_tract(ramp, 1.2, mels, again)));
    const double middle = warped.select(0, 0).select(0, 2).item();
    CHECK(middle >= least);
    CHECK(middle <= most);
    seen.insert(middle);
  }
  CHECK(seen.size() == 50);
  CHECK(*seen.begin() < least + 0.2 * (most - least));
  CHECK(*seen.rbegin() > most - 0.2 * (most - least));
}

TEST_CASE("warp_vocal_tract: errors") {
  const data::LogMelOptions mels{.mels = 5};
  Generator generator(1);
  CHECK(test::kind_of([&] { data::warp_vocal_tract(zeros({3, 4}), 1.0, mels); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { data::warp_vocal_tract(zeros({5}), 1.0, mels); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { data::warp_vocal_tract(zeros({3, 5}, float64), 1.0, mels); }) == ErrorKind::dtype);
  for (const double factor : {0.0, -1.0, 5.0, std::nan("")})
    CHECK(test::kind_of([&] { data::warp_vocal_tract(zeros({3, 5}), factor, mels); }) == ErrorKind::argument);
  for (const data::LogMelOptions& wrong :
       {data::LogMelOptions{.mels = 5, .low_frequency = -1000.0},
        data::LogMelOptions{.mels = 5, .low_frequency = 8000.0}, data::LogMelOptions{.mels = 5, .high_frequency = -1.0},
        data::LogMelOptions{.mels = 5, .high_frequency = 8001.0},
        data::LogMelOptions{.mels = 5, .low_frequency = std::nan("")}, data::LogMelOptions{.sample_rate = 0, .mels = 5},
        data::LogMelOptions{.window = 0, .mels = 5}})
    CHECK(test::error_text([&] {
            data::warp_vocal_tract(zeros({3, 5}), 1.0, wrong);
          }).starts_with("warp_vocal_tract: the "));
  CHECK(test::kind_of([&] { data::perturb_vocal_tract(zeros({3, 5}), 0.9, mels, generator); }) == ErrorKind::argument);
}
