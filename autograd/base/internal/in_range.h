#pragma once

// For sources of autograd/, not for users: from a random word to a number of a range.

#include <cstdint>

namespace saw {

/// The number in [low, high) that a random word stands for: the high half of a 64 × 64-bit product, whose bias is below
/// 2^-32 for every range that fits a tensor.
inline std::int64_t in_range(std::uint64_t word, std::int64_t low, std::int64_t high) {
  __extension__ using Wide = unsigned __int128;
  // Unsigned, because the distance of two numbers and what is added to the lower need not fit a signed one.
  const auto range = static_cast<Wide>(static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low));
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + static_cast<std::uint64_t>((range * word) >> 64));
}

}  // namespace saw
