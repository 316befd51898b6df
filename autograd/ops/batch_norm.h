#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// The statistics that batch_norm normalised with, one per channel (C), detached: mean and biased variance over rows.
struct BatchStatistics {
  /// One number per channel each, (C).
  Tensor mean, variance;
};

/// (x − mean) / √(variance + eps) · weight + bias with each channel's own mean and biased variance over the rows
/// (Ioffe & Szegedy 2015); x (N, C), weight and bias (C) or undefined → (N, C). Rows are real frames, so no padding is
/// counted. `statistics`, if given, receives what was normalised with, if there are rows. Throws Error(shape),
/// Error(dtype), and Error(argument) for exactly one row, whose variance says nothing; no rows give no rows.
Tensor batch_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double epsilon = 1e-5,
                  BatchStatistics* statistics = nullptr);
/// The same with statistics that are given (C), as after training: no gradient flows into them.
Tensor batch_norm_with(const Tensor& x, const BatchStatistics& statistics, const Tensor& weight = {},
                       const Tensor& bias = {}, double epsilon = 1e-5);

}  // namespace saw
