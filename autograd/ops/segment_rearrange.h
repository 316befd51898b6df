#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Packed rows chosen, turned round and joined, segment by segment.

/// The first (last) row of each segment, (N, …) → (B, …); 0 for an empty segment.
Tensor segment_first(const Tensor& x, const Segments& segments);
Tensor segment_last(const Tensor& x, const Segments& segments);  ///< as segment_first
/// The rows of each segment in the opposite order; (N, …).
Tensor segment_reverse(const Tensor& x, const Segments& segments);

/// Rows and where their segments begin.
struct PackedRows {
  Tensor rows;        ///< (N, …)
  Segments segments;  ///< of these rows
};
/// The segments that an int64 list names, in its order; repeats allowed. Throws Error(index) for a segment that is not
/// there.
PackedRows segment_select(const Tensor& x, const Segments& segments, const Tensor& index);
/// Two batches of equally many segments, joined: segment b of the first, then segment b of the second.
PackedRows segment_concat(const Tensor& first, const Segments& first_segments, const Tensor& second,
                          const Segments& second_segments);

}  // namespace saw
