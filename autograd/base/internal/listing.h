#pragma once

// For sources, not for users: lists of names in messages.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <string>
#include <vector>

namespace saw {

/// "a, b, c"; of more than `most` names the first ones and a count: "a, b, c and 497 more".
inline std::string listed(const std::vector<std::string>& names, std::size_t most = 10) {
  if (names.size() <= most) return fmt::format("{}", fmt::join(names, ", "));
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(most);
  return fmt::format("{} and {} more", fmt::join(names.begin(), end, ", "), names.size() - most);
}

}  // namespace saw
