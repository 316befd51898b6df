#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Matrix product with NumPy's rules: 1-D operands are vectors, leading axes broadcast. Floating, equal dtypes.
/// (n) (n) → (); (m,k) (k,n) → (m,n); (…,m,k) (…,k,n) → (…,m,n). Transposed and strided operands are not copied.
Tensor matmul(const Tensor& a, const Tensor& b);

/// x Wᵀ + b for x (…, in), weight (out, in), bias (out) or undefined → (…, out).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// aᵢ·bⱼ for vectors a (m), b (n) → (m, n). Throws Error(shape) for other ranks.
Tensor outer(const Tensor& a, const Tensor& b);

/// beta · input + alpha · a b for matrices a (m, k), b (k, n) and an input that broadcasts to (m, n).
Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, double beta = 1.0, double alpha = 1.0);

}  // namespace saw
