#include "saw/train/report/internal/matrix_picture.h"

#include <fmt/format.h>

#include <algorithm>

#include "saw/train/internal/svg.h"

namespace saw::train {
namespace {

constexpr std::size_t longest_name = 16;

double room_for(const std::vector<std::string>& names, double letter) {
  std::size_t longest = 1;
  for (const std::string& name : names) longest = std::max(longest, display_width(shortened(name, longest_name)));
  return 10 + letter * static_cast<double>(longest);
}

}  // namespace

std::string draw_matrix(const std::string& label, const std::vector<std::string>& rows,
                        const std::vector<std::string>& columns, double cell,
                        const std::function<MatrixCell(std::size_t row, std::size_t column)>& cell_of) {
  const double font = std::min(12.0, 0.75 * cell), letter = 0.63 * font;
  const double left = room_for(rows, letter), top = room_for(columns, letter);
  const double width = left + cell * static_cast<double>(columns.size()) + 4;
  const double height = top + cell * static_cast<double>(rows.size()) + 4;
  std::string svg = fmt::format(
      "<svg class=\"matrix\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-size=\"{2:.3g}\" "
      "role=\"img\" aria-label=\"{3}\">\n",
      width, height, font, escape_markup(label));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const double x = left + cell * (static_cast<double>(c) + 0.5) + 0.35 * font;
    svg += fmt::format("<text x=\"{0:.1f}\" y=\"{1:.1f}\" transform=\"rotate(-90 {0:.1f} {1:.1f})\">{2}</text>\n", x,
                       top - 5, escape_markup(shortened(columns[c], longest_name)));
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double y = top + cell * static_cast<double>(r);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 6,
                       y + 0.5 * cell + 0.35 * font, escape_markup(shortened(rows[r], longest_name)));
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const MatrixCell here = cell_of(r, c);
      const double x = left + cell * static_cast<double>(c);
      // The ground of a cell lets what is empty be seen and hovered over; its colour lies on that.
      svg += fmt::format("<g><rect class=\"cell\" x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{2:.1f}\"/>",
                         x + 0.5, y + 0.5, cell - 1);
      if (here.shade >= 0.004)
        svg += fmt::format(
            "<rect class=\"{0}\" x=\"{1:.1f}\" y=\"{2:.1f}\" width=\"{3:.1f}\" height=\"{3:.1f}\" "
            "fill-opacity=\"{4:.2f}\"/>",
            here.colour, x + 0.5, y + 0.5, cell - 1, std::clamp(here.shade, 0.0, 1.0));
      if (!here.text.empty() && 0.56 * 0.8 * font * static_cast<double>(display_width(here.text)) < cell - 2)
        svg += fmt::format(
            "<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"{:.3g}\">{}</text>",
            here.shade > 0.55 ? "on" : "off", x + 0.5 * cell, y + 0.5 * cell + 0.28 * font, 0.8 * font,
            escape_markup(here.text));
      svg += fmt::format("<title>{}</title></g>\n", escape_markup(here.title));
    }
  }
  return svg + "</svg>\n";
}

}  // namespace saw::train
