#include "saw/train/report/internal/series.h"

#include <algorithm>
#include <cmath>

namespace saw::train {
namespace {

constexpr std::size_t most_points = 600;

SeriesPoint join(const SeriesPoint& a, const SeriesPoint& b) {
  SeriesPoint both = a;
  both.last = b.last;
  both.not_finite += b.not_finite;
  if (b.count == 0) return both;
  both.low = a.count > 0 ? std::min(a.low, b.low) : b.low;
  both.high = a.count > 0 ? std::max(a.high, b.high) : b.high;
  both.sum += b.sum;
  both.count += b.count;
  return both;
}

}  // namespace

void Series::add(std::int64_t step, double value) {
  while (!points_.empty() && points_.back().first >= step) points_.pop_back();
  SeriesPoint point{.first = step, .last = step};
  if (std::isfinite(value)) {
    point.sum = point.low = point.high = value;
    point.count = 1;
  } else {
    point.not_finite = 1;
  }
  if (!points_.empty() && points_.back().count + points_.back().not_finite < stride_) {
    points_.back() = join(points_.back(), point);
    return;
  }
  points_.push_back(point);
  if (points_.size() <= most_points) return;
  std::vector<SeriesPoint> joined;
  for (std::size_t i = 0; i < points_.size(); i += 2)
    joined.push_back(i + 1 < points_.size() ? join(points_[i], points_[i + 1]) : points_[i]);
  points_ = std::move(joined);
  stride_ *= 2;
}

}  // namespace saw::train
