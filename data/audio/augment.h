#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/audio/audio.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

// Changes at random that make a training set larger. Every function takes one stream from the generator, whatever
// happens then, so what it returns is a function of the seed and of how many were taken before. Nothing is recorded on
// the tape, and what is given is never changed.

// ---- features: (frames, features) float32 ----

/// How SpecAugment (Park et al. 2019) deforms log-mel features. The defaults are mild; the paper's policy for
/// LibriSpeech, on 80 mels, is {.time_warp = 80, .frequency_width = 27, .time_width = 100, .largest_time_share = 1}.
struct SpecAugmentOptions {
  std::int64_t time_warp = 0;        ///< W: a frame is moved by less than so many frames; 0: none
  std::int64_t frequency_masks = 2;  ///< how many stretches of features are masked
  std::int64_t frequency_width = 8;  ///< F: each is 0 … F features wide
  std::int64_t time_masks = 2;       ///< how many stretches of frames are masked
  std::int64_t time_width = 40;      ///< T: each is 0 … T frames long,
  double largest_time_share = 0.2;   ///< p: but at most p times all frames
  std::optional<double> fill = {};   ///< what is put into masks; if not given, the mean over time of each feature
};

/// SpecAugment: the time axis warped, then features and frames masked. Warping moves frame α, drawn from W … T − W − 1,
/// to α + w, with |w| < W, and stretches what lies before and behind linearly; features of fewer than 2 W + 1 frames
/// are not warped. Throws Error(argument) for negative options or a share beyond 1.
Tensor spec_augment(const Tensor& frames, const SpecAugmentOptions& options, Generator& generator);

/// How add_noise_bursts disturbs log-mel features.
struct NoiseBurstOptions {
  std::int64_t bursts = 2;    ///< at most so many; each happens with probability
  double probability = 0.7;   ///< this
  std::int64_t longest = 30;  ///< a burst has 5 … longest frames,
  double widest = 0.5;        ///< a standard deviation of 0.1 … widest times all bands around a random one,
  double quietest = 6.0;      ///< and is up to so many nats below the loudest value of the utterance
};

/// Adds short bursts of band-limited noise to log features, as power, log(eᵃ + eᵇ): what a hiss, a click or a sound
/// that no training utterance has does to them. A model learns to tell voices from the rest of the utterance. Throws
/// Error(argument) for options out of range.
Tensor add_noise_bursts(const Tensor& frames, const NoiseBurstOptions& options, Generator& generator);

/// `length` frames in a row, from a random place; all frames where there are no more. The result is a view.
Tensor random_crop(const Tensor& frames, std::int64_t length, Generator& generator);

// ---- sound: (T) float32 ----

/// samples + g · noise, with g so that the power of the samples is `snr` decibels above that of the noise added. The
/// noise begins at a random place, and from its end goes on at its beginning. Silence on either side adds nothing.
/// Throws Error(argument) for noise without samples.
Tensor add_noise(const Tensor& samples, const Tensor& noise, double snr, Generator& generator);

/// Noise whose power falls by 3 dB an octave, of unit power. (White noise is randn({count}, generator).)
Tensor pink_noise(std::int64_t count, Generator& generator);

/// The sound `factor` times as fast, and as much higher; it is resampled and keeps its rate: about T / factor samples.
/// Throws Error(argument) unless 0.1 ≤ factor ≤ 10.
Audio change_speed(const Audio& audio, double factor);

/// change_speed by one of the factors, drawn at random; those of Ko et al. 2015 are 0.9, 1 and 1.1.
Audio perturb_speed(const Audio& audio, const std::vector<double>& factors, Generator& generator);

/// Samples times 10^(d / 20), with d decibels drawn from [low, high).
Tensor random_gain(const Tensor& samples, double low, double high, Generator& generator);

}  // namespace data
}  // namespace saw
