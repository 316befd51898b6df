#include "saw/data/audio/internal/mel_filters.h"

#include <algorithm>
#include <cmath>

namespace saw::data {
namespace {

// Slaney's scale: 15 mel at 1 kHz, straight below, and 27 more mel for every factor of 6.4 above.
constexpr double slaney_break = 1000.0, slaney_step = 200.0 / 3.0, slaney_mel = slaney_break / slaney_step;
const double slaney_log_step = std::log(6.4) / 27.0;

double to_mel(double hertz, MelScale scale) {
  if (scale == MelScale::htk) return 2595.0 * std::log10(1.0 + hertz / 700.0);
  if (hertz < slaney_break) return hertz / slaney_step;
  return slaney_mel + std::log(hertz / slaney_break) / slaney_log_step;
}

double to_hertz(double mel, MelScale scale) {
  if (scale == MelScale::htk) return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
  if (mel < slaney_mel) return mel * slaney_step;
  return slaney_break * std::exp((mel - slaney_mel) * slaney_log_step);
}

// Corners m, m + 1 and m + 2 are those of triangle m.
std::vector<double> corners_in_mel(const MelBand& band, MelScale scale) {
  const double low = to_mel(band.low, scale), high = to_mel(band.high, scale);
  std::vector<double> result;
  for (std::int64_t i = 0; i < band.mels + 2; ++i)
    result.push_back(low + (high - low) * static_cast<double>(i) / static_cast<double>(band.mels + 1));
  return result;
}

std::vector<double> hertz_of_bins(const MelBand& band, std::int64_t bins) {
  std::vector<double> result;
  for (std::int64_t k = 0; k < bins; ++k)
    result.push_back(static_cast<double>(k) * static_cast<double>(band.sample_rate) / static_cast<double>(band.points));
  return result;
}

FilterBank triangles(const std::vector<double>& bins, const std::vector<double>& corners, bool area_norm) {
  FilterBank bank;
  std::vector<double> weights(bins.size());
  for (std::size_t m = 0; m + 2 < corners.size(); ++m) {
    const double left = corners[m], centre = corners[m + 1], right = corners[m + 2];
    const double height = area_norm ? 2.0 / (right - left) : 1.0;
    for (std::size_t k = 0; k < bins.size(); ++k) {
      const double rising = (bins[k] - left) / (centre - left), falling = (right - bins[k]) / (right - centre);
      weights[k] = height * std::max(0.0, std::min(rising, falling));
    }
    bank.add(weights);
  }
  return bank;
}

}  // namespace

void FilterBank::add(const std::vector<double>& weights) {
  const auto is_weight = [](double weight) { return weight != 0.0; };
  const auto first = std::find_if(weights.begin(), weights.end(), is_weight);
  const auto last = std::find_if(weights.rbegin(), std::make_reverse_iterator(first), is_weight).base();
  const std::size_t begin = weights_.size();
  for (auto weight = first; weight != last; ++weight) weights_.push_back(static_cast<float>(*weight));
  filters_.push_back({static_cast<std::size_t>(first - weights.begin()), begin, weights_.size()});
}

bool FilterBank::has_empty() const {
  return std::any_of(filters_.begin(), filters_.end(), [](const Filter& filter) { return filter.begin == filter.end; });
}

void FilterBank::operator()(const float* power, float* result) const {
  for (const Filter& filter : filters_) {
    const float* bin = power + filter.first_bin;
    float sum = 0.0F;
    for (std::size_t i = filter.begin; i < filter.end; ++i) sum += weights_[i] * *bin++;
    *result++ = sum;
  }
}

FilterBank triangles_over_hertz(const MelBand& band, MelScale scale, bool area_norm) {
  std::vector<double> corners = corners_in_mel(band, scale);
  for (double& corner : corners) corner = to_hertz(corner, scale);
  return triangles(hertz_of_bins(band, band.points / 2 + 1), corners, area_norm);
}

FilterBank triangles_over_mel(const MelBand& band) {
  std::vector<double> bins = hertz_of_bins(band, band.points / 2);
  for (double& bin : bins) bin = to_mel(bin, MelScale::htk);
  return triangles(bins, corners_in_mel(band, MelScale::htk), false);
}

std::vector<double> bands_at(const MelBand& band, MelScale scale, double factor) {
  const std::vector<double> corners = corners_in_mel(band, scale);
  const double step = corners[1] - corners[0];
  std::vector<double> result;
  for (std::size_t m = 1; m + 1 < corners.size(); ++m)
    result.push_back((to_mel(factor * to_hertz(corners[m], scale), scale) - corners[1]) / step);
  return result;
}

}  // namespace saw::data
