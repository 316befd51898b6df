#pragma once

// Convolution over time of each channel by itself, for float and double. Blocks of rows and channels are copied into
// scratch memory with the zeros that stand beyond a segment's ends, so that one loop without conditions serves every
// stride, dilation and padding. An element of y and of dx is one chain of multiply-adds over the taps in order: it does
// not depend on where blocks begin.

#include <cstdint>
#include <span>

namespace saw::kernels {

/// y[u, c] = Σₖ weight[c, k] · x[u·stride + k·dilation − padding, c] + bias[c] inside each segment.
struct DepthwiseConv {
  std::span<const std::int64_t> source_offsets, result_offsets;  // of the segments of x and of y, as many
  std::int64_t channels, kernel, stride, dilation, padding;
};

/// x (N, channels), weight (channels, kernel), bias (channels) or null → y (N', channels). All contiguous.
template <class T>
void depthwise_conv(const DepthwiseConv& convolution, const T* x, const T* weight, const T* bias, T* y);

/// dx from dy.
template <class T>
void depthwise_conv_input_gradient(const DepthwiseConv& convolution, const T* dy, const T* weight, T* dx);

/// dweight (channels, kernel). Groups of blocks of rows are summed apart and added in order.
template <class T>
void depthwise_conv_weight_gradient(const DepthwiseConv& convolution, const T* x, const T* dy, T* dweight);

}  // namespace saw::kernels
