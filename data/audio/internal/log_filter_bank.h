#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "saw/data/audio/internal/mel_filters.h"
#include "saw/data/audio/internal/power_spectrum.h"

namespace saw::data {

/// What log-mel features have in common: from a windowed frame to the logarithms of its filtered power spectrum,
///   y_m = ln max(Σ_k w_mk P_k, floor).
/// NaN samples give NaN. Threads can share one; each brings a Scratch of its own.
class LogFilterBank {
 public:
  LogFilterBank(std::int64_t points, FilterBank filters, double floor)
      : spectrum_(points), filters_(std::move(filters)), floor_(static_cast<float>(floor)) {}

  struct Scratch {
    std::vector<float> frame;  ///< (points): the caller writes it
    std::vector<float> power;
    PowerSpectrum::Scratch transform;
  };
  Scratch scratch() const;

  /// scratch.frame → result (filters).
  void operator()(Scratch& scratch, float* result) const;

 private:
  PowerSpectrum spectrum_;
  FilterBank filters_;
  float floor_;
};

}  // namespace saw::data
