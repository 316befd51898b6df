#pragma once

// For sources of autograd/, not for users: contiguous memory around one axis.

#include <cstdint>

#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Element (o, s, i) lies at (o·size + s)·inner + i.
struct Lines {
  std::int64_t outer = 1, size = 1, inner = 1;
  std::int64_t count() const { return outer * inner; }
  /// Where line number `line` begins; its elements are `inner` apart.
  std::int64_t begin(std::int64_t line) const { return line / inner * size * inner + line % inner; }
};

inline Lines lines_along(const Shape& shape, std::size_t axis) {
  Lines lines;
  for (std::size_t a = 0; a < axis; ++a) lines.outer *= shape[a];
  lines.size = shape[axis];
  for (std::size_t a = axis + 1; a < shape.size(); ++a) lines.inner *= shape[a];
  return lines;
}

/// Whether x has no axes and `axis` names the one that it would have as a tensor of one element.
inline bool is_number(const Tensor& x, std::int64_t axis) { return x.rank() == 0 && (axis == 0 || axis == -1); }

}  // namespace saw
