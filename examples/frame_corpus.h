#pragma once

// What frame_labelling.cpp learns from: frames of speech, each with a label. The phones of speech that is made here, or
// the digits of recordings that are joined to strings.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "joined_digits.h"

namespace saw::examples {

inline constexpr std::int64_t frames_per_second = 100;

/// Samples that have a label: begin … end − 1.
struct LabelledSpan {
  std::int64_t label, begin, end;
};

/// An utterance as the models see it.
struct LabelledFrames {
  std::string name = {};
  Tensor frames = {};                     ///< (T, 39) float32
  Tensor log_mel = {};                    ///< (T, bands), of which the frames are made: for pictures
  std::vector<std::int64_t> labels = {};  ///< T
};

/// Some utterances.
struct FrameSet {
  std::vector<LabelledFrames> utterances = {};

  std::vector<std::int64_t> lengths() const {
    std::vector<std::int64_t> result;
    for (const LabelledFrames& utterance : utterances) result.push_back(utterance.frames.size(0));
    return result;
  }
  std::int64_t frames() const {
    std::int64_t count = 0;
    for (const LabelledFrames& utterance : utterances) count += utterance.frames.size(0);
    return count;
  }
};

/// 39 numbers for every hundredth of a second: 13 cepstral coefficients, how they change, and how that changes; each
/// with mean 0 and deviation 1 over the utterance, which takes away what is the speaker's and the microphone's.
class FrameFeatures {
 public:
  static constexpr std::int64_t width = 39;

  explicit FrameFeatures(std::int64_t sample_rate)
      : log_mel_({.sample_rate = sample_rate,
                  .window = sample_rate / 40,
                  .hop = sample_rate / frames_per_second,
                  .mels = 26}) {}

  LabelledFrames operator()(const Tensor& samples) const {
    LabelledFrames result{.log_mel = log_mel_(samples)};
    result.frames = data::standardize(data::with_deltas(data::dct(result.log_mel, width / 3), 2));
    return result;
  }
  /// The same with a label for each frame: that of the sample in its middle, or `otherwise` where no span has it.
  LabelledFrames operator()(const Tensor& samples, const std::vector<LabelledSpan>& spans,
                            std::int64_t otherwise) const {
    LabelledFrames result = (*this)(samples);
    auto span = spans.begin();
    for (std::int64_t frame = 0; frame < result.frames.size(0); ++frame) {
      const std::int64_t middle = std::min(frame * log_mel_.options().hop, samples.numel() - 1);
      while (span != spans.end() && span->end <= middle) ++span;
      result.labels.push_back(span != spans.end() && span->begin <= middle ? span->label : otherwise);
    }
    return result;
  }

 private:
  data::LogMel log_mel_;
};

/// All that is trained on, chosen by and reported on.
struct FrameCorpus {
  std::string description = {};
  std::vector<std::string> labels = {};  ///< their names, by number
  std::int64_t sample_rate = 0;          ///< Hz
  FrameSet train = {}, dev = {}, test = {};
  std::vector<std::string> files = {};    ///< what it was made of
  std::vector<std::string> skipped = {};  ///< what was left out, and why

  /// The most frequent label of the training part.
  std::int64_t majority() const {
    std::vector<std::int64_t> counts(labels.size());
    for (const LabelledFrames& utterance : train.utterances)
      for (const std::int64_t label : utterance.labels) ++counts[static_cast<std::size_t>(label)];
    return std::max_element(counts.begin(), counts.end()) - counts.begin();
  }
};

/// `count` utterances, made in parallel.
inline FrameSet make_frames(std::int64_t count, bool with_log_mel,
                            const std::function<LabelledFrames(std::int64_t)>& make) {
  FrameSet set;
  set.utterances.resize(static_cast<std::size_t>(count));
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      LabelledFrames& utterance = set.utterances[static_cast<std::size_t>(i)] = make(i);
      if (!with_log_mel) utterance.log_mel = {};
    }
  });
  return set;
}

struct FrameCorpusOptions {
  bool training = true;    ///< false: the test part alone
  bool skip_bad = false;   ///< leave recordings out that cannot be used
  std::int64_t train = 0;  ///< utterances to train on; 0: by the data
  std::int64_t test = 0;   ///< utterances to report on; 0: by the data
  std::uint64_t seed = 1;

  /// Utterances to choose the best weights by.
  static std::int64_t dev(std::int64_t train) { return std::clamp<std::int64_t>(train / 6, 1, 300); }
};

