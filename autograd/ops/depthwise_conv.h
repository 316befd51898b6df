#pragma once

#include "saw/autograd/ops/conv.h"

namespace [[gnu::visibility("default")]] saw {

/// Convolution over time of each channel by itself, inside each segment (PyTorch's conv1d with groups = C): x (N, C),
/// weight (C, 1, kernel) as PyTorch stores it, bias (C) or undefined → (N', C) with rows as conv1d_segments says:
/// y[u, c] = Σₖ weight[c, 0, k] · x[u·stride + k·dilation − padding_left, c] + bias[c], x being 0 beyond the segment's
/// ends. Options as for conv1d. An element of the result and of x's gradient has the same bits whatever else is in the
/// batch. Throws Error(shape), Error(dtype), and Error(argument) for options out of range.
Tensor depthwise_conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias = {},
                        const Conv1dOptions& options = {});

}  // namespace saw
