#pragma once

#include <cstdint>
#include <memory>

#include "saw/data/audio/audio.h"
#include "saw/data/manifest.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// How many voices say how much, and how they sound.
struct SyntheticVoicesOptions {
  std::int64_t voices = 24;   ///< speakers
  std::int64_t phrases = 30;  ///< that each of them says, the same for all
  std::uint64_t seed = 1;     ///< of voices, phrases, and how each is said
};

/// Voices that need no recordings, to try out what works on sound: a source-filter synthesiser in the manner of Klatt
/// (1980). A glottal pulse train with jitter and shimmer, and noise, go through resonators at the formants of a vowel,
/// which a speaker's vocal-tract length scales. Nobody says anything twice in the same way: speed, pitch, loudness and
/// background differ from utterance to utterance. A function of the options alone. Safe to use from several threads.
///
///   const data::SyntheticVoices voices({.voices = 10, .phrases = 20});
///   const data::Audio audio = voices(0);             // "voice01-phrase01", 16 kHz, one to two seconds
class SyntheticVoices {
 public:
  /// Throws Error(argument) for less than one voice or phrase.
  explicit SyntheticVoices(const SyntheticVoicesOptions& options = {});

  /// Who says what: the phrases of the first voice, then those of the second, …
  const SpeakerData& data() const { return data_; }
  /// The sound of an utterance. Throws Error(index).
  Audio operator()(std::int64_t utterance) const;

 private:
  struct Plan;
  SpeakerData data_;
  std::shared_ptr<const Plan> plan_;
};

}  // namespace data
}  // namespace saw
