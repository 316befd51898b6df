// From sound files to a folder of features in the layout of the HW04 speaker data (see saw/data/hw04.h), as PyTorch and
// speaker_identification read it.
//
// What HW04's own files went through, in this order, and what happens here:
//   one channel, 16 kHz               done
//   peak at −3 dB of full scale       done
//   silences cut out                  with --trim-silence, by the same rule
//   log-mel, 40 bands from 50 Hz, 25 ms frames every 10 ms, log(max(x, 1e-9))   done; --mels gives other numbers
//
// A run that was killed goes on where it was when it is started again: the name of a feature file says which sound it
// was made from and how, a file is there as a whole or not at all, and metadata.json is written last.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <mutex>

using namespace saw;
namespace fs = std::filesystem;

struct Options {
  std::string manifest, tree, out;
  std::int64_t mels = 40, threads = 0;
  bool trim_silence = false, skip_bad = false;
};

constexpr std::int64_t sample_rate = 16000;

// ---- from sound to features ----

/// Scales the largest magnitude to −3 dB.
void normalise(const Tensor& samples) {
  const float* x = samples.data<float>();
  float peak = 0;
  for (std::int64_t i = 0; i < samples.numel(); ++i) peak = std::max(peak, std::abs(x[i]));
  if (peak > 0) samples.mul_(std::pow(10.0, -3.0 / 20.0) / peak);
}

/// Cuts silences out, as sox's `silence 1 0.1 1% -1 0.1 1%`: a sound begins with 0.1 s above the threshold and ends
/// before 0.1 s below it. Loudness is that of the last 20 ms.
Tensor trim_silence(const Tensor& samples) {
  constexpr std::int64_t window = sample_rate / 50, hold = sample_rate / 10;
  constexpr double threshold = 0.01;
  const float* x = samples.data<float>();
  std::vector<float> kept;
  std::vector<double> squares(window, 0.0);  // of the last samples, in a ring
  double sum = 0;
  bool sounding = false;
  std::int64_t held = 0;  // loud samples before a sound, or quiet ones in it, that are not yet 0.1 s
  for (std::int64_t i = 0; i < samples.numel(); ++i) {
    double& oldest = squares[static_cast<std::size_t>(i % window)];
    const double square = static_cast<double>(x[i]) * x[i];
    sum += square - oldest;
    oldest = square;
    const bool loud = sum >= threshold * threshold * window;
    if (loud == sounding) {
      if (sounding) kept.insert(kept.end(), x + i - held, x + i + 1);
      held = 0;
    } else if (++held == hold) {
      if (sounding) {
        squares.assign(window, 0.0);
        sum = 0;
      } else {
        kept.insert(kept.end(), x + i + 1 - held, x + i + 1);
      }
      sounding = !sounding;
      held = 0;
    }
  }
  if (sounding) kept.insert(kept.end(), x + samples.numel() - held, x + samples.numel());
  return tensor(kept);
}

Tensor make_features(const std::string& path, const Options& options, const data::LogMel& log_mel) {
  Tensor samples = data::read_audio(path, sample_rate).samples;
  normalise(samples);
  if (options.trim_silence) samples = trim_silence(samples);
  const std::int64_t shortest = log_mel.options().window / 2 + 1;
  if (samples.numel() < shortest)
    throw Error(ErrorKind::io,
                fmt::format("{}: too short; got {} samples{} at {} Hz; expected at least {}", path, samples.numel(),
                            options.trim_silence ? " besides silence" : "", sample_rate, shortest));
  return log_mel(samples);
}

// ---- the folder ----

/// "uttr-<32 hexadecimal digits>.pt": a hash of what the features depend on, so that a file that is there need not be
/// made again. The 128 bits are a block cipher's state that takes the text as its keys.
std::string feature_name(const data::Utterance& sound, const Options& options) {
  std::error_code error;
  const auto bytes = fs::file_size(sound.path, error);
  if (error) throw Error(ErrorKind::io, fmt::format("{}: cannot read; {}", sound.path, error.message()));
  const auto changed = fs::last_write_time(sound.path).time_since_epoch().count();
  const std::string text =
      fmt::format("{}\n{} {} {} {}", sound.name, bytes, changed, options.mels, options.trim_silence);
  std::uint64_t low = text.size(), high = 0;
  for (std::size_t i = 0; i < text.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t key = 0;
    for (const char c : text.substr(i, sizeof key)) key = key << 8 | static_cast<unsigned char>(c);
    const auto words = philox(key, low, high);
    low = std::uint64_t{words[1]} << 32 | words[0];
    high = std::uint64_t{words[3]} << 32 | words[2];
  }
  return fmt::format("uttr-{:016x}{:016x}.pt", high, low);
}

/// What an earlier run left; undefined where that is nothing, or damaged.
Tensor earlier_features(const data::Utterance& features, std::int64_t mels) {
  if (!fs::exists(features.path)) return {};
  try {
    return data::read_features(features, mels);
  } catch (const Error&) {
    return {};
  }
}

