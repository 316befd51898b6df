#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/data/audio/audio.h"

namespace saw::data {

/// A generator's numbers one after the other.
class Dice {
 public:
  explicit Dice(RandomStream stream) : stream_(stream) {}
  double uniform(double low, double high) { return low + (high - low) * stream_.uniform(drawn_++); }
  double normal() { return stream_.normal(drawn_++); }
  std::size_t below(std::size_t count) {
    return static_cast<std::size_t>(stream_.integer(drawn_++, 0, static_cast<std::int64_t>(count)));
  }

 private:
  RandomStream stream_;
  std::uint64_t drawn_ = 0;
};

/// What makes a voice its own.
struct Voice {
  double pitch;                   ///< Hz, of the glottal pulses, on average
  double intonation;              ///< how far the pitch moves, as a share of it
  double tract;                   ///< formants are multiplied by it: shorter vocal tracts have more than 1
  std::array<double, 4> formant;  ///< further factors of each formant, near 1
  double bandwidth;               ///< factor of the formants' widths
  double open_quotient;           ///< share of a period in which the glottis is open
  double tilt;                    ///< one-pole low-pass of the source, 0 … 1: a soft voice has more
  double breath;                  ///< noise beside the pulses
  double jitter, shimmer;         ///< random changes of period and loudness from pulse to pulse
  double rate;                    ///< syllables a second
};

Voice random_voice(Dice& dice);

/// What the synthesiser aims at for a while: three formants in Hz, and for consonants the centre of a noise band.
struct Articulation {
  std::array<double, 3> formants;
  double noise_centre = 0;  ///< Hz; 0: a vowel or a nasal
  double voicing = 1;       ///< loudness of the pulses
  double seconds = 0.12;
};

/// Formants of ten English vowels (after Peterson & Barney 1952, for a man), from the one in "heed" over those in
/// "hid", "head", "had", "hod", "hawed", "hood", "who'd", "hud" to the one in "heard".
const std::vector<Articulation>& vowels();

/// What synthesise() gives.
struct Synthesised {
  Audio audio;                     ///< 16 kHz
  std::vector<std::int64_t> ends;  ///< of each articulation, in samples
};

/// The articulations one after the other in that voice, by a source-filter synthesiser in the manner of Klatt (1980).
/// Whatever is random about a single utterance comes from `dice`: speed, pitch, loudness, background noise, and that
/// nobody says anything twice in the same way.
Synthesised synthesise(const Voice& voice, std::span<const Articulation> articulations, Dice& dice);

}  // namespace saw::data
