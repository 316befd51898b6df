// Features against torch.stft, librosa and kaldi-native-fbank: tests/golden/features_audio.safetensors.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "saw/autograd/state_dict.h"
#include "saw/data/audio/kaldi_fbank.h"
#include "saw/data/audio/log_mel.h"
#include "saw/data/audio/mfcc.h"
#include "saw/data/audio/normalize.h"
#include "saw/data/safetensors.h"
#include "support/files.h"
#include "support/golden.h"

using namespace saw;
using nlohmann::json;

namespace {

struct Golden {
  StateDict tensors;
  json cases;

  Golden() {
    auto file = data::load_safetensors((test::directory() / "golden" / "features_audio.safetensors").string());
    tensors = std::move(file.tensors);
    cases = json::parse(file.metadata.at("golden")).at("cases");
  }
  Tensor at(const std::string& name) const { return find_tensor(tensors, name); }
  Tensor sound(const json& options) const { return at("sound." + options.at("sound").get<std::string>()); }
};

// Log-mel features, of rows, agree to `tolerance` wherever they are less than 18, or 78 dB in power, below the row's
// largest. Further down the float32 Fourier transform of the rest of the frame is what one sees, in the peers too;
// there 0.01 has to do.
void check_logarithms(const Tensor& actual, const Tensor& expected, double tolerance) {
  REQUIRE(test::difference(actual, expected, 0.0, 0.01) == "");
  constexpr float depth = 18.0F;
  const std::int64_t columns = expected.size(1);
  const float *got = actual.data<float>(), *wanted = expected.data<float>();
  double worst = 0.0;
  for (std::int64_t row = 0; row < expected.size(0); ++row, got += columns, wanted += columns) {
    const float largest = *std::max_element(wanted, wanted + columns);
    for (std::int64_t i = 0; i < columns; ++i)
      if (wanted[i] > largest - depth) worst = std::max(worst, std::abs(static_cast<double>(got[i]) - wanted[i]));
  }
  CHECK(worst < tolerance);
}

// Runs check(name, options) for the cases of that kind, of which there have to be some.
template <class F>
void for_each_case(const Golden& golden, const std::string& kind, F&& check) {
  int count = 0;
  for (const auto& item : golden.cases.items()) {
    const std::string& name = item.key();
    if (name.rfind(kind + ".", 0) != 0) continue;
    CAPTURE(name);
    check(name, item.value());
    ++count;
  }
  CHECK(count > 0);
}

data::KaldiWindow window_named(const std::string& name) {
  if (name == "povey") return data::KaldiWindow::povey;
  if (name == "hamming") return data::KaldiWindow::hamming;
  if (name == "hanning") return data::KaldiWindow::hanning;
  if (name == "blackman") return data::KaldiWindow::blackman;
  REQUIRE(name == "rectangular");
  return data::KaldiWindow::rectangular;
}

data::KaldiFbank fbank_of(const json& o) {
  return data::KaldiFbank({.sample_rate = o.at("sample_rate"),
                           .frame_length = o.at("frame_length"),
                           .frame_shift = o.at("frame_shift"),
                           .mels = o.at("mels"),
                           .low_frequency = o.at("low"),
                           .high_frequency = o.at("high"),
                           .snip_edges = o.at("snip_edges"),
                           .remove_dc_offset = o.at("remove_dc_offset"),
                           .preemphasis = o.at("preemphasis"),
                           .window = window_named(o.at("window")),
                           .use_energy = o.at("use_energy"),
                           .raw_energy = o.at("raw_energy")});
}

}  // namespace

TEST_CASE("LogMel: golden files") {
  const Golden golden;
  for_each_case(golden, "log_mel", [&](const std::string& name, const json& o) {
    const data::LogMel log_mel({.sample_rate = o.at("sample_rate"),
                                .window = o.at("window"),
                                .hop = o.at("hop"),
                                .mels = o.at("mels"),
                                .low_frequency = o.at("low"),
                                .high_frequency = o.at("high"),
                                .slaney_scale = o.at("slaney_scale"),
                                .slaney_norm = o.at("slaney_norm")});
    check_logarithms(log_mel(golden.sound(o)), golden.at(name), 1e-4);
  });
}

TEST_CASE("KaldiFbank: golden files") {
  const Golden golden;
  for_each_case(golden, "fbank", [&](const std::string& name, const json& o) {
    // Both compute in float32: against float64, kaldi-native-fbank is off by 2.2e-4 and saw by 1.7e-4.
    check_logarithms(fbank_of(o)(golden.sound(o)), golden.at(name), 5e-4);
  });
}

TEST_CASE("MFCC: golden files") {
  const Golden golden;
  for_each_case(golden, "mfcc", [&](const std::string& name, const json& o) {
    const Tensor result =
        name == "mfcc.librosa"
            ? data::dct(data::decibels(data::LogMel({.floor = o.at("floor")})(golden.sound(o)), o.at("range")),
                        o.at("coefficients"))
            : data::kaldi_mfcc(fbank_of(o), golden.sound(o), o.at("coefficients"), o.at("lifter"));
    CHECK(test::difference(result, golden.at(name), 0.0, 2e-3) == "");
  });
}

TEST_CASE("deltas: golden files") {
  const Golden golden;
  const json& options = golden.cases.at("deltas");
  const Tensor frames = golden.at(options.at("input"));
  const Tensor result = data::with_deltas(frames, 2, options.at("window"));
  const std::int64_t features = frames.size(1);
  REQUIRE(result.size(1) == 3 * features);
  const auto block = [&](std::int64_t i) { return result.slice(1, i * features, (i + 1) * features); };
  CHECK(test::difference(block(0), frames, 0.0, 0.0) == "");
  CHECK(test::difference(block(1), golden.at("deltas.1"), 1e-6, 1e-5) == "");
  CHECK(test::difference(block(2), golden.at("deltas.2"), 1e-6, 1e-5) == "");
}
