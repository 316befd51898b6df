// Kaldi's fbank against the definition written out naively in float64; golden files are in features_golden_test.cpp.

#include "saw/data/audio/kaldi_fbank.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <thread>
#include <vector>

#include "saw/autograd/ops/creation.h"
#include "support/errors.h"
#include "support/golden.h"

using namespace saw;

namespace {

Tensor noise(std::int64_t count, std::uint64_t seed = 1) {
  Generator generator(seed);
  return randn({count}, generator).mul_(0.05);
}

// Defaults, but for the number of mels.
Tensor naive_fbank(const Tensor& samples, std::size_t mels) {
  constexpr std::size_t length = 400, shift = 160, points = 512;
  constexpr double pi = std::numbers::pi;
  const auto mel = [](double f) { return 1127.0 * std::log(1.0 + f / 700.0); };
  const std::vector<float> x = samples.to_vector<float>();
  const std::size_t frames = 1 + (x.size() - length) / shift;
  std::vector<float> result;
  for (std::size_t frame = 0; frame < frames; ++frame) {
    std::vector<double> y;
    double mean = 0.0;
    for (std::size_t i = 0; i < length; ++i) y.push_back(32768.0 * static_cast<double>(x[frame * shift + i]));
    for (const double value : y) mean += value / length;
    for (double& value : y) value -= mean;
    std::vector<double> z(length);
    for (std::size_t i = 0; i < length; ++i)
      z[i] = (y[i] - 0.97 * y[i == 0 ? 0 : i - 1]) *
             std::pow(0.5 - 0.5 * std::cos(2.0 * pi * static_cast<double>(i) / (length - 1)), 0.85);
    std::vector<double> power;
    for (std::size_t k = 0; k < points / 2; ++k) {
      std::complex<double> sum = 0.0;
      for (std::size_t i = 0; i < length; ++i)
        sum += z[i] * std::polar(1.0, -2.0 * pi * static_cast<double>(k * i % points) / points);
      power.push_back(std::norm(sum));
    }
    const double step = (mel(8000.0) - mel(20.0)) / static_cast<double>(mels + 1);
    for (std::size_t m = 0; m < mels; ++m) {
      const double centre = mel(20.0) + static_cast<double>(m + 1) * step;
      double sum = 0.0;
      for (std::size_t k = 0; k < power.size(); ++k)
        sum += power[k] * std::max(0.0, 1.0 - std::abs(mel(16000.0 * static_cast<double>(k) / points) - centre) / step);
      result.push_back(static_cast<float>(std::log(std::max(sum, 1.1920929e-7))));
    }
  }
  return tensor(result, {static_cast<std::int64_t>(frames), static_cast<std::int64_t>(mels)});
}

}  // namespace

TEST_CASE("KaldiFbank: equals its definition") {
  for (const std::int64_t count : {400, 559, 560, 1200}) {
    CAPTURE(count);
    const Tensor samples = noise(count);
    CHECK(test::difference(data::KaldiFbank()(samples), naive_fbank(samples, 23), 0.0, 1e-4) == "");
    CHECK(test::difference(data::KaldiFbank({.mels = 80})(samples), naive_fbank(samples, 80), 0.0, 1e-4) == "");
  }
}

TEST_CASE("KaldiFbank: frames at the edges") {
  const auto frames = [](std::int64_t count, bool snip) {
    return data::KaldiFbank({.snip_edges = snip})(noise(count)).size(0);
  };
  CHECK(frames(400, true) == 1);
  CHECK(frames(559, true) == 1);
  CHECK(frames(560, true) == 2);
  CHECK(frames(80, false) == 1);
  CHECK(frames(239, false) == 1);
  CHECK(frames(240, false) == 2);
  // In the middle the frames are those of a sound that is cut where the first of them begins: (f + ½) · 160 − 200.
  const Tensor samples = noise(1600);
  const Tensor all = data::KaldiFbank({.snip_edges = false})(samples);
  const Tensor inner = data::KaldiFbank()(samples.slice(0, 40, 1600));
  CHECK(test::difference(all.slice(0, 1, 8), inner.slice(0, 0, 7), 0.0, 0.0) == "");
  // Far more mirroring than there is sound.
  CHECK(std::isfinite(data::KaldiFbank({.snip_edges = false})(noise(81)).sum().item()));
}

