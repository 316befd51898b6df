#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// (x − mean) / √(var + eps) · weight + bias over the last axis (Ba et al. 2016); x (…, d), weight and bias (d) or
/// undefined. The variance is the biased one. Deviations may have any size that float32 holds.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double epsilon = 1e-5);
/// x / √(mean(x²) + eps) · weight over the last axis (Zhang & Sennrich 2019).
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, double epsilon = 1e-6);

/// x / max(‖x‖ₚ, epsilon) along an axis: vectors of length 1. Throws Error(argument) for p ≤ 0, a negative epsilon or
/// an axis out of range.
Tensor normalize(const Tensor& x, double p = 2.0, std::int64_t axis = 1, double epsilon = 1e-12);
/// Σ a·b / (max(‖a‖, epsilon) · max(‖b‖, epsilon)) along an axis, which the result lacks; a and b broadcast.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t axis = 1, double epsilon = 1e-8);

}  // namespace saw
