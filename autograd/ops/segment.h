#pragma once

#include <utility>

#include "saw/autograd/segments.h"
#include "saw/autograd/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Ops over sequences that lie packed in rows: x (N, …) with N = segments.rows(). A wrong number of rows throws
// Error(shape). No op lets one segment see another, whatever it holds.

Tensor segment_sum(const Tensor& x, const Segments& segments);   ///< (N, …) → (B, …); empty segments give 0
Tensor segment_mean(const Tensor& x, const Segments& segments);  ///< empty segments give 0
Tensor segment_max(const Tensor& x,
                   const Segments& segments);  ///< empty segments give 0; the first largest row gets the gradient
Tensor segment_softmax(const Tensor& x,
                       const Segments& segments);  ///< over the rows of each segment, per column; (N, …)

/// The rows before, at and after each row side by side: (N, C) → (N, (left + 1 + right)·C), zeros beyond the segment's
/// ends.
Tensor context_window(const Tensor& x, const Segments& segments, std::int64_t left, std::int64_t right);

/// Padded (B, T, …) to packed (N, …), taking the first length(b) of each.
Tensor pack(const Tensor& padded, const Segments& segments);
/// Packed (N, …) to padded (B, T, …) with `value` beyond each end; T is the longest segment unless given.
Tensor unpack(const Tensor& packed, const Segments& segments, double value = 0.0, std::int64_t length = -1);
/// (B, …) → (N, …): each segment's row repeated for all its rows (the reverse of segment_sum).
Tensor segment_expand(const Tensor& x, const Segments& segments);

}  // namespace saw
