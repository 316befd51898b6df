#pragma once

// For sources of autograd/, not for users: how many elements a shape has, where it comes from outside.

#include <algorithm>
#include <cstdint>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/shape.h"

namespace saw {

/// The product of all sizes. Throws Error(shape) in the name of `op` for a negative size, and for more elements than
/// any machine has: below 2^48, counts of bytes and strides are far from overflow. Zeros count as ones there, because
/// strides are products too.
inline std::int64_t element_count(const char* op, const Shape& shape) {
  constexpr std::int64_t most = std::int64_t{1} << 48;
  std::int64_t product = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) fail(ErrorKind::shape, "{}: a size must not be negative; got shape {}", op, shape);
    if (size > 0 && product > most / size) fail(ErrorKind::shape, "{}: too many elements; got shape {}", op, shape);
    product *= std::max<std::int64_t>(size, 1);
  }
  return shape.numel();
}

}  // namespace saw
