#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Rows and their neighbours, and the way from and to padded batches.

/// The rows before, at and after each row side by side: (N, C) → (N, (left + 1 + right)·C), zeros beyond the segment's
/// ends.
Tensor context_window(const Tensor& x, const Segments& segments, std::int64_t left, std::int64_t right);

/// Padded (B, T, …) to packed (N, …), taking the first length(b) of each.
Tensor pack(const Tensor& padded, const Segments& segments);
/// Packed (N, …) to padded (B, T, …) with `value` beyond each end; T is the longest segment unless given.
Tensor unpack(const Tensor& packed, const Segments& segments, double value = 0.0, std::int64_t length = -1);

}  // namespace saw
