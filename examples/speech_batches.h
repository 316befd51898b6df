#pragma once

// What speech_recognition.cpp trains on, step by step.

#include <saw/saw.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "speech_model.h"
#include "speech_utterances.h"

namespace saw::examples {

/// What a step is trained on.
struct SpeechBatch {
  Tensor rows;
  Segments utterances;
  Tensor letters;
  Segments texts;
};

inline constexpr std::int64_t batch_size = 16;

/// An utterance as somebody else might say it somewhere else: at another speed (which is also another pitch), with a
/// longer or shorter vocal tract, in noise; and with masks over time and frequency.
inline Tensor augmented(const SpeechFeatures& features, const Tensor& samples, std::int64_t fewest_rows,
                        Generator& generator) {
  // Fortieths: a ratio of small numbers makes a short filter.
  static const std::vector<double> speeds = {0.85,  0.875, 0.9,   0.925, 0.95,  0.975, 1.0,
                                             1.025, 1.05,  1.075, 1.1,   1.125, 1.15,  1.175};
  Tensor sound = data::perturb_speed({samples, features.sample_rate()}, speeds, generator).samples;
  if (features.rows(sound.numel()) < fewest_rows || sound.numel() < features.fewest_samples()) sound = samples;
  const RandomStream draw(generator);
  const bool is_white = draw.uniform(0) < 0.5;
  const Tensor noise = is_white ? randn({sound.numel()}, generator) : data::pink_noise(sound.numel(), generator);
  sound = data::add_noise(sound, noise, 5.0 + 35.0 * draw.uniform(1), generator);  // 5 to 40 dB
  const Tensor frames = data::perturb_vocal_tract(features.log_mel(sound), 1.22, features.options(), generator);
  return SpeechFeatures::stack(
      data::spec_augment(data::standardize(frames),
                         {.frequency_width = 8, .time_width = 12, .largest_time_share = 0.1, .fill = 0.0}, generator));
}

inline SpeechBatch make_batch(const SpeechCorpus& corpus, const SpeechFeatures& features,
                              std::span<const std::int64_t> numbers, Generator& generator) {
  TensorList rows;
  std::vector<std::vector<std::int64_t>> texts;
  for (const std::int64_t number : numbers) {
    const SpeechUtterance utterance = corpus.train.read(number);
    texts.push_back(corpus.letters.encode(utterance.text));
    rows.push_back(augmented(features, utterance.samples, nn::ctc_frames_needed(texts.back()), generator));
  }
  const data::Packed frames = data::pack_rows(rows), letters = data::pack_ids(texts);
  return {frames.rows, frames.segments, letters.rows, letters.segments};
}

}  // namespace saw::examples
