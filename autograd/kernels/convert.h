#pragma once

// For sources of autograd/, not for users.

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace saw {

/// One element in another type. Floating to integer truncates; where C++ leaves the result undefined it saturates, and
/// NaN becomes 0. To bool: is it not 0.
template <class To, class From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_same_v<To, std::int64_t> && std::is_floating_point_v<From>) {
    if (std::isnan(value)) return 0;
    if (value >= static_cast<From>(0x1p63)) return std::numeric_limits<std::int64_t>::max();
    if (value < static_cast<From>(-0x1p63)) return std::numeric_limits<std::int64_t>::min();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace saw
