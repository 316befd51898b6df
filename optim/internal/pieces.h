#pragma once

// For sources of optim/, not for users: one pass over many arrays.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "saw/autograd/base/parallel.h"

namespace saw::optim {

/// Elements of a chunk.
inline constexpr std::int64_t piece_grain = 16384;

/// Calls f(chunk, i, begin, end) for ranges of elements [begin, end) of array i, for arrays laid end to end and cut
/// into chunks: one parallel pass however many arrays there are. `ends[i]` is the number of elements of arrays 0 … i.
/// Several calls may have the same chunk; they come in order, on one thread.
template <class F>
void for_pieces(const std::vector<std::int64_t>& ends, F&& f) {
  const std::int64_t total = ends.empty() ? 0 : ends.back();
  parallel_for(0, total, piece_grain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t chunk = begin / piece_grain;
    auto i = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin());
    while (begin < end) {
      const std::int64_t start = i == 0 ? 0 : ends[i - 1];
      const std::int64_t stop = std::min(end, ends[i]);
      if (begin < stop) f(chunk, i, begin - start, stop - start);
      begin = stop;
      ++i;
    }
  });
}

}  // namespace saw::optim
