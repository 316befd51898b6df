#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Elements found, counted and told apart. Results are int64 (but values) and never have a gradient.

/// The positions of all elements that are not 0, in row-major order; (count, rank).
Tensor nonzero(const Tensor& x);

/// How often each of 0, 1, … appears among int64 numbers ≥ 0 of any shape; (max(largest + 1, minlength)).
Tensor bincount(const Tensor& x, std::int64_t minlength = 0);

/// What unique() gives.
struct Unique {
  Tensor values;   ///< (count), ascending; every NaN is a value of its own, at the end
  Tensor inverse;  ///< of x's shape: the position of each element in `values`
  Tensor counts;   ///< (count): how often each value appears
};
/// The different elements of x.
Unique unique(const Tensor& x);

/// Where each of `values` would be put into an ascending sequence so that it stays ascending: before equal elements, or
/// (right) behind them; NaN counts as the largest. `sorted` is (n), for values of any shape, or (…, n) for (…, m).
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);

}  // namespace saw
