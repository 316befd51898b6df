#pragma once

// For sources of autograd/, not for users: what formulas of elementwise ops say beside saw's own functions, for Tensor.
// The counterparts for vectors are in kernels/number-inl.h and kernels/functions-inl.h.

#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/operators.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

inline Tensor is_nan(const Tensor& x) { return isnan(x); }
inline Tensor mul_add(const Tensor& a, const Tensor& b, const Tensor& c) { return a * b + c; }
inline Tensor mul_add(const Tensor& a, double b, double c) { return affine(a, b, c); }
inline Tensor number_like(const Tensor& x, double value) { return scalar(value, x.dtype()); }
/// 0 that stays connected to g, with gradient 0, so that derivatives of any order exist.
inline Tensor vanishing(const Tensor& g) { return affine(g, 0.0, 0.0); }
inline const Tensor& precise(const Tensor& x) { return x; }

}  // namespace saw