/// What the project's synthesiser says, whose phones it knows. The voices of dev and test are others.
inline FrameCorpus synthetic_frames(const FrameCorpusOptions& options) {
  FrameCorpus corpus{
      .description = "synthetic speech", .labels = data::SyntheticSpeech::phones(), .sample_rate = 16000};
  const FrameFeatures features(corpus.sample_rate);
  const auto part = [&](const std::string& split, std::int64_t voices, std::int64_t count) {
    const std::uint64_t number = split == "train" ? 0 : split == "dev" ? 1 : 2;
    const data::SyntheticSpeech speech({.voices = voices,
                                        .utterances = (count + voices - 1) / voices,
                                        .seed = RandomStream(options.seed, number).word(0)});
    return make_frames(count, split == "test", [&](std::int64_t i) {
      const std::int64_t utterance = i % voices * ((count + voices - 1) / voices) + i / voices;  // voices take turns
      const data::SpokenText said = speech(utterance);
      std::vector<LabelledSpan> spans;
      for (const data::PhoneSpan& phone : said.phones) spans.push_back({phone.phone, phone.begin, phone.end});
      LabelledFrames result = features(said.audio.samples, spans, 0);
      result.name = fmt::format("{}-{}: {}", split, i + 1, said.text);
      return result;
    });
  };
  const std::int64_t train = options.train > 0 ? options.train : 432, test = options.test > 0 ? options.test : 144;
  if (options.training) {
    corpus.train = part("train", 12, train);
    corpus.dev = part("dev", 3, options.dev(train));
  }
  corpus.test = part("test", 6, test);
  return corpus;
}

/// Strings of digits from recordings; a label is a digit or the pause. The test part is the same for every seed.
inline FrameCorpus digit_frames(const std::string& manifest, const FrameCorpusOptions& options) {
  const DigitRecordings recordings = read_digits(manifest, {.skip_bad = options.skip_bad});
  FrameCorpus corpus{.description = manifest, .sample_rate = recordings.sample_rate, .skipped = recordings.skipped};
  for (const DigitRecording& recording : recordings.recordings) corpus.files.push_back(recording.path);
  for (int digit = 0; digit < 10; ++digit) corpus.labels.push_back(std::to_string(digit));
  const std::int64_t pause = std::ssize(corpus.labels);
  corpus.labels.emplace_back("pause");
  const FrameFeatures features(recordings.sample_rate);
  // Each part draws with a seed of its own: with the same one, string i of every part would say the same digits where
  // the recordings of the parts come in the same order.
  const auto part = [&](const std::string& split, std::int64_t count, std::uint64_t seed) {
    const JoinedDigits strings(recordings, recordings.of_split(split), {.seed = seed});
    return make_frames(count, split == "test", [&](std::int64_t i) {
      const JoinedString joined = strings(i);
      std::vector<LabelledSpan> spans;
      for (std::size_t k = 0; k < joined.digits.size(); ++k)
        spans.push_back({joined.digits[k], joined.begins[k], joined.ends[k]});
      LabelledFrames result = features(joined.audio.samples, spans, pause);
      result.name = fmt::format("{}-{}, {}: {}", split, i + 1, joined.speaker, fmt::join(joined.digits, " "));
      return result;
    });
  };
  const std::int64_t train = options.train > 0 ? options.train : 4000, test = options.test > 0 ? options.test : 600;
  if (options.training) {
    corpus.train = part("train", train, 1000 + options.seed);
    corpus.dev = part("dev", options.dev(train), 2);
  }
  corpus.test = part("test", test, 1);
  return corpus;
}

/// Packed frames of some utterances.
struct FramesBatch {
  Tensor frames;        ///< (N, 39)
  Segments utterances;  ///< one for each
  Tensor labels;        ///< (N) int64
};

inline FramesBatch frames_batch(const FrameSet& set, std::span<const std::int64_t> numbers) {
  TensorList frames;
  std::vector<std::int64_t> labels;
  for (const std::int64_t number : numbers) {
    const LabelledFrames& utterance = set.utterances.at(static_cast<std::size_t>(number));
    frames.push_back(utterance.frames);
    labels.insert(labels.end(), utterance.labels.begin(), utterance.labels.end());
  }
  const data::Packed packed = data::pack_rows(frames);
  return {packed.rows, packed.segments, tensor(labels)};
}

}  // namespace saw::examples
