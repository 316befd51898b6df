#include "saw/data/audio/internal/source_filter.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "saw/autograd/ops/creation.h"

namespace saw::data {
namespace {

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

}  // namespace

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

const std::vector<Articulation>& vowels() {
  static const std::vector<Articulation> all = {
      {{270, 2290, 3010}}, {{390, 1990, 2550}}, {{530, 1840, 2480}}, {{660, 1720, 2410}}, {{730, 1090, 2440}},
      {{570, 840, 2410}},  {{440, 1020, 2240}}, {{300, 870, 2240}},  {{640, 1190, 2390}}, {{490, 1350, 1690}},
  };
  return all;
}

Synthesised synthesise(const Voice& voice, std::span<const Articulation> articulations, Dice& dice) {
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
  std::vector<std::int64_t> ends;
  for (const Articulation& aim : articulations) {
    const auto length = static_cast<std::int64_t>(aim.seconds * dice.uniform(0.8, 1.3) / speed * sample_rate);
    std::array<double, 4> target{};
    for (std::size_t f = 0; f < 4; ++f)
      target[f] = (f < 3 ? aim.formants[f] : 3500.0) * voice.tract * voice.formant[f] * (1.0 + 0.02 * dice.normal());
    const double centre = std::min(aim.noise_centre * std::sqrt(voice.tract), 0.95 * nyquist);
    for (std::int64_t t = 0; t < length; ++t) {
      if (t % 40 == 0) {  // the articulators move; 2.5 ms at a time
        for (std::size_t f = 0; f < 4; ++f) {
          formant[f] += 0.12 * (target[f] - formant[f]);
          const double width = voice.bandwidth * (50.0 + 0.05 * formant[f]);
          tract[f].tune(std::min(formant[f], 0.95 * nyquist), width, sample_rate);
        }
        voicing += 0.2 * (aim.voicing - voicing);
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
    ends.push_back(std::ssize(samples));
  }
  // Recorded at one level or another, in a room that is not silent.
  double energy = 1e-12;
  for (const float sample : samples) energy += static_cast<double>(sample) * sample;
  const double gain =
      0.08 * std::exp2(dice.uniform(-1.0, 1.0)) / std::sqrt(energy / static_cast<double>(samples.size()));
  const double background = 0.08 * std::pow(10.0, -dice.uniform(25.0, 40.0) / 20.0);
  for (float& sample : samples)
    sample = static_cast<float>(std::clamp(gain * sample + background * dice.normal(), -1.0, 1.0));
  return {{tensor(samples), sample_rate}, std::move(ends)};
}

}  // namespace saw::data
