#include "saw/data/audio/synthetic_voices.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"

namespace saw {
namespace data {
namespace {

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

/// A sound of the invented language: three formants in Hz (after Peterson & Barney 1952, for a man), and for consonants
/// the centre of a noise band.
struct Phone {
  std::array<double, 3> formants;
  double noise_centre = 0;  ///< Hz; 0: a vowel or a nasal
  double voicing = 1;       ///< loudness of the pulses
  double seconds = 0.12;
};

const std::vector<Phone>& vowels() {
  static const std::vector<Phone> all = {
      {{270, 2290, 3010}}, {{390, 1990, 2550}}, {{530, 1840, 2480}}, {{660, 1720, 2410}}, {{730, 1090, 2440}},
      {{570, 840, 2410}},  {{440, 1020, 2240}}, {{300, 870, 2240}},  {{640, 1190, 2390}}, {{490, 1350, 1690}},
  };
  return all;
}

const std::vector<Phone>& consonants() {
  static const std::vector<Phone> all = {
      {{250, 1200, 2200}, 0, 0.35, 0.07},    // a nasal
      {{360, 1300, 2700}, 0, 0.60, 0.06},    // a liquid
      {{300, 1700, 2600}, 6000, 0.0, 0.10},  // s
      {{300, 1800, 2500}, 3000, 0.0, 0.10},  // sh
      {{300, 1100, 2300}, 4500, 0.3, 0.07},  // z
      {{300, 1500, 2500}, 0, 0.0, 0.05},     // the silence of a stop
  };
  return all;
}

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

Voice random_voice(Dice& dice) {
  // Longer tracts go with lower voices, loosely.
  const double size = dice.uniform(0.0, 1.0);
  Voice voice{};
  voice.tract = 0.88 + 0.30 * size + 0.03 * dice.normal();
  voice.pitch = 95.0 * std::exp2(1.2 * size + 0.18 * dice.normal());
  voice.intonation = dice.uniform(0.05, 0.2);
  for (double& factor : voice.formant) factor = 1.0 + 0.05 * dice.normal();
  voice.bandwidth = dice.uniform(0.7, 1.6);
  voice.open_quotient = dice.uniform(0.4, 0.75);
  voice.tilt = dice.uniform(0.1, 0.85);
  voice.breath = std::exp(dice.uniform(std::log(0.002), std::log(0.06)));
  voice.jitter = dice.uniform(0.003, 0.02);
  voice.shimmer = dice.uniform(0.02, 0.12);
  voice.rate = dice.uniform(3.5, 5.5);
  return voice;
}

/// A phrase: consonant, vowel, consonant, vowel, …
std::vector<Phone> random_phrase(Dice& dice, std::size_t syllables) {
  std::vector<Phone> phrase;
  for (std::size_t i = 0; i < syllables; ++i) {
    phrase.push_back(consonants()[dice.below(consonants().size())]);
    phrase.push_back(vowels()[dice.below(vowels().size())]);
  }
  return phrase;
}

/// A two-pole resonator with gain 1 at frequency 0 (Klatt 1980).
class Resonator {
 public:
  void tune(double frequency, double bandwidth, double sample_rate) {
    const double radius = std::exp(-std::numbers::pi * bandwidth / sample_rate);
    b_ = 2.0 * radius * std::cos(2.0 * std::numbers::pi * frequency / sample_rate);
    c_ = -radius * radius;
    a_ = 1.0 - b_ - c_;
  }
  double operator()(double x) {
    const double y = a_ * x + b_ * y1_ + c_ * y2_;
    y2_ = y1_;
    y1_ = y;
    return y;
  }

