#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Statistics of the rows of each segment, (N, …) → (B, …), beside those of segment.h.

/// Σ(x − mean)² / (length − correction); 0 for a segment with no more rows than `correction`.
Tensor segment_var(const Tensor& x, const Segments& segments, std::int64_t correction = 0);
/// log Σ exp(x), without overflow; −∞ for an empty segment.
Tensor segment_logsumexp(const Tensor& x, const Segments& segments);

}  // namespace saw
