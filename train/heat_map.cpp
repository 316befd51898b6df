#include "saw/train/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"
#include "saw/data/base64.h"
#include "saw/data/file.h"
#include "saw/train/internal/png.h"
#include "saw/train/internal/svg.h"
#include "saw/train/internal/tiers.h"

namespace saw::train {
namespace {

using Colour = std::array<double, 3>;

Colour colour_of(ColourMap map, double share) {
  static constexpr std::array<Colour, 5> fire = {
      {{8, 8, 24}, {78, 22, 110}, {184, 50, 94}, {245, 134, 48}, {252, 246, 190}}};
  static constexpr std::array<Colour, 5> blue = {
      {{255, 255, 255}, {205, 224, 242}, {131, 180, 221}, {49, 120, 188}, {8, 48, 107}}};
  const std::array<Colour, 5>& stops = map == ColourMap::fire ? fire : blue;
  const double place = std::clamp(share, 0.0, 1.0) * 4.0;
  const auto left = static_cast<std::size_t>(std::min(place, 3.0));
  const double weight = place - static_cast<double>(left);
  Colour mixed{};
  for (std::size_t i = 0; i < 3; ++i) mixed[i] = (1.0 - weight) * stops[left][i] + weight * stops[left + 1][i];
  return mixed;
}

void put(std::vector<std::uint8_t>& pixels, const Colour& colour) {
  for (const double part : colour) pixels.push_back(static_cast<std::uint8_t>(std::lround(part)));
}

struct Tick {
  double place;  // in cells
  std::string text;
};

std::vector<Tick> ticks_of(const Axis& axis, std::int64_t cells, double pixels, double pixels_per_name) {
  std::vector<Tick> ticks;
  const auto count = static_cast<double>(cells);
  if (!axis.names.empty()) {
    // As many names as there is room for.
    const auto every = static_cast<std::int64_t>(std::ceil(pixels_per_name / (pixels / count)));
    for (std::int64_t i = 0; i < cells; i += every)
      ticks.push_back({static_cast<double>(i) + 0.5, axis.names[static_cast<std::size_t>(i)]});
    return ticks;
  }
  const double range = count * std::abs(axis.step);
  const double distance = tick_distance(range, std::max(2.0, pixels / 70.0));
  for (double value = std::ceil(axis.first / distance) * distance; value <= axis.first + range * (1 + 1e-9);
       value += distance)
    ticks.push_back({(value - axis.first) / axis.step, fmt::format("{:g}", std::abs(value) < 1e-12 ? 0.0 : value)});
  return ticks;
}

void check_names(const char* what, const Axis& axis, std::int64_t cells) {
  if (!axis.names.empty() && static_cast<std::int64_t>(axis.names.size()) != cells)
    fail(ErrorKind::argument, "save_heat_map: names do not fit the {}; got {}; expected {} or none", what,
         axis.names.size(), cells);
  if (!(std::isfinite(axis.step) && axis.step > 0))
    fail(ErrorKind::argument, "save_heat_map: the step of the {} must be positive; got {}", what, axis.step);
}

}  // namespace

void save_heat_map(const std::string& path, const Tensor& matrix, const HeatMapOptions& options) {
  if (matrix.rank() != 2 || matrix.numel() == 0)
    fail(ErrorKind::shape, "save_heat_map: needs a matrix with rows and columns; got {}", matrix.shape());
  const std::int64_t rows = matrix.size(0), columns = matrix.size(1);
  check_names("rows", options.rows, rows);
  check_names("columns", options.columns, columns);
  for (const Tier& tier : options.tiers)
    if (static_cast<std::int64_t>(tier.cells.size()) != columns)
      fail(ErrorKind::argument, "save_heat_map: the tier {} does not fit the columns; got {} cells; expected {}",
           tier.label, tier.cells.size(), columns);
  const std::vector<double> values = to(matrix.detach(), float64).contiguous().to_vector<double>();
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) low = high = 0.0;  // nothing finite
  low = options.low.value_or(low);
  high = options.high.value_or(high);
  const double range = high > low ? high - low : 1.0;

