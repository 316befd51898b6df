#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <vector>

struct kiss_fft_state;

namespace saw::data {

/// The power spectrum of real frames of n samples,
///   P_k = |Σ_t x_t e^(−2πi k t / n)|²,   k = 0 … ⌊n / 2⌋.
/// Nothing in it changes after construction, so that threads can share one; each brings a Scratch of its own.
class PowerSpectrum {
 public:
  /// n from 2 to 2²⁰.
  explicit PowerSpectrum(std::int64_t points);

  std::int64_t points() const { return points_; }
  std::int64_t bins() const { return points_ / 2 + 1; }

  struct Scratch {
    std::vector<std::complex<float>> packed, transformed;
  };
  Scratch scratch() const;

  /// frame (points) → power (bins).
  void operator()(const float* frame, float* power, Scratch& scratch) const;

 private:
  struct Free {
    void operator()(kiss_fft_state* plan) const;
  };
  std::int64_t points_;
  std::unique_ptr<kiss_fft_state, Free> plan_;
  std::vector<std::complex<float>> twiddles_;  // e^(−2πi k / n) for an even n; else empty
};

}  // namespace saw::data
