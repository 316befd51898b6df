#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace saw::train {

/// Neighbouring points of a curve as one: their mean at their mean step, and what they spread over.
struct SeriesPoint {
  std::int64_t first = 0, last = 0;  // steps
  double sum = 0.0, low = 0.0, high = 0.0;
  std::int64_t count = 0;       // finite values
  std::int64_t not_finite = 0;  // left out of the sum

  double step() const { return 0.5 * (static_cast<double>(first) + static_cast<double>(last)); }
  double mean() const { return sum / static_cast<double>(count); }
};

/// A curve of bounded size: where it has become too long, neighbours are joined.
class Series {
 public:
  explicit Series(std::string name) : name_(std::move(name)) {}
  /// One that goes on from what an earlier one held.
  Series(std::string name, std::vector<SeriesPoint> points, std::int64_t stride)
      : name_(std::move(name)), points_(std::move(points)), stride_(stride) {}

  /// Points of this step and of later ones make room: a run that was resumed has each step once.
  void add(std::int64_t step, double value);

  const std::string& name() const { return name_; }
  const std::vector<SeriesPoint>& points() const { return points_; }
  std::int64_t stride() const { return stride_; }  // points that are joined into one

 private:
  std::string name_;
  std::vector<SeriesPoint> points_;
  std::int64_t stride_ = 1;
};

}  // namespace saw::train
