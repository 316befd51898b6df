#pragma once

#include <cstdint>
#include <span>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Projected keys and values, as attention asks them: made once, asked often. Row i of both belongs to row i of what
/// they were made of.
struct KeysAndValues {
  Tensor key;         ///< (Nk, …)
  Tensor value;       ///< (Nk, …)
  Segments segments;  ///< of their rows

  /// These and, behind them in every segment, `more`, as when a sequence grows. The rows are copied. Throws
  /// Error(shape) where the numbers of segments differ.
  KeysAndValues append(const KeysAndValues& more) const;
  /// The last `rows` rows of each segment, or all where there are fewer, as a window over the past needs them.
  KeysAndValues last(std::int64_t rows) const;
  /// At least the last `rows` rows of each segment: what is forgotten is whole tiles of keys as attention() adds them
  /// up, so that later queries get the bits that they would get beside all.
  KeysAndValues last_tiles(std::int64_t rows) const;
  /// The segments with these numbers in this order, some more than once, others not at all, as the sequences that are
  /// followed on. The rows are copied unless nothing changes; of what has no tensors yet nothing is left. Throws
  /// Error(index) for a number that is none.
  KeysAndValues select(std::span<const std::int64_t> numbers) const;
};

}  // namespace nn
}  // namespace saw