TEST_CASE("KaldiFbank: scale shifts the logarithms, and silence gives their floor") {
  const Tensor samples = noise(1600);
  const Tensor scaled = data::KaldiFbank()(samples), plain = data::KaldiFbank({.scale = 1.0})(samples);
  const std::vector<float> a = scaled.to_vector<float>(), b = plain.to_vector<float>();
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(a[i] - b[i] == doctest::Approx(2.0 * std::log(32768.0)).epsilon(1e-5));
  for (const float value : data::KaldiFbank({.use_energy = true})(zeros({400}, float32)).to_vector<float>())
    CHECK(value == std::log(1.1920929e-7F));
}

TEST_CASE("KaldiFbank: dither is a function of the generator") {
  const data::KaldiFbank fbank({.dither = 1.0});
  const Tensor silence = zeros({16000}, float32);
  Generator first(7), second(7), third(8);
  const Tensor frames = fbank(silence, first);
  CHECK(test::difference(fbank(silence, second), frames, 0.0, 0.0) == "");
  CHECK(test::difference(fbank(silence, third), frames, 0.0, 0.0) != "");
  CHECK(first.position() == 1);
  // As loud as noise of deviation 1, in 16-bit steps.
  Generator generator(9);
  const Tensor same = data::KaldiFbank({.scale = 1.0})(randn({16000}, generator));
  CHECK(frames.mean().item() == doctest::Approx(same.mean().item()).epsilon(0.02));
  CHECK(test::error_text(ErrorKind::argument, [&] { fbank(silence); }) ==
        "KaldiFbank: dither needs a generator; got dither 1; call it as (samples, generator)");
  // Without dither nothing is drawn.
  const Tensor samples = noise(1600);
  CHECK(test::difference(data::KaldiFbank()(samples, first), data::KaldiFbank()(samples), 0.0, 0.0) == "");
  CHECK(first.position() == 1);
}

TEST_CASE("KaldiFbank: two threads share one") {
  const data::KaldiFbank fbank({.mels = 80});
  const Tensor sounds[] = {noise(16000, 1), noise(16000, 2)};
  const std::vector<float> expected[] = {fbank(sounds[0]).to_vector<float>(), fbank(sounds[1]).to_vector<float>()};
  int differences[] = {0, 0};
  std::vector<std::thread> threads;
  for (const int i : {0, 1})
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round)
        if (fbank(sounds[i]).to_vector<float>() != expected[i]) ++differences[i];
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(differences[0] + differences[1] == 0);
}

TEST_CASE("KaldiFbank: wrong options and samples") {
  const auto error = [](const data::KaldiFbankOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { data::KaldiFbank{options}; });
  };
  CHECK(error({.sample_rate = 0}) == "KaldiFbank: the sample rate is out of range; got 0; expected 1 to 2^30 Hz");
  CHECK(error({.frame_length = 0.1}) ==
        "KaldiFbank: the frame length is out of range; got 0.1 ms, 1 samples; expected 2 to 1048576");
  CHECK(error({.frame_length = std::nan("")}) ==
        "KaldiFbank: a frame's time is out of range; got nan ms; expected more than 0, up to 1000000");
  CHECK(error({.frame_shift = 0.01}) == "KaldiFbank: the frame shift is less than a sample; got 0.01 ms");
  CHECK(error({.mels = 0}) == "KaldiFbank: the number of mels is out of range; got 0; expected at least 1");
  CHECK(error({.mels = 200}) ==
        "KaldiFbank: some filters lie between the 512 points of the Fourier transform; got 200 mels; take fewer or "
        "longer "
        "frames");
  CHECK(error({.high_frequency = -7980.0}) ==
        "KaldiFbank: the frequencies do not fit; got 20 to 20 Hz; expected 0 ≤ low < high ≤ 8000");
  CHECK(error({.preemphasis = 1.5}) == "KaldiFbank: the pre-emphasis is out of range; got 1.5; expected 0 to 1");
  CHECK(error({.dither = -1.0}) == "KaldiFbank: the dither is out of range; got -1; expected 0 or more");
  CHECK(error({.scale = 0.0}) == "KaldiFbank: the scale is out of range; got 0; expected more than 0");
  const data::KaldiFbank fbank;
  CHECK(test::error_text(ErrorKind::argument, [&] { fbank(noise(399)); }) ==
        "KaldiFbank: too few samples for a frame; got 399; expected at least 400");
  CHECK(test::error_text(ErrorKind::argument, [] { data::KaldiFbank({.snip_edges = false})(noise(79)); }) ==
        "KaldiFbank: too few samples for a frame; got 79; expected at least 80");
  CHECK(test::error_text(ErrorKind::shape, [&] {
          fbank(zeros({1, 400}, float32));
        }) == "KaldiFbank: samples have the wrong shape; got (1, 400); expected (T)");
}
