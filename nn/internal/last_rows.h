#pragma once

// For sources of nn/, not for users: the ends of sequences, for what goes on from them.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"

namespace saw::nn {

/// Of each segment so many of the last rows as the segment of the same number in `counts` has; it has to have them.
inline Tensor last_rows(const Tensor& x, const Segments& segments, const Segments& counts) {
  std::vector<std::int64_t> rows;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    for (std::int64_t row = segments.end(b) - counts.length(b); row < segments.end(b); ++row) rows.push_back(row);
  return index_select(x, 0, tensor(rows));
}

/// Segments of at most `longest` rows.
inline Segments shortened(const Segments& segments, std::int64_t longest) {
  std::vector<std::int64_t> lengths = segments.lengths();
  for (std::int64_t& length : lengths) length = std::min(length, longest);
  return Segments::from_lengths(lengths);
}

}  // namespace saw::nn
