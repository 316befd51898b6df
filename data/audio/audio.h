#pragma once

#include <cstdint>
#include <string>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// One channel of sound.
struct Audio {
  Tensor samples;                ///< (T) float32, full scale is ±1
  std::int64_t sample_rate = 0;  ///< Hz

  double seconds() const;  ///< samples / sample_rate
};

/// Reads a sound file that libsndfile knows (WAV, FLAC, OGG, …); several channels are averaged to one. Throws Error(io)
/// that begins with the path: not a sound file, an unsupported codec, no samples, samples that are NaN or beyond 2⁴⁰
/// times full scale (damaged floats, whose power spectrum would overflow), a file that ends before its header says.
/// Memory is taken for the samples that are there, not for what a header promises.
Audio read_audio(const std::string& path);
/// The same, resampled; Error(io) that begins with the path also for a file whose rate cannot be brought to this one.
Audio read_audio(const std::string& path, std::int64_t sample_rate);

/// Writes a WAV file of 16-bit PCM, mono; samples beyond ±1 are clipped. The file appears whole or not at all.
void write_wav(const std::string& path, const Audio& audio);

/// The same sound at another sample rate: windowed-sinc (Kaiser) low-pass interpolation at the rational ratio of the
/// rates; ⌈T · to / from⌉ samples, the first at the same time as before. With the Nyquist frequency of the lower rate
/// as 1, what lies below 0.9 is kept to within 2e-5 of full scale, and what lies above 1 is 94 dB down or more. Throws
/// Error(argument) for rates below 1 or above 2³⁰ Hz, and for rates that differ by a factor of 256 or more.
Audio resample(const Audio& audio, std::int64_t sample_rate);

}  // namespace data
}  // namespace saw
