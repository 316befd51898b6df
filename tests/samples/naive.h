#pragma once

// Oracles that several op families share: loops over the elements, in double, without history.

#include <cstdint>
#include <functional>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace samples {

/// The elements of a floating tensor in row-major order.
std::vector<double> doubles_of(const saw::Tensor& x);
/// Numbers in row-major order as a tensor.
saw::Tensor from_doubles(const std::vector<double>& values, const saw::Shape& shape, saw::DType dtype);

/// Which elements of a matrix share their mean and variance: those with equal numbers set_of(row, column).
struct NaiveNorm {
  std::function<std::int64_t(std::int64_t row, std::int64_t column)> set_of;
  double epsilon;
  bool centred = true;  ///< else the mean is taken as 0
};

/// (x − mean) / √(variance + ε) · weight + bias over the sets of elements, x seen as a matrix of its last axis' rows;
/// weight and bias (columns) may be undefined.
saw::Tensor naive_norm(const saw::Tensor& x, const saw::Tensor& weight, const saw::Tensor& bias, const NaiveNorm& norm);

/// What a convolution over time is made of.
struct NaiveConv {
  std::int64_t stride = 1, dilation = 1, padding_left = 0, padding_right = 0, groups = 1;
};

/// Convolution of each segment of x (N, in) with weight (out, in / groups, kernel) by the definition; as many results
/// as the window fits in, none for an empty segment.
saw::Tensor naive_conv1d(const saw::Tensor& x, const saw::Segments& segments, const saw::Tensor& weight,
                         const saw::Tensor& bias, const NaiveConv& conv);

/// The product of two matrices, or of two batches of them that broadcast, by three loops.
saw::Tensor naive_product(const saw::Tensor& a, const saw::Tensor& b);

}  // namespace samples
