#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// The gated linear unit a · σ(b), where a and b are the halves of x's last axis (Dauphin et al. 2017):
/// x (…, 2d) → (…, d). Throws Error(shape) for an odd last axis or none, Error(dtype) for int64 and bool.
Tensor glu(const Tensor& x);
/// silu(a) · b for the halves a, b of x's last axis (Shazeer 2020): x (…, 2d) → (…, d). Throws as glu.
Tensor swiglu(const Tensor& x);

}  // namespace saw
