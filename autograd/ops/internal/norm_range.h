#pragma once

// For sources of autograd/, not for users: norms of numbers whose squares are no numbers of float32 any more. Such
// inputs, of a size around 1e±19 and beyond, are rare; they are normalised in float64, through recorded ops.

#include "saw/autograd/ops/copy.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Whether a reciprocal deviation 1/√(variance + ε) in float32 shows that squares overflowed or vanished.
inline bool leaves_float32(float rstd) { return !(rstd > 1e-17f && rstd < 1e15f); }

/// The same for a tensor of them; never of float64.
inline bool squares_leave_float32(const Tensor& rstds) {
  if (rstds.dtype() != float32) return false;
  const float* values = rstds.data<float>();
  bool inside = true;
  for (std::int64_t i = 0, count = rstds.numel(); i < count; ++i) inside = inside && !leaves_float32(values[i]);
  return !inside;
}

inline Tensor to_float64(const Tensor& x) { return x.defined() ? to(x, float64) : x; }

}  // namespace saw
