#pragma once

// Where speech_recognition.cpp gets speech and its texts from: words that it says itself, a table of sound files, or
// recorded digits joined to strings.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <saw/saw.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "joined_digits.h"
#include "speech_model.h"
#include "speech_utterances.h"

namespace saw::examples {

// ---- words that are said for the occasion ----

/// Of all voices one in six is not trained on: half of these choose the best weights, half are what is reported on.
inline SpeechCorpus synthetic_speech_corpus(const SpeechCorpusOptions& options) {
  const data::SyntheticSpeech speech({.voices = options.voices, .utterances = 24, .seed = options.seed});
  const auto count = std::ssize(speech.data().utterances);
  std::vector<SpeechUtterance> all(static_cast<std::size_t>(count));
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      data::SpokenText said = speech(i);
      if (options.sample_rate > 0) said.audio = data::resample(said.audio, options.sample_rate);
      all[static_cast<std::size_t>(i)] = {.samples = said.audio.samples,
                                          .text = said.text,
                                          .name = speech.data().utterances[static_cast<std::size_t>(i)].name};
    }
  });
  SpeechCorpus corpus{.description = "words of the synthesiser",
                      .letters = letters_of_words(data::SyntheticSpeech::words(), options),
                      .words = data::SyntheticSpeech::words()};
  if (options.sample_rate > 0) corpus.sample_rate = options.sample_rate;
  const std::int64_t held_out = std::max<std::int64_t>(1, options.voices / 12), trained = options.voices - 2 * held_out;
  const auto of_voices = [&](std::int64_t from, std::int64_t to) {
    return part_of({all.begin() + from * 24, all.begin() + to * 24});
  };
  corpus.train = of_voices(0, trained);
  corpus.dev = of_voices(trained, trained + held_out);
  corpus.test = of_voices(trained + held_out, options.voices);
  return corpus;
}

// ---- a table of sound files ----

/// Sound files are kept in memory up to so many bytes, and read again beyond.
constexpr std::int64_t room_for_sounds = std::int64_t{512} << 20;

/// Columns path (relative to the table's folder) and text; optionally speaker, which nothing depends on, and split.
/// Where no split is dev, a tenth of the training part is.
inline SpeechCorpus manifest_speech_corpus(const SpeechCorpusOptions& options) {
  const std::string& manifest = options.manifest;
  SpeechCorpus corpus{.description = manifest};
  if (options.sample_rate > 0) corpus.sample_rate = options.sample_rate;
  const data::Table table = data::read_table(manifest, {.columns = {"path", "text"}});
  const std::filesystem::path folder = std::filesystem::path(manifest).parent_path();
  std::array<std::vector<SpeechUtterance>, 3> parts;
  std::set<std::string> paths;
  for (const data::TableRow row : table) {
    try {
      SpeechUtterance utterance{.text = normal_spaces(row["text"]),
                                .name = (folder / row["path"]).string(),
                                .place = fmt::format("{}:{}", manifest, row.line())};
      if (row["path"].empty()) row.reject("path", "is empty");
      if (utterance.text.empty()) row.reject("text", "is empty");
      const std::string_view split = table.has_column("split") ? row["split"] : "";
      if (split != "" && split != "train" && split != "dev" && split != "test")
        row.reject("split", "is neither train, dev nor test");
      if (!paths.insert(utterance.name).second) row.reject("path", "is given twice");
      corpus.files.push_back({"a file of the data", utterance.name});
      parts[split == "dev" ? 1 : split == "test" ? 2 : 0].push_back(std::move(utterance));
    } catch (const Error& error) {
      if (!options.skip_bad) throw;
      corpus.skipped.emplace_back(error.what());
    }
  }
  if (options.letters != nullptr) {
    corpus.letters = *options.letters;
  } else {
    std::vector<std::string> texts;
    for (const SpeechUtterance& utterance : parts[0]) texts.push_back(utterance.text);
    corpus.letters = letters_of(texts);
  }
  if (!options.training) {
    if (parts[2].empty()) parts[2] = parts[0];  // a table without splits: all of it is to be read
    parts[0].clear();
    parts[1].clear();
  } else if (parts[1].empty() && parts[0].size() > 1) {
    const double count = static_cast<double>(parts[0].size());
    const auto numbers =
        data::split(std::ssize(parts[0]),
                    {.fractions = {1 - std::max(0.1, 1 / count), std::max(0.1, 1 / count)}, .seed = options.seed});
    const auto chosen = [&](std::size_t part) {
      std::vector<SpeechUtterance> result;
      for (const std::int64_t i : numbers[part]) result.push_back(parts[0][static_cast<std::size_t>(i)]);
      return result;
    };
    parts[1] = chosen(1);
    parts[0] = chosen(0);
  }
  // Every file is looked at before training begins: what is broken shows now, not after an hour.
  std::atomic<std::int64_t> room = room_for_sounds;  // that is left
  const std::int64_t sample_rate = corpus.sample_rate;
  const SpeechFeatures features(sample_rate);
  for (std::size_t p = 0; p < 3; ++p) {
    std::vector<std::string> problems(parts[p].size());
    parallel_for(0, std::ssize(parts[p]), 4, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        try {
          parts[p][i].samples = data::read_audio(parts[p][i].name, sample_rate).samples;
          check_utterance(parts[p][i], features, corpus.letters);
          if ((room -= 4 * parts[p][i].samples.numel()) < 0) parts[p][i].samples = Tensor();
        } catch (const Error& error) {
          problems[i] = fmt::format("{}: {}", parts[p][i].place, error.what());
        }
      }
    });
    std::vector<SpeechUtterance> good;
    for (std::size_t i = 0; i < parts[p].size(); ++i) {
      if (!problems[i].empty()) {
        if (!options.skip_bad) throw Error(ErrorKind::io, problems[i]);
        corpus.skipped.push_back(problems[i]);
        continue;
      }
      good.push_back(std::move(parts[p][i]));
    }
    SpeechPart part = part_of(std::move(good));
    part.read = [kept = part.read, sample_rate](std::int64_t number) {
      SpeechUtterance utterance = kept(number);
      if (!utterance.samples.defined()) utterance.samples = data::read_audio(utterance.name, sample_rate).samples;
      return utterance;
    };
    (p == 0 ? corpus.train : p == 1 ? corpus.dev : corpus.test) = part;
  }
  if (options.training && corpus.train.count == 0)
    throw Error(ErrorKind::io, manifest + ": has no utterance to train on");
  if (options.training && corpus.dev.count == 0)
    throw Error(ErrorKind::io, manifest + ": has no utterance left to choose the weights by");
  return corpus;
}

