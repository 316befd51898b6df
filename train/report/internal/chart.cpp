#include "saw/train/report/internal/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/train/internal/readable.h"
#include "saw/train/internal/svg.h"

namespace saw::train {
namespace {

// Small enough that a phone shows it almost at its own size, so that its letters stay readable.
constexpr double width = 440, height = 236, left = 50, right = 12, top = 10, bottom = 26;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void cover(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

/// Values: from zero where they come near it, and never without an extent.
Range padded(Range range) {
  if (range.empty()) return {0, 1};
  if (range.low > 0 && range.low < 0.35 * range.high) range.low = 0;
  const double extent = range.high - range.low;
  if (!std::isfinite(extent)) return range;
  if (!(extent > 1e-12 * std::max(std::abs(range.low), std::abs(range.high)))) {
    const double around = range.low == 0 ? 1 : 0.1 * std::abs(range.low);
    return {range.low - around, range.high + around};
  }
  return {range.low == 0 ? 0 : range.low - 0.04 * extent, range.high + 0.04 * extent};
}

struct Frame {
  Range x, y;

  double across(double step) const { return left + (step - x.low) / (x.high - x.low) * (width - left - right); }
  double down(double value) const {
    // In halves: a difference of large numbers may be beyond all numbers.
    const double share = std::clamp((0.5 * value - 0.5 * y.low) / (0.5 * y.high - 0.5 * y.low), 0.0, 1.0);
    return height - bottom - share * (height - top - bottom);
  }
};

std::string axes(const Frame& frame) {
  std::string svg;
  for (const NumberTick& tick : number_ticks(frame.y.low, frame.y.high, 5)) {
    const double y = frame.down(tick.value);
    svg += fmt::format("<line class=\"grid\" x1=\"{0:g}\" y1=\"{2:.1f}\" x2=\"{1:g}\" y2=\"{2:.1f}\"/>", left,
                       width - right, y);
    svg += fmt::format("<text x=\"{:g}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 6, y + 3.5, tick.text);
  }
  for (const NumberTick& tick : number_ticks(frame.x.low, frame.x.high, 6, true)) {
    const double x = frame.across(tick.value);
    // A label at the very edge stays inside the picture.
    const bool at_edge = x > width - right - 8;
    svg += fmt::format("<line class=\"axis\" x1=\"{0:.1f}\" y1=\"{1:g}\" x2=\"{0:.1f}\" y2=\"{2:g}\"/>", x,
                       height - bottom, height - bottom + 4);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:g}\" text-anchor=\"{}\">{}</text>\n", at_edge ? width - right + 8 : x,
                       height - bottom + 17, at_edge ? "end" : "middle", tick.text);
  }
  svg += fmt::format("<line class=\"axis\" x1=\"{0:g}\" y1=\"{2:g}\" x2=\"{1:g}\" y2=\"{2:g}\"/>\n", left,
                     width - right, height - bottom);
  return svg;
}

std::string curve(const Frame& frame, const Series& series, std::size_t colour) {
  std::string line, upper, lower, dots;
  bool joined = false;
  const bool few = series.points().size() <= 40;
  for (const SeriesPoint& point : series.points()) {
    if (point.count == 0) {
      joined = false;
      continue;
    }
    const double x = frame.across(point.step()), y = frame.down(point.mean());
    line += fmt::format("{}{:.1f} {:.1f}", joined ? "L" : "M", x, y);
    upper += fmt::format("{}{:.1f} {:.1f}", upper.empty() ? "M" : "L", x, frame.down(point.high));
    lower = fmt::format("L{:.1f} {:.1f}", x, frame.down(point.low)) + lower;
    if (few) dots += fmt::format("<circle class=\"c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.2\"/>", colour, x, y);
    joined = true;
  }
  std::string svg;
  if (series.stride() > 1) svg += fmt::format("<path class=\"band c{}\" d=\"{}{}Z\"/>\n", colour, upper, lower);
  return svg + fmt::format("<path class=\"curve c{}\" d=\"{}\"/>{}\n", colour, line, dots);
}

/// Columns that cover the chart and tell the numbers in them; hovering needs no script.
std::string columns(const Frame& frame, const std::vector<Series>& curves) {
  constexpr std::size_t most = 90;
  const Series* longest = &curves[0];
  for (const Series& series : curves)
    if (series.points().size() > longest->points().size()) longest = &series;
  const std::vector<SeriesPoint>& points = longest->points();
  const std::size_t every = points.size() / most + 1;
  std::string svg;
  for (std::size_t i = 0; i < points.size(); i += every) {
    const double here = points[i].step();
    const auto middle = [&](std::size_t other) { return frame.across(0.5 * (here + points[other].step())); };
    const double from = i >= every ? middle(i - every) : left,
                 to = i + every < points.size() ? middle(i + every) : width - right;
    std::string title = fmt::format("step {}", readable_count(points[i].first));
    if (points[i].last > points[i].first) title += fmt::format("–{}", readable_count(points[i].last));
    for (const Series& series : curves) {
      // The last point of each curve that is not beyond the column.
      const auto& own = series.points();
      const auto after =
          std::find_if(own.begin(), own.end(), [&](const SeriesPoint& point) { return point.first > points[i].last; });
      if (after == own.begin()) continue;
      const SeriesPoint& point = *(after - 1);
      title += fmt::format("\n{}{}{}", series.name(), series.name().empty() ? "" : " ",
                           point.count > 0 ? readable_number(point.mean()) : "not finite");
    }
    svg += fmt::format(
        "<rect class=\"hit\" x=\"{:.1f}\" y=\"{:g}\" width=\"{:.1f}\" height=\"{:g}\"><title>{}</title></rect>\n", from,
        top, std::max(to - from, 0.5), height - top - bottom, escape_markup(title));
  }
  return svg;
}

}  // namespace

std::string draw_chart(const std::string& title, const std::vector<Series>& curves,
                       const std::vector<std::size_t>& colours, std::optional<std::int64_t> best) {
  Frame frame;
  for (const Series& series : curves)
    for (const SeriesPoint& point : series.points()) {
      frame.x.cover(static_cast<double>(point.first));
      frame.x.cover(static_cast<double>(point.last));
      if (point.count > 0) frame.y.cover(point.mean());
    }
  frame.y = padded(frame.y);
  if (frame.x.empty()) frame.x = {0, 1};
  if (frame.x.low > 0 && frame.x.low < 0.1 * frame.x.high) frame.x.low = 0;
  if (frame.x.low == frame.x.high) frame.x = {frame.x.low - 1, frame.x.high + 1};

  std::string svg = fmt::format("<svg class=\"chart\" viewBox=\"0 0 {:g} {:g}\" role=\"img\" aria-label=\"{}\">\n",
                                width, height, escape_markup(title));
  svg += axes(frame);
  if (best && static_cast<double>(*best) >= frame.x.low && static_cast<double>(*best) <= frame.x.high) {
    svg += fmt::format("<line class=\"best\" x1=\"{0:.1f}\" y1=\"{1:g}\" x2=\"{0:.1f}\" y2=\"{2:g}\"/>\n",
                       frame.across(static_cast<double>(*best)), top, height - bottom);
  }
  for (std::size_t i = curves.size(); i-- > 0;) svg += curve(frame, curves[i], colours[i]);
  if (!curves.empty()) svg += columns(frame, curves);
  return svg + "</svg>\n";
}

}  // namespace saw::train
