#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saw/train/report/internal/series.h"

namespace saw::train {

/// The curves of a group over steps as an inline SVG, coloured by the classes c0, c1, … of the page: the mean of
/// neighbouring points as a line over the band that they spread over; hovering shows numbers. `colours` has one for
/// each curve; `best` is marked.
std::string draw_chart(const std::string& title, const std::vector<Series>& curves,
                       const std::vector<std::size_t>& colours, std::optional<std::int64_t> best);

/// Colours of a page; what comes after goes round.
constexpr std::size_t chart_colours = 6;

}  // namespace saw::train
