#include "saw/data/audio/synthetic_voices.h"

#include <cstddef>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/internal/source_filter.h"

namespace saw {
namespace data {
namespace {

/// The consonants of an invented language.
const std::vector<Articulation>& consonants() {
  static const std::vector<Articulation> all = {
      {{250, 1200, 2200}, 0, 0.35, 0.07},    // a nasal
      {{360, 1300, 2700}, 0, 0.60, 0.06},    // a liquid
      {{300, 1700, 2600}, 6000, 0.0, 0.10},  // s
      {{300, 1800, 2500}, 3000, 0.0, 0.10},  // sh
      {{300, 1100, 2300}, 4500, 0.3, 0.07},  // z
      {{300, 1500, 2500}, 0, 0.0, 0.05},     // the silence of a stop
  };
  return all;
}

/// A phrase: consonant, vowel, consonant, vowel, …
std::vector<Articulation> random_phrase(Dice& dice, std::size_t syllables) {
  std::vector<Articulation> phrase;
  for (std::size_t i = 0; i < syllables; ++i) {
    phrase.push_back(consonants()[dice.below(consonants().size())]);
    phrase.push_back(vowels()[dice.below(vowels().size())]);
  }
  return phrase;
}

}  // namespace

struct SyntheticVoices::Plan {
  std::uint64_t seed;
  std::vector<Voice> voices;
  std::vector<std::vector<Articulation>> phrases;
};

SyntheticVoices::SyntheticVoices(const SyntheticVoicesOptions& options) {
  if (options.voices < 1 || options.phrases < 1)
    fail(ErrorKind::argument, "SyntheticVoices: got {} voices and {} phrases; expected at least one of each",
         options.voices, options.phrases);
  Dice dice(RandomStream(options.seed, 0));
  auto plan = std::make_shared<Plan>();
  plan->seed = options.seed;
  for (std::int64_t v = 0; v < options.voices; ++v) plan->voices.push_back(random_voice(dice));
  for (std::int64_t p = 0; p < options.phrases; ++p) plan->phrases.push_back(random_phrase(dice, 4 + dice.below(4)));
  plan_ = std::move(plan);
  for (std::int64_t v = 0; v < options.voices; ++v) {
    data_.speakers.push_back(fmt::format("voice{:02}", v + 1));
    for (std::int64_t p = 0; p < options.phrases; ++p)
      data_.utterances.push_back({.name = fmt::format("{}-phrase{:02}", data_.speakers.back(), p + 1), .speaker = v});
  }
}

Audio SyntheticVoices::operator()(std::int64_t utterance) const {
  if (utterance < 0 || utterance >= std::ssize(data_.utterances))
    fail(ErrorKind::index, "SyntheticVoices: number of an utterance; got {}; expected 0 … {}", utterance,
         std::ssize(data_.utterances) - 1);
  const std::size_t i = static_cast<std::size_t>(utterance), phrases = plan_->phrases.size();
  Dice own(RandomStream(plan_->seed, static_cast<std::uint64_t>(utterance) + 1));
  return synthesise(plan_->voices[i / phrases], plan_->phrases[i % phrases], own).audio;
}

}  // namespace data
}  // namespace saw