struct Prepared {
  data::Utterance features;  // no frames: there are none
  bool now = false;          // or by an earlier run
  std::string error = {};
};

Prepared prepare(const data::Utterance& sound, const Options& options, const data::LogMel& log_mel) {
  Prepared result{.features = sound};
  data::Utterance& features = result.features;
  Tensor frames;
  try {
    features.name = feature_name(sound, options);
    features.path = options.out + "/" + features.name;
    frames = earlier_features(features, options.mels);
    result.now = !frames.defined();
    if (result.now) frames = make_features(sound.path, options, log_mel);
  } catch (const Error& error) {
    if (!options.skip_bad || error.kind() == ErrorKind::internal || error.kind() == ErrorKind::memory) throw;
    result.error = error.what();
    return result;
  }
  if (result.now) data::save_pytorch(features.path, frames);
  features.frames = frames.size(0);
  return result;
}

/// The folder's JSON files. Who speaks in the test utterances, which HW04 keeps to itself, goes into a table beside
/// them.
void write_tables(const std::vector<Prepared>& all, const data::SpeakerData& sounds, const Options& options) {
  data::Hw04Folder folder{.n_mels = options.mels, .data = {.speakers = sounds.speakers}};
  std::vector<std::pair<std::string, std::string>> answers;
  for (const auto& [features, now, error] : all) {
    folder.data.utterances.push_back(features);
    if (features.split == "test")
      answers.emplace_back(features.name, sounds.speakers[static_cast<std::size_t>(features.speaker)]);
  }
  if (!answers.empty()) data::write_predictions(options.out + "/test_speakers.csv", answers);
  data::write_hw04(options.out, folder);
}

void run(const Options& options) {
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  const train::Stopwatch watch;
  const data::SpeakerData sounds =
      options.tree.empty() ? data::read_manifest(options.manifest) : data::read_speaker_tree(options.tree);
  data::check_groups(sounds);
  const train::RunFolder folder(options.out);  // one run at a time; what a killed one was writing goes

  const data::LogMel log_mel({.sample_rate = sample_rate, .mels = options.mels});
  std::vector<Prepared> all(sounds.utterances.size());
  {
    train::Progress progress("features", std::ssize(all));
    std::mutex drawing;
    parallel_for(0, std::ssize(all), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        all[i] = prepare(sounds.utterances[i], options, log_mel);
        const std::lock_guard lock(drawing);
        progress.advance(sounds.utterances[i].name);
      }
    });
  }

  std::vector<std::string> errors;
  double seconds = 0, seconds_now = 0;
  for (const auto& [features, now, error] : all) {
    if (!error.empty()) errors.push_back(error);
    const auto samples = static_cast<double>(features.frames * log_mel.options().hop);
    if (error.empty()) (now ? seconds_now : seconds) += samples / sample_rate;
  }
  if (errors.size() == all.size())
    throw Error(ErrorKind::io, fmt::format("none of {} files can be used; the first: {}", all.size(), errors.front()));
  std::erase_if(all, [](const Prepared& one) { return !one.error.empty(); });
  write_tables(all, sounds, options);

  fmt::print(
      "{}: {} utterances of {} speakers, {:.2f} h, of which {:.2f} h were there already; {}, {:.0f} × real time\n",
      options.out, all.size(), sounds.speakers.size(), (seconds + seconds_now) / 3600, seconds / 3600,
      train::format_duration(watch.seconds()), seconds_now / watch.seconds());
  if (!errors.empty()) fmt::print("{} files left out:\n  {}\n", errors.size(), fmt::join(errors, "\n  "));
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Makes a folder of log-mel features in the layout of the HW04 speaker data from sound files.\n"
      "Each sound is mixed to one channel, resampled to 16 kHz and scaled to a peak of -3 dB, as HW04's\n"
      "were; --trim-silence cuts silences out as well, which HW04 did. A run that was stopped goes on\n"
      "when it is started again.");
  auto* input = app.add_option_group("input", "one of")->require_option(1);
  input->add_option("--manifest", options.manifest,
                    "tab-separated table with the columns path, speaker and, if need be, split (train, dev, test) and "
                    "group; test rows go to testdata.json");
  input->add_option("--tree", options.tree, "folder of the form speaker/…/file");
  app.add_option("--out", options.out, "folder for the features, which is made if need be")->required();
  app.add_option("--mels", options.mels, "bands")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_flag("--trim-silence", options.trim_silence, "cut out what is quieter than 1 % for longer than 0.1 s");
  app.add_flag("--skip-bad", options.skip_bad, "leave out files that cannot be used, and list them at the end");
  app.add_option("--threads", options.threads, "default: what the machine grants")->check(CLI::Range(1, 1024));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    return train::run_program("prepare_speech", [&] { throw Error(ErrorKind::argument, error.what()); });
  }
  return train::run_program("prepare_speech", [&] { run(options); });
}
