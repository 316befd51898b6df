#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// (x − mean) / √(variance + epsilon) · weight + bias, where mean and biased variance are those of one segment and one
/// group of channels: over all rows of the segment and C / groups neighbouring channels (Wu & He 2018). x (N, C),
/// weight and bias (C) or undefined → (N, C). One group is a layer norm over a whole utterance, C groups an instance
/// norm. Throws Error(shape), Error(dtype), and Error(argument) when `groups` does not divide C or epsilon is negative.
Tensor group_norm(const Tensor& x, const Segments& segments, std::int64_t groups, const Tensor& weight = {},
                  const Tensor& bias = {}, double epsilon = 1e-5);

}  // namespace saw
