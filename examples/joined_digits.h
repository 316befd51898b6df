#pragma once

// Connected speech whose words are known to the sample: recordings of single digits, joined to strings of one speaker.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saw::examples {

/// Somebody says a digit.
struct DigitRecording {
  std::string path, speaker, split;  ///< split: train, dev or test
  std::int64_t digit = 0;            ///< 0 … 9
  std::int64_t line = 0;             ///< of the manifest
  Tensor samples = {};               ///< (T) float32
};

/// Those of a manifest, all at one sample rate.
struct DigitRecordings {
  std::string manifest = {};                    ///< its path
  std::int64_t sample_rate = 8000;              ///< Hz
  std::vector<DigitRecording> recordings = {};  ///< in the order of the manifest
  std::vector<std::string> skipped = {};        ///< what was left out, and why

  /// The numbers of the recordings of a split. Throws Error(io) for one that has none.
  std::vector<std::int64_t> of_split(std::string_view split) const {
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < recordings.size(); ++i)
      if (recordings[i].split == split) numbers.push_back(static_cast<std::int64_t>(i));
    if (numbers.empty())
      throw Error(ErrorKind::io, fmt::format("{}: has no recordings whose split is {}", manifest, split));
    return numbers;
  }
};

struct DigitRecordingsOptions {
  bool skip_bad = false;            ///< leave rows and recordings out that cannot be used, and list them
  std::int64_t sample_rate = 8000;  ///< Hz; recordings of another rate are brought to it
};

/// Reads a table with the columns path (relative to the table's folder), speaker, split (train, dev, test) and digit
/// (0 … 9), and the recordings that it names. Throws Error(io) `file:line: …`.
inline DigitRecordings read_digits(const std::string& manifest, const DigitRecordingsOptions& options = {}) {
  DigitRecordings result{.manifest = manifest, .sample_rate = options.sample_rate};
  const data::Table table = data::read_table(manifest, {.columns = {"path", "speaker", "split", "digit"}});
  const std::filesystem::path folder = std::filesystem::path(manifest).parent_path();
  std::map<std::string, std::int64_t, std::less<>> line_of;  // each path's
  for (const data::TableRow row : table) {
    try {
      for (const char* column : {"path", "speaker", "split", "digit"})
        if (row[column].empty()) row.reject(column, "is empty");
      const std::string_view split = row["split"];
      if (split != "train" && split != "dev" && split != "test") row.reject("split", "is neither train, dev nor test");
      const std::int64_t digit = row.integer("digit");
      if (digit < 0 || digit > 9) row.reject("digit", "is not a digit from 0 to 9");
      const auto [first, is_new] = line_of.emplace(row["path"], row.line());
      if (!is_new) row.reject("path", fmt::format("is on line {} already", first->second));
      result.recordings.push_back({.path = (folder / row["path"]).string(),
                                   .speaker = std::string(row["speaker"]),
                                   .split = std::string(split),
                                   .digit = digit,
                                   .line = row.line()});
    } catch (const Error& error) {
      if (!options.skip_bad) throw;
      result.skipped.emplace_back(error.what());
    }
  }

  std::vector<DigitRecording>& all = result.recordings;
  std::vector<std::string> problems(all.size());
  parallel_for(0, std::ssize(all), 8, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        all[i].samples = data::read_audio(all[i].path, options.sample_rate).samples;
      } catch (const Error& error) {
        problems[i] = fmt::format("{}:{}: {}", manifest, all[i].line, error.what());
      }
    }
  });
  std::vector<DigitRecording> good;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!problems[i].empty() && !options.skip_bad) throw Error(ErrorKind::io, problems[i]);
    if (problems[i].empty())
      good.push_back(std::move(all[i]));
    else
      result.skipped.push_back(problems[i]);
  }
  all = std::move(good);
  if (all.empty()) throw Error(ErrorKind::io, manifest + ": has no recordings");
  return result;
}

/// What a speaker says: some digits, with pauses before, between and after them.
struct JoinedString {
  data::Audio audio = {};
  std::string speaker = {};
  std::vector<std::int64_t> digits = {};
  std::vector<std::int64_t> begins = {}, ends = {};  ///< of each digit: its first sample, and the one after its last
};

struct JoinedDigitsOptions {
  std::int64_t shortest = 3, longest = 7;              ///< digits of a string
  double shortest_pause = 0.02, longest_pause = 0.16;  ///< seconds
  double noise = 5e-4;                                 ///< deviation of the white noise behind all of it
  std::uint64_t seed = 1;
};

/// Strings of digits, each of one speaker. String i is a function of the recordings, the options and i alone, whatever
/// was made before it.
///
///   const DigitRecordings recordings = read_digits("manifest.tsv");
///   const JoinedDigits strings(recordings, recordings.of_split("test"), {.seed = 1});
///   const JoinedString first = strings(0);
class JoinedDigits {
 public:
  /// Makes them of the recordings with these numbers. The recordings have to stay. Throws Error(argument) for none.
  JoinedDigits(const DigitRecordings& recordings, const std::vector<std::int64_t>& numbers,
               const JoinedDigitsOptions& options = {})
      : recordings_(&recordings), options_(options) {
    if (numbers.empty()) throw Error(ErrorKind::argument, "JoinedDigits: no recordings to join");
    std::map<std::string, std::vector<std::int64_t>> by_speaker;
    for (const std::int64_t number : numbers)
      by_speaker[recordings.recordings.at(static_cast<std::size_t>(number)).speaker].push_back(number);
    for (auto& [speaker, own] : by_speaker) of_speaker_.push_back(std::move(own));
  }

  /// Safe to use from several threads.
  JoinedString operator()(std::int64_t number) const {
    Generator generator(options_.seed, 2 * static_cast<std::uint64_t>(number));
    const RandomStream draw(generator);
    std::uint64_t drawn = 0;
    const auto integer = [&](std::int64_t low, std::int64_t high) { return draw.integer(drawn++, low, high); };
    const auto rate = static_cast<double>(recordings_->sample_rate);
    const auto pause = [&] {
      const double share = draw.uniform(drawn++);
      const double seconds = options_.shortest_pause + share * (options_.longest_pause - options_.shortest_pause);
      return static_cast<std::int64_t>(rate * seconds);
    };

    const auto& own = of_speaker_[static_cast<std::size_t>(integer(0, std::ssize(of_speaker_)))];
    const std::int64_t count = integer(options_.shortest, options_.longest + 1);
    JoinedString result;
    std::vector<const DigitRecording*> chosen;
    std::int64_t position = pause();
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t which = own[static_cast<std::size_t>(integer(0, std::ssize(own)))];
      chosen.push_back(&recordings_->recordings[static_cast<std::size_t>(which)]);
      result.digits.push_back(chosen.back()->digit);
      result.begins.push_back(position);
      result.ends.push_back(position + chosen.back()->samples.numel());
      position = result.ends.back() + pause();
    }
    result.speaker = chosen.front()->speaker;
    result.audio.sample_rate = recordings_->sample_rate;
    // Noise rather than silence: the logarithm of nothing is far from everything else.
    result.audio.samples = randn({position}, generator) * options_.noise;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      Tensor place = result.audio.samples.slice(0, result.begins[i], result.ends[i]);
      place.add_(chosen[i]->samples);
    }
    return result;
  }

 private:
  const DigitRecordings* recordings_;
  JoinedDigitsOptions options_;
  std::vector<std::vector<std::int64_t>> of_speaker_;  // numbers of recordings, by the speakers' names
};

}  // namespace saw::examples
