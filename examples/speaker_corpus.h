#pragma once

// Where speaker_identification.cpp gets its utterances from: a folder of features (HW04), a table of sound files, or
// voices that it makes itself.

#include <saw/saw.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace saw::examples {

/// Utterances, who speaks them, and what each part is for.
struct SpeakerCorpus {
  std::string description = {};
  data::SpeakerData data = {};
  std::vector<std::int64_t> train = {}, dev = {}, test = {};  ///< numbers of utterances
  std::int64_t features = 40;                                 ///< of a frame
  data::FrameSource read = {};                                ///< frames (T, features) of an utterance; from any thread
  std::vector<std::string> skipped = {};                      ///< what cannot be used, and why

  std::int64_t speaker(std::int64_t utterance) const { return at(utterance).speaker; }
  const data::Utterance& at(std::int64_t utterance) const {
    return data.utterances[static_cast<std::size_t>(utterance)];
  }
  std::vector<std::int64_t> speakers(const std::vector<std::int64_t>& utterances) const {
    std::vector<std::int64_t> result;
    for (const std::int64_t utterance : utterances) result.push_back(speaker(utterance));
    return result;
  }
  /// Speakers get the numbers that they have there; who is not there becomes −1.
  void renumber(const data::Vocabulary& speakers) {
    for (data::Utterance& utterance : data.utterances)
      if (utterance.speaker >= 0)
        utterance.speaker = speakers.find(data.speakers[static_cast<std::size_t>(utterance.speaker)]).value_or(-1);
    data.speakers.clear();
    for (std::int64_t i = 0; i < speakers.size(); ++i) data.speakers.push_back(speakers.word(i));
  }
};

struct CorpusOptions {
  bool training = true;   ///< false: all that is not a test utterance may be missing
  bool skip_bad = false;  ///< leave damaged files out and list them
  std::uint64_t seed = 1;
};

/// What is wrong with the data: the end of the program, or with skip_bad a line in its report.
inline void complain(SpeakerCorpus& corpus, bool skip_bad, const std::string& problem) {
  if (!skip_bad) throw Error(ErrorKind::io, problem + " (--skip-bad goes on without it)");
  corpus.skipped.push_back(problem);
}

/// Holds a tenth of the training utterances out as dev: whole recording sessions where they are known.
inline void hold_out_dev(SpeakerCorpus& corpus, bool skip_bad, std::uint64_t seed) {
  bool grouped = !corpus.train.empty();
  for (const std::int64_t utterance : corpus.train) grouped = grouped && !corpus.at(utterance).group.empty();
  // At least one, or nothing would choose the model.
  const double count = std::max(2.0, static_cast<double>(corpus.train.size()));
  const data::HoldOutOptions how{.fraction = std::max(0.1, 1.0 / count), .seed = seed};
  const data::HoldOut parts = grouped ? data::hold_out_groups(corpus.data, corpus.train, how)
                                      : data::hold_out_utterances(corpus.data, corpus.train, how);
  for (const std::int64_t speaker : parts.single_speakers)
    complain(corpus, skip_bad,
             fmt::format("{}: speaker {} has a single {} to train on, so nothing is left to choose the model by",
                         corpus.description, corpus.data.speakers[static_cast<std::size_t>(speaker)],
                         grouped ? "session" : "utterance"));
  corpus.train = parts.training;
  corpus.dev = parts.held_out;
}

/// Takes utterances out whose speaker is not in the training part: nobody could recognise them. (Trials can still ask
/// for them: verification is about speakers who were not trained on.)
inline void keep_known_speakers(SpeakerCorpus& corpus, std::vector<std::int64_t>& utterances) {
  std::vector<bool> known(corpus.data.speakers.size());
  for (const std::int64_t utterance : corpus.train) known[static_cast<std::size_t>(corpus.speaker(utterance))] = true;
  std::vector<std::int64_t> kept;
  for (const std::int64_t utterance : utterances) {
    const std::int64_t speaker = corpus.speaker(utterance);
    if (known[static_cast<std::size_t>(speaker)])
      kept.push_back(utterance);
    else
      corpus.skipped.push_back(fmt::format("{}: not to be identified, because its speaker {} is not trained on",
                                           corpus.at(utterance).path,
                                           corpus.data.speakers[static_cast<std::size_t>(speaker)]));
  }
  utterances = kept;
}

/// Those of the utterances that can be read; each is tried once, in parallel. Without skip_bad all must be.
inline std::vector<std::int64_t> readable(SpeakerCorpus& corpus, const std::vector<std::int64_t>& utterances,
                                          bool skip_bad) {
  const auto count = static_cast<std::int64_t>(utterances.size());
  std::vector<std::string> problems(utterances.size());
  parallel_for(0, count, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      try {
        corpus.read(utterances[static_cast<std::size_t>(i)]);
      } catch (const Error& error) {
        if (!skip_bad) throw;
        problems[static_cast<std::size_t>(i)] = error.what();
      }
    }
  });
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    if (problems[i].empty())
      kept.push_back(utterances[i]);
    else
      corpus.skipped.push_back(problems[i]);
  }
  return kept;
}

