#pragma once

#include <cstddef>
#include <cstdint>

namespace [[gnu::visibility("default")]] saw {

/// Element types. float32 is the work horse, float64 checks it, int64 holds indices, boolean holds conditions.
/// There is no implicit promotion: an op that gets two different dtypes throws and names both.
enum class DType : std::uint8_t {
  float32,  ///< C++'s float
  float64,  ///< C++'s double
  int64,    ///< std::int64_t
  boolean,  ///< C++'s bool, one byte
};

inline constexpr DType float32 = DType::float32;  ///< for short: DType::float32
inline constexpr DType float64 = DType::float64;  ///< for short: DType::float64
inline constexpr DType int64 = DType::int64;      ///< for short: DType::int64
inline constexpr DType boolean = DType::boolean;  ///< for short: DType::boolean

/// "float32", "float64", "int64" or "bool".
const char* to_string(DType dtype);

/// Bytes per element: 4, 8, 8, 1.
constexpr std::size_t size_of(DType dtype) { return dtype == float32 ? 4 : dtype == boolean ? 1 : 8; }

constexpr bool is_floating(DType dtype) { return dtype == float32 || dtype == float64; }  ///< float32 and float64

/// The DType of a C++ type: float, double, std::int64_t, bool.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return float32;
}
template <>
constexpr DType dtype_of<double>() {
  return float64;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return int64;
}
template <>
constexpr DType dtype_of<bool>() {
  return boolean;
}

}  // namespace saw
