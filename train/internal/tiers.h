#pragma once

#include <string>
#include <vector>

#include "saw/train/heat_map.h"

namespace saw::train {

/// Pixels of a tier from top to top.
inline constexpr double tier_height = 24.0;

/// Where tiers are drawn: below `top`, with their labels to the left of `left`.
struct TierPlace {
  double left, top, width;
};

/// Tiers as SVG: boxes for neighbours that are equal, one colour for each text, with the text where it has room; red
/// lines where a tier differs from the first.
std::string tiers_svg(const std::vector<Tier>& tiers, const TierPlace& place);

}  // namespace saw::train
