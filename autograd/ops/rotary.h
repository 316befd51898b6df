#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Which angles rotary() turns which channels by.
struct RotaryOptions {
  double base = 10000.0;  ///< the slowest pair turns by about 1/base for each position
  /// Pairs are channels (2i, 2i + 1), as in the paper; false: (i, i + d/2), as in Llama's weights.
  bool interleaved = true;
};

/// Rotary positions (Su et al. 2021, RoFormer): pair i of the channels of every head of x (N, heads, d) is turned by
/// the angle p · base^(−2i/d), where p is the row's place in `positions` (N) int64. The inner product of two turned
/// rows depends on the distance of their positions alone. Same shape as x; float32 or float64, with angles in double. A
/// row gets the same bits whatever rows come with it. Throws Error(shape) for an odd d or sizes that do not fit,
/// Error(dtype), Error(argument) for a base that is not positive and finite, Error(index) for a negative position.
Tensor rotary(const Tensor& x, const Tensor& positions, const RotaryOptions& options = {});

}  // namespace saw
