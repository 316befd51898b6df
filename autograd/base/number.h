#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "saw/autograd/base/dtype.h"

namespace [[gnu::visibility("default")]] saw {

/// The C++ types that stand for numbers: bool, the integers, float and double, but no characters.
template <class T>
concept Arithmetic =
    std::is_arithmetic_v<T> && !std::same_as<T, char> && !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
    !std::same_as<T, char16_t> && !std::same_as<T, char32_t> && !std::same_as<T, long double>;

/// A plain number beside a tensor: an integer stays an integer, so that nothing of it is lost before it takes the
/// tensor's dtype.
class Number {
 public:
  /// Throws Error(dtype) for an unsigned number that int64 cannot hold.
  template <Arithmetic T>
  Number(T value) {
    if constexpr (std::floating_point<T>) {
      dtype_ = float32;
      floating_ = static_cast<double>(value);
    } else {
      dtype_ = std::same_as<T, bool> ? boolean : int64;
      integer_ = static_cast<std::int64_t>(value);
      if constexpr (std::unsigned_integral<T> && sizeof(T) == sizeof(std::int64_t))
        if (integer_ < 0) too_large(value);
    }
  }

  /// The dtype that a tensor made of this number alone has: bool, int64, or float32 for every floating number.
  DType dtype() const { return dtype_; }
  /// The number as a double, rounded where it is an integer beyond 2^53.
  double as_double() const { return is_floating(dtype_) ? floating_ : static_cast<double>(integer_); }
  /// The number as an element of a tensor of dtype T (float, double, std::int64_t or bool). Floating elements round
  /// it. Throws Error(dtype) in the name of `op` for int64 and bool elements that are not exactly this number.
  template <class T>
  T element(const char* op) const;

 private:
  [[noreturn]] static void too_large(std::uint64_t value);

  DType dtype_;
  std::int64_t integer_ = 0;
  double floating_ = 0.0;
};

}  // namespace saw
