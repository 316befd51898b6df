#pragma once

#include <cstdint>
#include <memory>

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Windows of N samples, symmetric, with a = 2π / (N − 1).
enum class KaldiWindow {
  povey,        ///< hanning^0.85
  hamming,      ///< 0.54 − 0.46 cos(a i)
  hanning,      ///< 0.5 − 0.5 cos(a i)
  blackman,     ///< 0.42 − 0.5 cos(a i) + 0.08 cos(2 a i)
  rectangular,  ///< 1
};

/// Kaldi's options with Kaldi's defaults, but for dither, which is 1 there. Most people use 80 mels.
struct KaldiFbankOptions {
  std::int64_t sample_rate = 16000;  ///< Hz, of the sounds
  double frame_length = 25.0;        ///< milliseconds
  double frame_shift = 10.0;         ///< milliseconds
  std::int64_t mels = 23;            ///< triangles: features of a frame
  double low_frequency = 20.0;       ///< Hz
  double high_frequency = 0.0;       ///< Hz; 0 or less: so much above half the sample rate
  bool snip_edges = true;  ///< only frames that lie inside the sound; else ⌊T / shift + ½⌋ frames, mirrored at the ends
  bool remove_dc_offset = true;             ///< subtract each frame's mean
  double preemphasis = 0.97;                ///< x_t − 0.97 x_t−1 in each frame, with x_−1 = x_0
  KaldiWindow window = KaldiWindow::povey;  ///< what a frame is multiplied by
  bool use_energy = false;                  ///< a first column with the logarithm of the frame's energy Σ x²
  bool raw_energy = true;                   ///< that energy before pre-emphasis and window, not behind them
  double dither = 0.0;                      ///< deviation of the noise that is added to the sound, after `scale`
  double scale = 32768.0;                   ///< Kaldi takes samples as 16-bit integers, saw as ±1
};

/// Kaldi's "fbank": log-mel features with pre-emphasis, Povey's window, a Fourier transform of the next power of two
/// and triangles that are straight over mel; ln max(x, 1.19e-7). Made once, and safe to use from several threads.
///
///   KaldiFbank fbank({.mels = 80});
///   Tensor frames = fbank(audio.samples);            // (1 + (T − 400) / 160, 80)
class KaldiFbank {
 public:
  /// Throws Error(argument) for options that do not fit together.
  explicit KaldiFbank(const KaldiFbankOptions& options = {});
  ~KaldiFbank();
  KaldiFbank(KaldiFbank&&) noexcept;
  KaldiFbank& operator=(KaldiFbank&&) noexcept;

  /// samples (T) float32 → (frames, mels), or (frames, 1 + mels) with use_energy. Throws Error(argument) for a sound
  /// shorter than one frame, and where options().dither asks for noise: that needs the other form.
  Tensor operator()(const Tensor& samples) const;
  /// The same with dither drawn from `generator`. In Kaldi every frame has noise of its own; here it is added to the
  /// sound, so that frames share it where they overlap.
  Tensor operator()(const Tensor& samples, Generator& generator) const;
  const KaldiFbankOptions& options() const { return options_; }  ///< as given

 private:
  struct Plan;
  Tensor features(const Tensor& samples, Generator* generator) const;

  KaldiFbankOptions options_;
  std::unique_ptr<const Plan> plan_;
};

}  // namespace data
}  // namespace saw
