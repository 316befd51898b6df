// Features of sound, and the resampling before them: how many seconds of sound one core works through in a second, as
// "real_time".
//
//   build/bench/features --benchmark_filter='log_mel'

#include <benchmark/benchmark.h>
#include <saw/saw.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

using namespace saw;

namespace {

constexpr double seconds = 5.0;

data::Audio noise(std::int64_t rate) {
  Generator generator(1);
  return {randn({static_cast<std::int64_t>(seconds * static_cast<double>(rate))}, generator), rate};
}

void add(const std::string& name, const std::function<void()>& run) {
  benchmark::RegisterBenchmark(name.c_str(), [run](benchmark::State& state) {
    for (auto _ : state) run();
    state.counters["real_time"] =
        benchmark::Counter(seconds * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  })->Unit(benchmark::kMillisecond);
}

void add_features() {
  const Tensor sound = noise(16000).samples;
  for (const std::int64_t mels : {40, 80}) {
    const auto log_mel = std::make_shared<data::LogMel>(data::LogMelOptions{.mels = mels});
    add("log_mel/" + std::to_string(mels), [=] { benchmark::DoNotOptimize((*log_mel)(sound)); });
    const auto fbank = std::make_shared<data::KaldiFbank>(data::KaldiFbankOptions{.mels = mels});
    add("kaldi_fbank/" + std::to_string(mels), [=] { benchmark::DoNotOptimize((*fbank)(sound)); });
  }
  const auto fbank = std::make_shared<data::KaldiFbank>(data::KaldiFbankOptions{.use_energy = true});
  add("kaldi_mfcc/13", [=] { benchmark::DoNotOptimize(data::kaldi_mfcc(*fbank, sound)); });
  const auto log_mel = std::make_shared<data::LogMel>(data::LogMelOptions{.floor = 1e-10});
  add("librosa_mfcc/13", [=] { benchmark::DoNotOptimize(data::dct(data::decibels((*log_mel)(sound)), 13)); });

  const Tensor frames = (*log_mel)(sound);
  add("standardize", [=] { benchmark::DoNotOptimize(data::standardize(frames)); });
  add("with_deltas", [=] { benchmark::DoNotOptimize(data::with_deltas(frames)); });
  const auto generator = std::make_shared<Generator>(2);
  add("spec_augment", [=] { benchmark::DoNotOptimize(data::spec_augment(frames, {.time_warp = 5}, *generator)); });
}

void add_sound() {
  for (const auto& [from, to] : {std::pair{8000, 16000}, {44100, 16000}, {48000, 16000}, {44100, 15999}}) {
    const data::Audio sound = noise(from);
    add("resample/" + std::to_string(from) + "/" + std::to_string(to),
        [=, rate = to] { benchmark::DoNotOptimize(data::resample(sound, rate)); });
  }
  const data::Audio sound = noise(16000);
  const auto generator = std::make_shared<Generator>(3);
  add("change_speed", [=] { benchmark::DoNotOptimize(data::change_speed(sound, 1.1)); });
  add("add_noise", [=] { benchmark::DoNotOptimize(data::add_noise(sound.samples, sound.samples, 10.0, *generator)); });
  add("pink_noise", [=] { benchmark::DoNotOptimize(data::pink_noise(sound.samples.numel(), *generator)); });
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  add_features();
  add_sound();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