inline SpeakerCorpus hw04_corpus(const std::string& directory, const CorpusOptions& options) {
  auto folder = std::make_shared<data::Hw04Folder>(data::read_hw04(directory, {.skip_bad = options.skip_bad}));
  SpeakerCorpus corpus{.description = directory, .data = folder->data, .features = folder->n_mels};
  corpus.skipped = folder->skipped;
  corpus.train = data::utterances_of_split(corpus.data, "train");
  corpus.test = data::utterances_of_split(corpus.data, "test");
  corpus.read = [folder](std::int64_t utterance) {
    return data::read_features(folder->data.utterances[static_cast<std::size_t>(utterance)], folder->n_mels);
  };
  if (options.training) hold_out_dev(corpus, options.skip_bad, options.seed);
  // Damage in what is read whole shows now, and not when the training is over.
  corpus.dev = readable(corpus, corpus.dev, options.skip_bad);
  corpus.test = readable(corpus, corpus.test, options.skip_bad);
  return corpus;
}

/// What is computed from sound: more bands than HW04's 40, because the fine structure of the low ones helps to tell
/// voices apart.
inline data::LogMelOptions sound_features() { return {.mels = 64}; }

inline SpeakerCorpus manifest_corpus(const std::string& path, const CorpusOptions& options) {
  SpeakerCorpus corpus{.description = path, .data = data::read_manifest(path), .features = sound_features().mels};
  try {
    data::check_groups(corpus.data);
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.what());
  }
  std::vector<std::string> sounds;
  for (const data::Utterance& utterance : corpus.data.utterances) sounds.push_back(utterance.path);
  corpus.read = data::sound_frames(sounds, sound_features());

  // Every file is looked at before training begins: what is broken shows now, not after an hour.
  for (const auto& [split, utterances] :
       {std::pair{"train", &corpus.train}, std::pair{"dev", &corpus.dev}, std::pair{"test", &corpus.test}})
    *utterances = readable(corpus, data::utterances_of_split(corpus.data, split), options.skip_bad);
  if (options.training) {
    keep_known_speakers(corpus, corpus.dev);
    keep_known_speakers(corpus, corpus.test);
    if (corpus.dev.empty()) hold_out_dev(corpus, options.skip_bad, options.seed);
  } else if (corpus.test.empty()) {
    corpus.test = corpus.train;  // a table without splits: all of it is to be recognised
  }
  return corpus;
}

/// 24 voices say 30 phrases each; 20 are trained on, 4 choose the best model, and 6 are what nobody has heard.
inline SpeakerCorpus synthetic_corpus(std::uint64_t seed) {
  constexpr std::int64_t phrases = 30, dev_from = 20, test_from = 24;
  const data::SyntheticVoices voices({.voices = 24, .phrases = phrases, .seed = seed});
  SpeakerCorpus corpus{.description = "synthetic voices", .data = voices.data(), .features = sound_features().mels};
  const std::int64_t count = std::ssize(corpus.data.utterances);
  auto frames = std::make_shared<TensorList>(static_cast<std::size_t>(count));
  const data::LogMel log_mel(sound_features());
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) (*frames)[static_cast<std::size_t>(i)] = log_mel(voices(i).samples);
  });
  for (std::int64_t i = 0; i < count; ++i)
    (i % phrases < dev_from ? corpus.train : i % phrases < test_from ? corpus.dev : corpus.test).push_back(i);
  corpus.read = [frames](std::int64_t utterance) { return (*frames)[static_cast<std::size_t>(utterance)]; };
  return corpus;
}

inline SpeakerCorpus open_corpus(const std::string& folder, const std::string& manifest, const CorpusOptions& options) {
  if (!folder.empty()) return hw04_corpus(folder, options);
  return manifest.empty() ? synthetic_corpus(options.seed) : manifest_corpus(manifest, options);
}

/// The rows of f(frames, utterances) for whole utterances, some of them at a time.
template <class F>
Tensor rows_of(const SpeakerCorpus& corpus, const std::vector<std::int64_t>& utterances, F f) {
  constexpr std::int64_t frames_at_once = 4096;
  const NoGradGuard no_grad;
  TensorList waiting, rows;
  std::int64_t frames = 0;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    waiting.push_back(corpus.read(utterances[i]));
    frames += waiting.back().size(0);
    if (frames < frames_at_once && i + 1 < utterances.size()) continue;
    const data::Packed batch = data::pack_rows(std::exchange(waiting, {}));
    rows.push_back(f(batch.rows, batch.segments));
    frames = 0;
  }
  return cat(rows, 0);
}

/// Two utterances, by their numbers, and whether both are of one speaker.
struct SpeakerTrial {
  std::int64_t enrolment, test;
  bool is_target;
};

inline std::vector<SpeakerTrial> read_trials(const std::string& path, const SpeakerCorpus& corpus) {
  std::map<std::string, std::int64_t> numbers;
  for (const data::Utterance& utterance : corpus.data.utterances) numbers.emplace(utterance.name, std::ssize(numbers));
  const auto number = [&](const std::string& name) {
    const auto found = numbers.find(name);
    if (found == numbers.end())
      throw Error(ErrorKind::io, fmt::format("{}: the data has no utterance \"{}\"", path, name));
    return found->second;
  };
  std::vector<SpeakerTrial> trials;
  std::ptrdiff_t targets = 0;
  for (const data::Trial& trial : data::read_trials(path)) {
    trials.push_back({number(trial.enrolment), number(trial.test), trial.target});
    targets += trial.target ? 1 : 0;
  }
  if (targets == 0 || targets == std::ssize(trials))
    throw Error(ErrorKind::io, fmt::format("{}: has {} trials, {} of them of one speaker; expected some of both kinds",
                                           path, trials.size(), targets));
  return trials;
}

}  // namespace saw::examples
