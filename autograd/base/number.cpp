#include "saw/autograd/base/number.h"

#include "saw/autograd/base/internal/check.h"

namespace saw {

template <class T>
T Number::element(const char* op) const {
  if constexpr (std::is_floating_point_v<T>) {
    return is_floating(dtype_) ? static_cast<T>(floating_) : static_cast<T>(integer_);
  } else if (!is_floating(dtype_)) {
    if constexpr (std::is_same_v<T, bool>) {
      if (integer_ != 0 && integer_ != 1)
        fail(ErrorKind::dtype, "{}: the number is no bool; got {} beside a tensor of bools; expected true or false", op,
             integer_);
    }
    return static_cast<T>(integer_);
  } else {
    // The comparison with 2^63 is exact, and false for NaN.
    const bool fits = floating_ >= -0x1p63 && floating_ < 0x1p63;
    if (!fits || static_cast<double>(static_cast<T>(floating_)) != floating_)
      fail(ErrorKind::dtype, "{}: the number does not fit the tensor's dtype; got {} beside {}; convert with to()", op,
           floating_, dtype_of<T>());
    return static_cast<T>(floating_);
  }
}

template float Number::element<float>(const char* op) const;
template double Number::element<double>(const char* op) const;
template std::int64_t Number::element<std::int64_t>(const char* op) const;
template bool Number::element<bool>(const char* op) const;

void Number::too_large(std::uint64_t value) {
  fail(ErrorKind::dtype, "number: too large for int64; got {}; expected at most 2^63 - 1", value);
}

}  // namespace saw
