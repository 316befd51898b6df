#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace saw::data {

/// Weighted sums over neighbouring bins of a power spectrum; only the weights that are not zero are kept.
class FilterBank {
 public:
  /// Adds the filter with weights[k] at bin k.
  void add(const std::vector<double>& weights);
  std::int64_t size() const { return static_cast<std::int64_t>(filters_.size()); }
  /// Whether some filter has no weight at all.
  bool has_empty() const;
  /// power (bins) → result (size()).
  void operator()(const float* power, float* result) const;

 private:
  struct Filter {
    std::size_t first_bin, begin, end;  // weights_[begin … end) belong to the bins from first_bin on
  };
  std::vector<Filter> filters_;
  std::vector<float> weights_;
};

/// Where triangles stand: their corners are equally far apart on a mel scale.
struct MelBand {
  std::int64_t points = 0;  ///< of the Fourier transform
  std::int64_t sample_rate = 0;
  std::int64_t mels = 0;
  double low = 0.0, high = 0.0;  ///< Hz, the outer corners of the first and the last triangle
};

enum class MelScale {
  htk,     ///< 2595 log₁₀(1 + f / 700)
  slaney,  ///< 3 f / 200 up to 1 kHz, 15 + 27 ln(f / 1000) / ln 6.4 above
};

/// Triangles with straight sides over Hz, as torchaudio and librosa have them; height 1, or with `area_norm` 2 / width.
FilterBank triangles_over_hertz(const MelBand& band, MelScale scale, bool area_norm);

/// Triangles with straight sides over mel, as Kaldi has them; the bin of the Nyquist frequency is left out.
FilterBank triangles_over_mel(const MelBand& band);

/// For each triangle, where on the axis of their numbers one would stand whose centre is `factor` times as many Hz:
/// 2.5 lies between the third and the fourth.
std::vector<double> bands_at(const MelBand& band, MelScale scale, double factor);

}  // namespace saw::data
