#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// How conv1d() and depthwise_conv1d() move over a sequence. Unlike PyTorch's, the defaults keep its length.
struct Conv1dOptions {
  std::int64_t stride = 1;    ///< rows from one result to the next
  std::int64_t dilation = 1;  ///< rows from one tap of the kernel to the next
  /// Zeros before and after each segment. −1: what is missing to (kernel − 1)·dilation in all, so that stride 1 keeps
  /// every length; when both are −1, half on either side and an odd one on the right.
  std::int64_t padding_left = -1;
  std::int64_t padding_right = -1;  ///< as padding_left
  /// Channels in and out are cut into so many groups, and a group sees its own channels only.
  std::int64_t groups = 1;
};

/// How many positions a convolution gives for a sequence of `length`: ⌊(length + padding − (kernel − 1)·dilation − 1) /
/// stride⌋ + 1; 0 when the kernel does not fit, and for an empty sequence whatever the padding. Throws Error(argument)
/// for a kernel, stride or dilation below 1, a padding below −1, a negative length.
std::int64_t conv1d_output_length(std::int64_t length, std::int64_t kernel, const Conv1dOptions& options = {});
/// The segments of conv1d's result.
Segments conv1d_segments(const Segments& segments, std::int64_t kernel, const Conv1dOptions& options = {});

/// Convolution over time (cross-correlation, as in every neural library) inside each segment:
/// x (N, in), weight (out, in, kernel) as PyTorch stores it, bias (out) or undefined → (N', out) with rows as
/// conv1d_segments says: y[u] = Σₖ weight[:, :, k] · x[u·stride + k·dilation − padding_left] + bias, x being 0 beyond
/// the segment's ends. With groups the weight is (out, in / groups, kernel); `in` groups and as many channels out are a
/// depthwise convolution. Throws Error(argument) when groups do not divide the channels.
Tensor conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias = {},
              const Conv1dOptions& options = {});

/// PyTorch's options.
struct ConvTranspose1dOptions {
  std::int64_t stride = 1;          ///< rows of the result from one row of x to the next
  std::int64_t padding = 0;         ///< positions that are cut off at either end
  std::int64_t output_padding = 0;  ///< positions more on the right: below stride or dilation
  std::int64_t groups = 1;          ///< as in Conv1dOptions
  std::int64_t dilation = 1;        ///< rows of the result from one tap of the kernel to the next
};

/// The segments of conv_transpose1d's result: of (length − 1)·stride − 2·padding + (kernel − 1)·dilation +
/// output_padding + 1 rows each; an empty one stays empty. Throws Error(argument) as conv_transpose1d does.
Segments conv_transpose1d_segments(const Segments& segments, std::int64_t kernel,
                                   const ConvTranspose1dOptions& options = {});

/// Transposed convolution over time inside each segment, which undoes the shapes of a strided one: x (N, in), weight
/// (in, out / groups, kernel) as PyTorch stores it, bias (out) or undefined → (N', out) with rows as
/// conv_transpose1d_segments says: row t of x is added, times weight[:, :, k], to row t·stride + k·dilation − padding.
/// Throws Error(shape), Error(dtype), and Error(argument) for options out of range.
Tensor conv_transpose1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose1dOptions& options = {});

}  // namespace saw
