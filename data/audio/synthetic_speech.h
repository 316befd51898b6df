#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "saw/data/audio/audio.h"
#include "saw/data/manifest.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Who says how much in SyntheticSpeech.
struct SyntheticSpeechOptions {
  std::int64_t voices = 12;       ///< speakers
  std::int64_t utterances = 40;   ///< of each of them
  std::int64_t fewest_words = 2;  ///< in an utterance
  std::int64_t most_words = 5;    ///< in an utterance
  std::uint64_t seed = 1;         ///< of voices, words, and how they are said
};

/// A phone and where it is heard: samples begin … end − 1.
struct PhoneSpan {
  std::int64_t phone = 0;  ///< its number in SyntheticSpeech::phones()
  std::int64_t begin = 0;  ///< first sample
  std::int64_t end = 0;    ///< behind the last sample
};

/// What SyntheticSpeech says, and how.
struct SpokenText {
  Audio audio;                    ///< 16 kHz
  std::string text;               ///< words with a space between them
  std::vector<PhoneSpan> phones;  ///< all samples, one phone after the other, with pauses
};

/// Words that need no recordings, to try out what reads speech: utterances of a few words each from a set of sixteen,
/// said by the source-filter synthesiser that SyntheticVoices has. What is said letter by letter is not spelled as it
/// sounds ("night"), words follow each other with a pause or without one, and nobody says anything twice in the same
/// way: speed, pitch, loudness and background differ. A function of the options alone. Safe to use from several
/// threads.
///
///   const data::SyntheticSpeech speech({.voices = 4, .utterances = 10});
///   const data::SpokenText said = speech(0);         // "red leaf", and which phone is heard from where to where
class SyntheticSpeech {
 public:
  /// Throws Error(argument) for less than one voice, utterance or word, for more than 1,000 words in an utterance, and
  /// for more than 10,000,000 utterances in all.
  explicit SyntheticSpeech(const SyntheticSpeechOptions& options = {});

  /// The words that are said, sorted: letters a … z.
  static const std::vector<std::string>& words();
  /// Names of the phones, those of the ARPAbet in small letters; number 0 is "pause".
  static const std::vector<std::string>& phones();

  /// Who says which utterance: those of the first voice, then those of the second, …
  const SpeakerData& data() const { return data_; }
  /// The words of an utterance, without the sound of it. Throws Error(index).
  std::string text(std::int64_t utterance) const;
  /// An utterance. Throws Error(index).
  SpokenText operator()(std::int64_t utterance) const;

 private:
  struct Plan;
  SpeakerData data_;
  std::shared_ptr<const Plan> plan_;
};

}  // namespace data
}  // namespace saw
