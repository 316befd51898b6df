#include "saw/data/audio/augment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <set>
#include <vector>

#include "saw/autograd/ops/creation.h"
#include "support/errors.h"
#include "support/golden.h"
#include "support/tensors.h"

using namespace saw;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed = 3) {
  Generator generator(seed);
  return randn(shape, generator);
}

bool equal(const Tensor& a, const Tensor& b) { return test::difference(a, b, 0.0, 0.0).empty(); }

double power(const Tensor& samples) {
  double sum = 0.0;
  for (const float sample : samples.to_vector<float>()) sum += static_cast<double>(sample) * sample;
  return sum / static_cast<double>(samples.numel());
}

// Where a value of 1 was replaced by 0, as lists of whole rows and whole columns.
struct Masks {
  std::vector<std::int64_t> rows, columns;

  explicit Masks(const Tensor& x) {
    const std::vector<float> values = x.to_vector<float>();
    const std::int64_t height = x.size(0), width = x.size(1);
    const auto zero = [&](std::int64_t row, std::int64_t column) {
      return values[static_cast<std::size_t>(row * width + column)] == 0.0F;
    };
    for (std::int64_t row = 0; row < height; ++row) {
      bool all = true;
      for (std::int64_t column = 0; column < width; ++column) all = all && zero(row, column);
      if (all) rows.push_back(row);
    }
    for (std::int64_t column = 0; column < width; ++column) {
      bool all = true;
      for (std::int64_t row = 0; row < height; ++row) all = all && zero(row, column);
      if (all) columns.push_back(column);
    }
    const auto zeros = static_cast<std::size_t>(std::count(values.begin(), values.end(), 0.0F));
    const std::size_t r = rows.size(), c = columns.size();
    CHECK(zeros == r * static_cast<std::size_t>(width) + c * static_cast<std::size_t>(height) - r * c);
  }
};

}  // namespace

TEST_CASE("spec_augment: a function of the generator that leaves its input alone") {
  const Tensor x = noise({100, 40}), copy = x.clone();
  const data::SpecAugmentOptions options{.time_warp = 10};
  Generator first(1), second(1), third(2);
  const Tensor result = data::spec_augment(x, options, first);
  CHECK(equal(data::spec_augment(x, options, second), result));
  CHECK(!equal(data::spec_augment(x, options, third), result));
  CHECK(!equal(data::spec_augment(x, options, first), result));
  CHECK(first.position() == 2);
  CHECK(equal(x, copy));
}

TEST_CASE("spec_augment: masks are as wide as allowed, everywhere, and hold what was asked for") {
  const Tensor x = ones({50, 20}, float32);
  const data::SpecAugmentOptions one{.frequency_masks = 1, .frequency_width = 6, .time_masks = 1, .fill = 0.0};
  std::set<std::size_t> widths, lengths;
  std::set<std::int64_t> columns, rows;
  Generator generator(4);
  for (int i = 0; i < 600; ++i) {
    const Masks masks(data::spec_augment(x, one, generator));
    widths.insert(masks.columns.size());
    lengths.insert(masks.rows.size());
    columns.insert(masks.columns.begin(), masks.columns.end());
    rows.insert(masks.rows.begin(), masks.rows.end());
    if (!masks.columns.empty())  // one stretch
      CHECK(masks.columns.back() - masks.columns.front() + 1 == static_cast<std::int64_t>(masks.columns.size()));
  }
  CHECK(widths == std::set<std::size_t>{0, 1, 2, 3, 4, 5, 6});
  CHECK(lengths.size() == 11);
  CHECK(*lengths.rbegin() == 10);  // a fifth of 50 is less than 40
  CHECK(columns.size() == 20);
  CHECK(rows.size() == 50);
}

TEST_CASE("spec_augment: masks hold each feature's mean") {
  const Tensor x = noise({30, 5});
  const data::SpecAugmentOptions all{.frequency_masks = 40, .frequency_width = 5, .time_masks = 0};
  Generator generator(5);
  const Tensor masked = data::spec_augment(x, all, generator);
  for (std::int64_t i = 0; i < 5; ++i)
    CHECK(test::difference(masked.select(1, i), full({30}, x.select(1, i).mean().item(), float32), 1e-5, 1e-6) == "");
}