  // Cells of whole pixels, so that their edges stay sharp.
  const std::int64_t cell_width = std::max<std::int64_t>(1, options.width / columns);
  const std::int64_t cell_height = std::max<std::int64_t>(1, options.height / rows);
  const std::int64_t width = cell_width * columns, height = cell_height * rows;
  std::vector<std::uint8_t> pixels;
  pixels.reserve(static_cast<std::size_t>(width * height * 3));
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t row = options.first_row_below ? rows - 1 - y / cell_height : y / cell_height;
    for (std::int64_t x = 0; x < width; ++x) {
      const double value = values[static_cast<std::size_t>(row * columns + x / cell_width)];
      put(pixels, std::isfinite(value) ? colour_of(options.colours, (value - low) / range) : Colour{150, 150, 150});
    }
  }
  std::vector<std::uint8_t> scale;
  for (int y = 0; y < 128; ++y) put(scale, colour_of(options.colours, 1.0 - y / 127.0));

  std::size_t longest = 4;
  for (const std::string& name : options.rows.names) longest = std::max(longest, display_width(name));
  for (const Tier& tier : options.tiers) longest = std::max(longest, display_width(tier.label));
  const double left = 34.0 + 7.0 * static_cast<double>(longest), top = options.title.empty() ? 16.0 : 40.0;
  const bool upright = options.columns.names.empty();
  std::size_t deepest = 1;
  for (const std::string& name : options.columns.names) deepest = std::max(deepest, display_width(name));
  const double below = upright ? 20.0 : 10.0 + 7.0 * static_cast<double>(deepest);
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  const double tiers_height = tier_height * static_cast<double>(options.tiers.size());
  const double bottom = top + h + tiers_height;  // of what the axis of the columns is for
  const double total_width = left + w + 90.0, total_height = bottom + below + 26.0;

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:g}\" height=\"{1:g}\" viewBox=\"0 0 {0:g} {1:g}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      total_width, total_height);
  const auto image = [&](double x, double y, double image_width, double image_height, const std::string& png) {
    svg += fmt::format(
        "<image x=\"{:g}\" y=\"{:g}\" width=\"{:g}\" height=\"{:g}\" preserveAspectRatio=\"none\" "
        "href=\"data:image/png;base64,{}\"/>\n<rect x=\"{:g}\" y=\"{:g}\" width=\"{:g}\" height=\"{:g}\" fill=\"none\" "
        "stroke=\"#444\"/>\n",
        x, y, image_width, image_height, data::to_base64(png), x, y, image_width, image_height);
  };
  const auto text = [&](double x, double y, const char* anchor, const std::string& what, const std::string& more = {}) {
    svg += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                       escape_markup(what));
  };
  const auto line = [&](double x1, double y1, double x2, double y2) {
    svg += fmt::format("<line x1=\"{:g}\" y1=\"{:g}\" x2=\"{:g}\" y2=\"{:g}\" stroke=\"#444\"/>\n", x1, y1, x2, y2);
  };

  if (!options.title.empty()) text(left + w / 2, 24, "middle", options.title, " font-size=\"15\"");
  image(left, top, w, h, encode_png(width, height, pixels));
  svg += tiers_svg(options.tiers, {.left = left, .top = top + h, .width = w});
  for (const Tick& tick : ticks_of(options.columns, columns, w, 14)) {
    const double x = left + tick.place * w / static_cast<double>(columns);
    line(x, bottom, x, bottom + 4);
    if (upright) {
      text(x, bottom + 17, "middle", tick.text);
    } else {
      text(x + 4, bottom + 8, "end", tick.text, fmt::format(" transform=\"rotate(-90 {:g} {:g})\"", x + 4, bottom + 8));
    }
  }
  for (const Tick& tick : ticks_of(options.rows, rows, h, 13)) {
    const double share = tick.place / static_cast<double>(rows);
    const double y = top + h * (options.first_row_below ? 1.0 - share : share);
    line(left - 4, y, left, y);
    text(left - 7, y + 4, "end", tick.text);
  }
  text(left + w / 2, total_height - 8, "middle", options.columns.label);
  text(14, top + h / 2, "middle", options.rows.label, fmt::format(" transform=\"rotate(-90 14 {:g})\"", top + h / 2));
  image(left + w + 20, top, 14, h, encode_png(1, 128, scale));
  text(left + w + 38, top + 10, "start", fmt::format("{:.4g}", low + range));
  text(left + w + 38, top + h, "start", fmt::format("{:.4g}", low));
  svg += "</svg>\n";
  data::write_file(path, svg);
}

}  // namespace saw::train
