#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Ops over sequences that lie packed in rows: x (N, …) with N = segments.rows(). A wrong number of rows throws
// Error(shape). No op lets one segment see another, whatever it holds.

Tensor segment_sum(const Tensor& x, const Segments& segments);   ///< (N, …) → (B, …); empty segments give 0
Tensor segment_mean(const Tensor& x, const Segments& segments);  ///< empty segments give 0
Tensor segment_max(const Tensor& x,
                   const Segments& segments);  ///< empty segments give 0; the first largest row gets the gradient
Tensor segment_min(const Tensor& x,
                   const Segments& segments);  ///< empty segments give 0; the first smallest row gets the gradient
Tensor segment_softmax(const Tensor& x,
                       const Segments& segments);  ///< over the rows of each segment, per column; (N, …)

/// (B, …) → (N, …): each segment's row repeated for all its rows (the reverse of segment_sum).
Tensor segment_expand(const Tensor& x, const Segments& segments);

}  // namespace saw
