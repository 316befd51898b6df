#include "saw/train/internal/tiers.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <map>

#include "saw/train/internal/svg.h"

namespace saw::train {
namespace {

/// Calls draw(begin, end) for each run of columns of which `key` says the same.
template <class Key, class Draw>
void for_each_run(std::size_t columns, const Key& key, const Draw& draw) {
  for (std::size_t begin = 0, end; begin < columns; begin = end) {
    end = begin + 1;
    while (end < columns && key(end) == key(begin)) ++end;
    draw(begin, end);
  }
}

}  // namespace

std::string tiers_svg(const std::vector<Tier>& tiers, const TierPlace& place) {
  constexpr double gap = 4.0, letter = 6.6;    // above each box; of the font, about
  std::map<std::string, std::size_t> numbers;  // of the texts, in the order in which they occur
  for (const Tier& tier : tiers)
    for (const std::string& cell : tier.cells) numbers.emplace(cell, numbers.size());

  std::string svg;
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    const std::vector<std::string>& cells = tiers[i].cells;
    const double y = place.top + tier_height * static_cast<double>(i) + gap, height = tier_height - gap;
    const auto x = [&](std::size_t column) {
      return place.left + place.width * static_cast<double>(column) / static_cast<double>(cells.size());
    };
    svg += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"end\">{}</text>\n", place.left - 7, y + 14,
                       escape_markup(tiers[i].label));
    for_each_run(
        cells.size(), [&](std::size_t column) -> const std::string& { return cells[column]; },
        [&](std::size_t begin, std::size_t end) {
          if (cells[begin].empty()) return;
          // Steps by the golden angle: neighbours in number are far apart on the circle of colours.
          const double hue = std::fmod(137.508 * static_cast<double>(numbers.at(cells[begin])), 360.0);
          const double width = x(end) - x(begin);
          svg += fmt::format(
              "<rect x=\"{:.5g}\" y=\"{:g}\" width=\"{:.5g}\" height=\"{:g}\" fill=\"hsl({:.0f},60%,80%)\" "
              "stroke=\"#666\" stroke-width=\"0.5\"/>\n",
              x(begin), y, width, height, hue);
          if (letter * static_cast<double>(display_width(cells[begin])) + 2 <= width)
            svg += fmt::format("<text x=\"{:.5g}\" y=\"{:g}\" text-anchor=\"middle\" font-size=\"11\">{}</text>\n",
                               x(begin) + width / 2, y + 13, escape_markup(cells[begin]));
        });
    const auto differs = [&](std::size_t column) { return cells[column] != tiers[0].cells[column]; };
    for_each_run(cells.size(), differs, [&](std::size_t begin, std::size_t end) {
      if (differs(begin))
        svg += fmt::format("<rect x=\"{:.5g}\" y=\"{:g}\" width=\"{:.5g}\" height=\"3\" fill=\"#d00\"/>\n", x(begin),
                           y + height - 3, x(end) - x(begin));
    });
  }
  return svg;
}

}  // namespace saw::train