TEST_CASE("spec_augment: warping moves one frame, keeps the ends and the order") {
  std::vector<float> line;
  for (int t = 0; t < 101; ++t) line.push_back(static_cast<float>(t));
  const Tensor x = tensor(line, {101, 1});
  const data::SpecAugmentOptions warp{.time_warp = 20, .frequency_masks = 0, .time_masks = 0};
  Generator generator(6);
  double largest = 0.0;
  for (int i = 0; i < 200; ++i) {
    const std::vector<float> places = data::spec_augment(x, warp, generator).to_vector<float>();
    CHECK(places.front() == 0.0F);
    CHECK(places.back() == doctest::Approx(100.0));
    // Straight up to one corner, and from there on.
    std::set<int> slopes;
    for (std::size_t t = 1; t < places.size(); ++t) {
      REQUIRE(places[t] > places[t - 1]);
      slopes.insert(static_cast<int>(std::lround((places[t] - places[t - 1]) * 1e3F)));
      largest = std::max(largest, std::abs(static_cast<double>(places[t]) - static_cast<double>(t)));
    }
    CHECK(slopes.size() <= 4);  // two, and their neighbours by rounding
  }
  CHECK(largest > 15.0);
  CHECK(largest <= 19.0001);
  CHECK(equal(data::spec_augment(x.slice(0, 0, 40), warp, generator), x.slice(0, 0, 40)));
  const data::SpecAugmentOptions smallest{.time_warp = 1, .frequency_masks = 0, .time_masks = 0};
  CHECK(equal(data::spec_augment(x.slice(0, 0, 3), smallest, generator), x.slice(0, 0, 3)));
}

TEST_CASE("spec_augment: few frames, few features, wrong options") {
  Generator generator(7);
  for (const Shape& shape : {Shape{1, 40}, Shape{40, 1}, Shape{1, 1}, Shape{2, 3}, Shape{0, 3}, Shape{3, 0}}) {
    const Tensor x = noise(shape);
    for (int i = 0; i < 20; ++i) {
      const Tensor result = data::spec_augment(x, {.time_warp = 1, .largest_time_share = 1.0}, generator);
      CHECK(result.shape() == shape);
      CHECK(std::isfinite(test::largest(result)));
    }
  }
  const Tensor x = noise({9, 9});
  CHECK(test::error_text(ErrorKind::argument, [&] { data::spec_augment(x, {.time_warp = -1}, generator); }) ==
        "spec_augment: time_warp is negative; got -1");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::spec_augment(x, {.largest_time_share = 1.5}, generator); }) ==
        "spec_augment: largest_time_share is out of range; got 1.5; expected 0 to 1");
  CHECK(test::error_text(ErrorKind::dtype, [&] {
          data::spec_augment(zeros({9, 9}, float64), {}, generator);
        }) == "spec_augment: frames have the wrong dtype; got float64; expected float32");
}

TEST_CASE("add_noise_bursts: adds power to some frames, as a function of the generator, and takes none away") {
  Generator source(3);
  const Tensor frames = randn({200, 20}, source);
  Generator one(5), two(5);
  const Tensor noisy = data::add_noise_bursts(frames, {.bursts = 2, .probability = 1.0}, one);
  CHECK(test::same_bits({noisy}, {data::add_noise_bursts(frames, {.bursts = 2, .probability = 1.0}, two)}));
  CHECK(one.position() == 1);
  const auto before = frames.to_vector<float>(), after = noisy.to_vector<float>();
  std::int64_t louder_frames = 0;
  for (std::size_t t = 0; t < 200; ++t) {
    bool louder = false;
    for (std::size_t i = t * 20; i < t * 20 + 20; ++i) {
      CHECK(after[i] >= before[i]);
      louder = louder || after[i] > before[i] + 0.1F;
    }
    louder_frames += louder ? 1 : 0;
  }
  CHECK(louder_frames >= 1);
  CHECK(louder_frames <= 60);  // two bursts of at most 30 frames
  CHECK(test::same_bits({data::add_noise_bursts(frames, {.bursts = 0}, one)}, {frames}));
  CHECK(data::add_noise_bursts(zeros({0, 20}), {}, one).shape() == Shape{0, 20});
  CHECK(data::add_noise_bursts(zeros({1, 1}), {.probability = 1.0}, one).shape() == Shape{1, 1});
}

