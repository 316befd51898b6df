#pragma once

// Where speaker_identification.cpp gets its utterances from: a folder of features (HW04), a table of sound files, or
// voices that it makes itself.

#include <saw/saw.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "synthetic_voices.h"

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

/// Features of sound files, computed when they are first asked for and kept as long as there is room.
class SoundFeatures {
 public:
  explicit SoundFeatures(std::vector<data::Utterance> utterances)
      : utterances_(std::move(utterances)), kept_(utterances_.size()) {}

  Tensor operator()(std::int64_t utterance) {
    const auto i = static_cast<std::size_t>(utterance);
    {
      const std::lock_guard lock(mutex_);
      if (kept_[i].defined()) return kept_[i];
    }
    const Tensor frames = compute(utterances_[i].path);
    const std::lock_guard lock(mutex_);
    const std::int64_t bytes = frames.numel() * 4;
    if (!kept_[i].defined() && kept_bytes_ + bytes <= room) {
      kept_[i] = frames;
      kept_bytes_ += bytes;
    }
    return frames;
  }

 private:
  static constexpr std::int64_t room = std::int64_t{512} << 20;

  Tensor compute(const std::string& path) const {
    const data::Audio audio = data::read_audio(path, log_mel_.options().sample_rate);
    if (audio.samples.numel() <= log_mel_.options().window / 2)
      throw Error(
          ErrorKind::io,
          fmt::format("{}: too short; got {:.4f} s; expected more than {:.4f} s", path, audio.seconds(),
                      0.5 * static_cast<double>(log_mel_.options().window) / static_cast<double>(audio.sample_rate)));
    return log_mel_(audio.samples);
  }

  data::LogMel log_mel_{sound_features()};
  std::vector<data::Utterance> utterances_;
  std::mutex mutex_;
  TensorList kept_;
  std::int64_t kept_bytes_ = 0;
};

inline SpeakerCorpus manifest_corpus(const std::string& path, const CorpusOptions& options) {
  SpeakerCorpus corpus{.description = path, .data = data::read_manifest(path), .features = sound_features().mels};
  try {
    data::check_groups(corpus.data);
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.what());
  }
  auto sounds = std::make_shared<SoundFeatures>(corpus.data.utterances);
  corpus.read = [sounds](std::int64_t utterance) { return (*sounds)(utterance); };

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
  constexpr std::int64_t voices = 24, phrases = 30, dev_from = 20, test_from = 24;
  SpeakerCorpus corpus{.description = "synthetic voices", .features = sound_features().mels};
  Dice dice(RandomStream(seed, 0));
  std::vector<Voice> voice;
  std::vector<std::vector<Phone>> phrase;
  for (std::int64_t v = 0; v < voices; ++v) {
    voice.push_back(random_voice(dice));
    corpus.data.speakers.push_back(fmt::format("voice{:02}", v + 1));
  }
  for (std::int64_t p = 0; p < phrases; ++p) phrase.push_back(random_phrase(dice, 4 + dice.below(4)));

  auto frames = std::make_shared<TensorList>(static_cast<std::size_t>(voices * phrases));
  const data::LogMel log_mel(sound_features());
  parallel_for(0, voices * phrases, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Dice own(RandomStream(seed, static_cast<std::uint64_t>(i) + 1));
      const data::Audio audio =
          speak(voice[static_cast<std::size_t>(i / phrases)], phrase[static_cast<std::size_t>(i % phrases)], own);
      (*frames)[static_cast<std::size_t>(i)] = log_mel(audio.samples);
    }
  });
  for (std::int64_t i = 0; i < voices * phrases; ++i) {
    const std::int64_t p = i % phrases;
    corpus.data.utterances.push_back(
        {.name = fmt::format("{}-phrase{:02}", corpus.data.speakers[static_cast<std::size_t>(i / phrases)], p + 1),
         .speaker = i / phrases,
         .frames = (*frames)[static_cast<std::size_t>(i)].size(0)});
    (p < dev_from ? corpus.train : p < test_from ? corpus.dev : corpus.test).push_back(i);
  }
  corpus.read = [frames](std::int64_t utterance) { return (*frames)[static_cast<std::size_t>(utterance)]; };
  return corpus;
}

}  // namespace saw::examples
