#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// (x − mean) / √(var + eps) · weight + bias over the last axis (Ba et al. 2016); x (…, d), weight and bias (d) or
/// undefined. The variance is the biased one.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double epsilon = 1e-5);
/// x / √(mean(x²) + eps) · weight over the last axis (Zhang & Sennrich 2019).
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, double epsilon = 1e-6);

}  // namespace saw
