#pragma once

// For sources of autograd/, not for users: norms of numbers whose squares are no numbers of float32 any more. Such
// sets, of a size around 1e±19 and beyond, are rare; they are normalised in float64, through recorded ops. The other
// sets of the same tensor keep their float32 results, bit for bit.

#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/operators.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Whether norms look for such sets, or are asked for what float32 gives.
enum class NormRange { any, float32_only };

/// Whether a reciprocal deviation 1/√(variance + ε) in float32 shows that squares overflowed or vanished.
inline bool leaves_float32(float rstd) { return !(rstd > 1e-17f && rstd < 1e15f); }

/// Where that is so, for a tensor of them; undefined where nothing is, and for float64.
inline Tensor outside_float32(const Tensor& rstds) {
  if (rstds.dtype() != float32) return {};
  const float* values = rstds.data<float>();
  const Tensor outside = Tensor::empty(rstds.shape(), boolean);
  bool* out = outside.mutable_data<bool>();
  bool some = false;
  for (std::int64_t i = 0, count = rstds.numel(); i < count; ++i) {
    out[i] = leaves_float32(values[i]);
    some = some || out[i];
  }
  return some ? outside : Tensor();
}

inline Tensor to_float64(const Tensor& x) { return x.defined() ? to(x, float64) : x; }

/// norm(x) with the sets where `outside` holds taken from norm(x in float64), and the others from float32, where the
/// numbers that are out of its range are replaced by 0.
template <class Norm>
Tensor norm_by_range(const Tensor& x, const Tensor& outside, const Norm& norm) {
  return where(outside, to(norm(to(x, float64)), float32), norm(masked_fill(x, outside, 0.0)));
}

}  // namespace saw
