#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// What orders along one axis. NaN is larger than all numbers; bool throws Error(dtype). A tensor without axes is taken
// as one element along axis 0 or −1.

/// Position of the first largest element (or the first NaN) along an axis, int64. Throws Error(shape) over an empty
/// axis.
Tensor argmax(const Tensor& x, std::int64_t axis = -1, bool keepdim = false);
/// As argmax, of the smallest; NaN wins here, too.
Tensor argmin(const Tensor& x, std::int64_t axis = -1, bool keepdim = false);

/// What ops give that choose elements along an axis.
struct ValuesAndIndices {
  Tensor values;   ///< the elements, of x's dtype
  Tensor indices;  ///< int64 positions along the axis
};
/// The first largest (smallest) element along an axis and its position; NaN wins. The whole gradient goes there (that
/// of amax is shared by equal elements). Throws Error(shape) over an empty axis.
ValuesAndIndices max(const Tensor& x, std::int64_t axis, bool keepdim = false);
ValuesAndIndices min(const Tensor& x, std::int64_t axis, bool keepdim = false);  ///< as max, the smallest
/// The largest (smallest) of all elements: amax(x).
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);  ///< amin(x)

/// What sort() and topk() give.
using Sorted = ValuesAndIndices;
/// Stable sort along an axis; NaN last (first when descending).
Sorted sort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
/// The k largest (or smallest) along an axis, best first.
Sorted topk(const Tensor& x, std::int64_t k, std::int64_t axis = -1, bool largest = true);

/// Element (n − 1) / 2 in order (the lower of two in the middle) and its first position; NaN if there is one. Throws
/// Error(shape) over an empty axis.
ValuesAndIndices median(const Tensor& x, std::int64_t axis, bool keepdim = false);
/// Over all elements.
Tensor median(const Tensor& x);

}  // namespace saw