TEST_CASE("add_noise_bursts: wrong options") {
  Generator generator(1);
  const Tensor frames = zeros({10, 4});
  CHECK_THROWS_AS(data::add_noise_bursts(frames, {.bursts = -1}, generator), Error);
  CHECK_THROWS_AS(data::add_noise_bursts(frames, {.probability = 1.5}, generator), Error);
  CHECK_THROWS_AS(data::add_noise_bursts(frames, {.longest = 2}, generator), Error);
  CHECK_THROWS_AS(data::add_noise_bursts(frames, {.widest = 0.0}, generator), Error);
  CHECK_THROWS_AS(data::add_noise_bursts(zeros({10}), {}, generator), Error);
}

TEST_CASE("random_crop: every place, and short ones whole") {
  std::vector<float> line;
  for (int t = 0; t < 10; ++t) line.push_back(static_cast<float>(t));
  const Tensor x = tensor(line, {10, 1});
  Generator generator(8);
  std::set<float> starts;
  for (int i = 0; i < 200; ++i) {
    const std::vector<float> crop = data::random_crop(x, 7, generator).to_vector<float>();
    REQUIRE(crop.size() == 7);
    CHECK(crop[6] - crop[0] == 6.0F);
    starts.insert(crop[0]);
  }
  CHECK(starts == std::set<float>{0.0F, 1.0F, 2.0F, 3.0F});
  CHECK(equal(data::random_crop(x, 10, generator), x));
  CHECK(equal(data::random_crop(x, 11, generator), x));
  CHECK(generator.position() == 202);
  CHECK(test::error_text(ErrorKind::argument, [&] { data::random_crop(x, 0, generator); }) ==
        "random_crop: the length is out of range; got 0; expected at least 1");
}

TEST_CASE("add_noise: the ratio is the one asked for, whatever the noise is") {
  const Tensor speech = noise({4000}).mul_(0.1);
  Generator generator(9);
  for (const double snr : {-5.0, 0.0, 20.0})
    for (const std::int64_t count : {7, 4000, 9000}) {
      CAPTURE(snr);
      CAPTURE(count);
      const Tensor noisy = data::add_noise(speech, noise({count}, 11).mul_(30.0), snr, generator);
      const Tensor added = noisy.clone().add_(speech, -1.0);
      CHECK(10.0 * std::log10(power(speech) / power(added)) == doctest::Approx(snr).epsilon(1e-3));
    }
  // A short noise is repeated.
  const Tensor added = data::add_noise(speech, noise({7}, 11), 0.0, generator).clone().add_(speech, -1.0);
  CHECK(test::difference(added.slice(0, 7, 4000), added.slice(0, 0, 3993), 0.0, 1e-6) == "");
}

TEST_CASE("add_noise: silence and wrong arguments") {
  const Tensor speech = noise({100}), silence = zeros({50}, float32);
  Generator generator(10);
  CHECK(equal(data::add_noise(speech, silence, 10.0, generator), speech));
  CHECK(equal(data::add_noise(silence, speech, 10.0, generator), silence));
  CHECK(data::add_noise(zeros({0}, float32), speech, 10.0, generator).numel() == 0);
  CHECK(test::error_text(ErrorKind::argument, [&] { data::add_noise(speech, zeros({0}, float32), 1.0, generator); }) ==
        "add_noise: the noise has no samples");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::add_noise(speech, speech, std::numeric_limits<double>::infinity(), generator);
        }) == "add_noise: the signal-to-noise ratio is not finite; got inf");
}

