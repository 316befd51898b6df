#pragma once

// For sources, not for users: batches of matrices in the last two axes, as BLAS wants them.

#include <cstdint>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace saw {

/// A matrix that OpenBLAS can read where it lies: one of its two strides is 1.
struct MatrixOperand {
  Tensor storage;  // keeps a copy alive if one had to be made
  bool transposed = false;
  std::int64_t leading = 0;
};

/// Looks at the last two axes; copies only where neither of them is contiguous.
MatrixOperand matrix_operand(const Tensor& x);

/// The axes before the last two.
Shape batch_of(const Tensor& x);

/// The shape of a batch of matrices (rows, columns).
Shape batch_shape(const Shape& batch, std::int64_t rows, std::int64_t columns);

/// Where each matrix of `batch` begins in a tensor that is broadcast to it: stride 0 along broadcast axes.
std::vector<std::int64_t> matrix_offsets(const Tensor& x, const Shape& batch);

}  // namespace saw