// ---- joined digits ----

inline const std::vector<std::string>& digit_words() {
  static const std::vector<std::string> words = {"zero", "one", "two",   "three", "four",
                                                 "five", "six", "seven", "eight", "nine"};
  return words;
}

/// Strings of digits: for training of recordings to train on, each made for the occasion, and so on for dev and test.
/// With a speaker left out, nothing of theirs is in training or dev, and the test is theirs alone.
inline SpeechCorpus digits_speech_corpus(const SpeechCorpusOptions& options) {
  const std::int64_t sample_rate = options.sample_rate > 0 ? options.sample_rate : 8000;
  const auto recordings = std::make_shared<DigitRecordings>(
      read_digits(options.join_digits, {.skip_bad = options.skip_bad, .sample_rate = sample_rate}));
  SpeechCorpus corpus{.description = options.join_digits,
                      .sample_rate = sample_rate,
                      .letters = letters_of_words(digit_words(), options),
                      .is_endless = true,
                      .words = digit_words(),
                      .skipped = recordings->skipped};
  // A digit must have a row for each of its letters, or no string of it can be heard.
  const SpeechFeatures features(sample_rate);
  std::erase_if(recordings->recordings, [&](const DigitRecording& recording) {
    const std::string& word = digit_words()[static_cast<std::size_t>(recording.digit)];
    try {
      check_utterance({.samples = recording.samples, .text = word, .name = recording.path}, features, corpus.letters,
                      "digit");
      return false;
    } catch (const Error& error) {
      const std::string problem = fmt::format("{}:{}: {}", options.join_digits, recording.line, error.what());
      if (!options.skip_bad) throw Error(ErrorKind::io, problem);
      corpus.skipped.push_back(problem);
      return true;
    }
  });
  std::set<std::string> speakers;
  for (const DigitRecording& recording : recordings->recordings) {
    speakers.insert(recording.speaker);
    corpus.files.push_back({"a file of the data", recording.path});
  }
  if (!options.leave_out.empty()) {
    if (!speakers.contains(options.leave_out))
      throw Error(ErrorKind::argument,
                  fmt::format("--leave-out: {} has no speaker \"{}\"; it has {}", options.join_digits,
                              train::printable(options.leave_out, 60), fmt::join(speakers, ", ")));
    corpus.description += ", trained without " + options.leave_out;
  }
  const auto strings = [&](const char* split, bool of_left_out, std::int64_t count, std::uint64_t seed) {
    std::vector<std::int64_t> numbers;
    for (const std::int64_t i : recordings->of_split(split))
      if (options.leave_out.empty() ||
          (recordings->recordings[static_cast<std::size_t>(i)].speaker == options.leave_out) == of_left_out)
        numbers.push_back(i);
    if (numbers.empty())
      throw Error(ErrorKind::io, fmt::format("{}: no recordings to {} with --leave-out {}", options.join_digits,
                                             std::string_view(split) == "train" ? "train on" : "test on",
                                             train::printable(options.leave_out, 60)));
    const auto joined = std::make_shared<const JoinedDigits>(*recordings, numbers, JoinedDigitsOptions{.seed = seed});
    return SpeechPart{count, [recordings, joined, name = fmt::format("{} string ", split)](std::int64_t number) {
                        const JoinedString said = (*joined)(number);
                        SpeechUtterance result{.samples = said.audio.samples,
                                               .name = fmt::format("{}{}, {}", name, number + 1, said.speaker)};
                        for (const std::int64_t digit : said.digits)
                          result.text +=
                              (result.text.empty() ? "" : " ") + digit_words()[static_cast<std::size_t>(digit)];
                        return result;
                      }};
  };
  if (options.training) {
    corpus.train = strings("train", false, std::int64_t{1} << 40, 1000 + options.seed);
    corpus.dev = strings("dev", false, std::min<std::int64_t>(120, options.strings), 2);
  }
  corpus.test = strings("test", true, options.strings, 1);
  return corpus;
}

inline SpeechCorpus open_speech_corpus(const SpeechCorpusOptions& options) {
  if (!options.join_digits.empty()) return digits_speech_corpus(options);
  return options.manifest.empty() ? synthetic_speech_corpus(options) : manifest_speech_corpus(options);
}

}  // namespace saw::examples