TEST_CASE("pink_noise: unit power, and the same power in every octave") {
  Generator generator(11);
  constexpr std::size_t points = 1024, pieces = 100;
  const Tensor samples = data::pink_noise(points * pieces, generator);
  CHECK(power(samples) == doctest::Approx(1.0).epsilon(1e-4));
  const std::vector<float> x = samples.to_vector<float>();
  // Power of octaves, by Hann-windowed Fourier transforms: bins 8 … 15, 16 … 31, 32 … 63, 64 … 127, 128 … 255.
  std::vector<double> octaves(5, 0.0);
  for (std::size_t octave = 0; octave < octaves.size(); ++octave)
    for (std::size_t k = std::size_t{8} << octave; k < std::size_t{16} << octave; k += std::size_t{1} << octave)
      for (std::size_t piece = 0; piece < pieces; ++piece) {
        std::complex<double> sum = 0.0;
        for (std::size_t i = 0; i < points; ++i) {
          const double angle = 2.0 * std::numbers::pi / points * static_cast<double>(i);
          sum += (0.5 - 0.5 * std::cos(angle)) * static_cast<double>(x[piece * points + i]) *
                 std::polar(1.0, -angle * static_cast<double>(k));
        }
        octaves[octave] += std::norm(sum) * static_cast<double>(std::size_t{1} << octave);
      }
  for (const double value : octaves) CHECK(std::abs(10.0 * std::log10(value / octaves[2])) < 1.0);
  CHECK(data::pink_noise(0, generator).numel() == 0);
  CHECK(test::error_text(ErrorKind::argument, [&] { data::pink_noise(-1, generator); }) ==
        "pink_noise: the count is negative; got -1");
}

TEST_CASE("change_speed: shorter and higher") {
  std::vector<float> samples(16000);
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = static_cast<float>(std::sin(2.0 * std::numbers::pi * 440.0 * static_cast<double>(i) / 16000.0));
  const data::Audio tone{tensor(samples), 16000};
  for (const double factor : {0.9, 1.1, 1.237}) {
    CAPTURE(factor);
    const data::Audio fast = data::change_speed(tone, factor);
    CHECK(fast.sample_rate == 16000);
    CHECK(fast.samples.numel() == std::int64_t(std::ceil(16000 / factor)));
    const std::vector<float> x = fast.samples.to_vector<float>();
    for (std::size_t i = 4000; i < 8000; ++i) {
      const double phase = 2.0 * std::numbers::pi * 440.0 * factor * static_cast<double>(i) / 16000.0;
      REQUIRE(std::abs(static_cast<double>(x[i]) - std::sin(phase)) < 1e-4);
    }
  }
  CHECK(test::error_text(ErrorKind::argument, [&] { data::change_speed(tone, 0.0); }) ==
        "change_speed: the factor is out of range; got 0; expected 0.1 to 10");
  Generator generator(12);
  std::set<std::int64_t> lengths;
  for (int i = 0; i < 20; ++i) lengths.insert(data::perturb_speed(tone, {0.9, 1.0, 1.1}, generator).samples.numel());
  CHECK(lengths == std::set<std::int64_t>{14546, 16000, 17778});
  CHECK(test::error_text(ErrorKind::argument, [&] { data::perturb_speed(tone, {}, generator); }) ==
        "perturb_speed: no factors");
}

TEST_CASE("random_gain: within its range") {
  const Tensor x = noise({100});
  Generator generator(13);
  double least = 100.0, most = -100.0;
  for (int i = 0; i < 200; ++i) {
    const double decibels = 10.0 * std::log10(power(data::random_gain(x, -6.0, 3.0, generator)) / power(x));
    least = std::min(least, decibels);
    most = std::max(most, decibels);
  }
  CHECK(least >= -6.0001);
  CHECK(least < -5.5);
  CHECK(most < 3.0001);
  CHECK(most > 2.5);
  CHECK(test::difference(data::random_gain(x, 0.0, 0.0, generator), x, 0.0, 0.0) == "");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::random_gain(x, 1.0, 0.0, generator); }) ==
        "random_gain: the decibels do not fit; got 1 to 0; expected low ≤ high");
}