 private:
  double a_ = 1, b_ = 0, c_ = 0, y1_ = 0, y2_ = 0;
};

/// The flow of air through the glottis, differentiated: Rosenberg's pulse (1971), at `phase` 0 … 1 of a period.
double glottal_pulse(double phase, double open_quotient) {
  const double rise = 0.66 * open_quotient, fall = open_quotient - rise;
  if (phase < rise) return 0.5 * std::sin(std::numbers::pi * phase / rise) / rise;
  if (phase < open_quotient) return -0.5 * std::sin(0.5 * std::numbers::pi * (phase - rise) / fall) / fall;
  return 0.0;
}

/// The phrase in that voice, 16 kHz. Whatever is random about a single utterance comes from `dice`: speed, pitch,
/// loudness, background noise, and that nobody says anything twice in the same way.
Audio speak(const Voice& voice, const std::vector<Phone>& phrase, Dice& dice) {
  constexpr std::int64_t sample_rate = 16000;
  constexpr double nyquist = sample_rate / 2.0;
  const double speed = voice.rate / 4.5 * dice.uniform(0.85, 1.15);
  const double pitch = voice.pitch * (1.0 + 0.04 * dice.normal());
  const double intonation_phase = dice.uniform(0.0, 2.0 * std::numbers::pi);

  std::array<Resonator, 4> tract;
  Resonator friction;
  std::array<double, 4> formant = {500, 1500, 2500, 3500};
  double voicing = 0, noise = 0, phase = 1, period_pitch = pitch, loudness = 1, smoothed = 0;
  std::vector<float> samples;
  for (const Phone& phone : phrase) {
    const auto length = static_cast<std::int64_t>(phone.seconds * dice.uniform(0.8, 1.3) / speed * sample_rate);
    std::array<double, 4> target{};
    for (std::size_t f = 0; f < 4; ++f)
      target[f] = (f < 3 ? phone.formants[f] : 3500.0) * voice.tract * voice.formant[f] * (1.0 + 0.02 * dice.normal());
    const double centre = std::min(phone.noise_centre * std::sqrt(voice.tract), 0.95 * nyquist);
    for (std::int64_t t = 0; t < length; ++t) {
      if (t % 40 == 0) {  // the articulators move; 2.5 ms at a time
        for (std::size_t f = 0; f < 4; ++f) {
          formant[f] += 0.12 * (target[f] - formant[f]);
          const double width = voice.bandwidth * (50.0 + 0.05 * formant[f]);
          tract[f].tune(std::min(formant[f], 0.95 * nyquist), width, sample_rate);
        }
        voicing += 0.2 * (phone.voicing - voicing);
        noise += 0.2 * ((centre > 0 ? 0.35 : 0.0) - noise);
        if (centre > 0) friction.tune(centre, 1200.0 * voice.bandwidth, sample_rate);
      }
      phase += period_pitch / sample_rate;
      if (phase >= 1.0) {  // a new pulse
        phase -= std::floor(phase);
        const double seconds = static_cast<double>(samples.size()) / sample_rate;
        period_pitch = pitch * (1.0 + voice.intonation * std::sin(4.0 * seconds + intonation_phase) - 0.06 * seconds) *
                       (1.0 + voice.jitter * dice.normal());
        period_pitch = std::clamp(period_pitch, 50.0, 500.0);
        loudness = 1.0 + voice.shimmer * dice.normal();
      }
      const double white = dice.normal();
      const double source = loudness * glottal_pulse(phase, voice.open_quotient) + 20.0 * voice.breath * white;
      smoothed += (1.0 - voice.tilt) * (voicing * source - smoothed);
      double x = smoothed;
      for (Resonator& resonator : tract) x = resonator(x);
      samples.push_back(static_cast<float>(x + noise * friction(white)));
    }
  }
  // Recorded at one level or another, in a room that is not silent.
  double energy = 1e-12;
  for (const float sample : samples) energy += static_cast<double>(sample) * sample;
  const double gain =
      0.08 * std::exp2(dice.uniform(-1.0, 1.0)) / std::sqrt(energy / static_cast<double>(samples.size()));
  const double background = 0.08 * std::pow(10.0, -dice.uniform(25.0, 40.0) / 20.0);
  for (float& sample : samples)
    sample = static_cast<float>(std::clamp(gain * sample + background * dice.normal(), -1.0, 1.0));
  return {tensor(samples), sample_rate};
}

}  // namespace

struct SyntheticVoices::Plan {
  std::uint64_t seed;
  std::vector<Voice> voices;
  std::vector<std::vector<Phone>> phrases;
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
  return speak(plan_->voices[i / phrases], plan_->phrases[i % phrases], own);
}

}  // namespace data
}  // namespace saw
