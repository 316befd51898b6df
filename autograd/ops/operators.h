#pragma once

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/integer.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Operators mean what they mean in NumPy; + − * / are in binary.h. Two tensors broadcast and must have equal dtypes
// (Error(dtype)); a number beside a tensor takes the tensor's dtype, or throws Error(dtype) where that is inexact.
// Comparisons give bool tensors: ask `x.is_same(y)` whether two handles are one, and all_close or all() of one for an
// answer. Mind that & | ^ bind weaker than comparisons: (x > 0) & (x < 1).

Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
/// Element by element; the result is bool.
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, Number b);
Tensor operator!=(const Tensor& a, Number b);
Tensor operator<(const Tensor& a, Number b);
Tensor operator<=(const Tensor& a, Number b);
Tensor operator>(const Tensor& a, Number b);
Tensor operator>=(const Tensor& a, Number b);
Tensor operator==(Number a, const Tensor& b);
Tensor operator!=(Number a, const Tensor& b);
Tensor operator<(Number a, const Tensor& b);
Tensor operator<=(Number a, const Tensor& b);
Tensor operator>(Number a, const Tensor& b);
Tensor operator>=(Number a, const Tensor& b);

/// Logic of bools, bits of int64. There is no short cut: both sides are computed.
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator^(const Tensor& a, const Tensor& b);
Tensor operator&(const Tensor& a, Number b);
Tensor operator|(const Tensor& a, Number b);
Tensor operator^(const Tensor& a, Number b);
Tensor operator&(Number a, const Tensor& b);
Tensor operator|(Number a, const Tensor& b);
Tensor operator^(Number a, const Tensor& b);
/// Not: of bools; of int64, every bit.
Tensor operator!(const Tensor& x);

/// remainder(a, b).
Tensor operator%(const Tensor& a, const Tensor& b);
Tensor operator%(const Tensor& a, Number b);
Tensor operator%(Number a, const Tensor& b);

// Numbers on either side of functions of tensors.
/// The larger of an element and a number.
Tensor maximum(const Tensor& a, Number b);
Tensor maximum(Number a, const Tensor& b);
/// The smaller of an element and a number.
Tensor minimum(const Tensor& a, Number b);
Tensor minimum(Number a, const Tensor& b);
/// baseˣ for the elements x of exponent, which are floating.
Tensor pow(Number base, const Tensor& exponent);
/// A number on one side takes the dtype of the tensor on the other.
Tensor where(const Tensor& condition, const Tensor& a, Number b);
Tensor where(const Tensor& condition, Number a, const Tensor& b);
/// Two numbers make bools, int64 or, where one of them is floating, float32.
Tensor where(const Tensor& condition, Number a, Number b);

}  // namespace saw
