#pragma once

#include <cstdint>
#include <memory>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Log-mel features as torchaudio's MelSpectrogram and a logarithm give them; the defaults are those of the HW04 data:
///   y_m = ln max(Σ_k w_mk |X_k|², floor),
/// with the Fourier transform X of a frame under a periodic Hann window, and triangles w_m that are straight over Hz
/// and whose corners are equally far apart on the mel scale. A triangle that is so narrow that it lies between two
/// points of the transform gives the floor, as it does there: fewer mels or a longer window help.
struct LogMelOptions {
  std::int64_t sample_rate = 16000;  ///< Hz, of the sounds
  std::int64_t window = 400;         ///< samples in a frame, and points of the Fourier transform (25 ms)
  std::int64_t hop = 160;            ///< samples from one frame to the next (10 ms)
  std::int64_t mels = 40;            ///< triangles: features of a frame
  double low_frequency = 50.0;       ///< Hz
  double high_frequency = 0.0;       ///< Hz; 0: half the sample rate
  bool slaney_scale = false;         ///< mel scale of Slaney's toolbox instead of HTK's
  bool slaney_norm = false;          ///< each triangle divided by half its width in Hz
  double floor = 1e-9;               ///< log(max(x, floor))
};

/// Computes log-mel features; window, filters and Fourier plan are made once. Safe to use from several threads.
///
///   LogMel log_mel;                                    // 40 mels, 25 ms every 10 ms, 50 Hz to 8 kHz
///   Tensor frames = log_mel(audio.samples);            // (1 + T / 160, 40)
class LogMel {
 public:
  /// Throws Error(argument) for options that do not fit together.
  explicit LogMel(const LogMelOptions& options = {});
  ~LogMel();
  LogMel(LogMel&&) noexcept;
  LogMel& operator=(LogMel&&) noexcept;

  /// samples (T) float32 → (1 + ⌊T / hop⌋, mels) float32. Centred frames; the signal is mirrored at its ends, so it
  /// must have more than window / 2 samples, else Error(argument).
  Tensor operator()(const Tensor& samples) const;
  const LogMelOptions& options() const { return options_; }  ///< as given

 private:
  struct Plan;
  LogMelOptions options_;
  std::unique_ptr<const Plan> plan_;
};

}  // namespace data
}  // namespace saw
