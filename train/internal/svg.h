#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace saw::train {

/// Text as it stands in SVG and HTML, in attributes, too: & < > " ' as entities; control characters but tab and line
/// end, and bytes that are not UTF-8, as U+FFFD.
std::string escape_markup(std::string_view text);

/// A distance between ticks that reads well, 1, 2 or 5 times a power of ten, for at most about `count` of them.
double tick_distance(double range, double count);

/// A place on an axis that has a label.
struct NumberTick {
  double value;
  std::string text;
};

/// The round numbers from low to high, all with as many decimals as their distance needs; thousands of steps as "2k".
std::vector<NumberTick> number_ticks(double low, double high, double count, bool thousands = false);

/// About how wide a text is, in letters: East Asian characters and emoji count twice, combining marks not at all.
std::size_t display_width(std::string_view text);

/// The text, or as much of it as is about `width` letters wide with an ellipsis.
std::string shortened(std::string_view text, std::size_t width);

}  // namespace saw::train
