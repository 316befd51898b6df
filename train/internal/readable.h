#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace saw::train {

/// 1282193 → "1,282,193".
std::string readable_count(std::int64_t number);

/// "12.3 µs", "4.56 ms", "1.23 s".
std::string readable_seconds(double seconds);

/// "512 bytes", "4.9 MiB".
std::string readable_bytes(double bytes);

/// A number with about four digits that mean something: "0.5312", "1234", "1.2e-07"; "NaN" and "∞" for what is none.
std::string readable_number(double number);

}  // namespace saw::train
