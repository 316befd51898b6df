#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Whole quotients, what they leave, and bits. Two tensors broadcast and must have equal dtypes (Error(dtype)); a
// number on either side takes the tensor's dtype, or throws Error(dtype) where that is inexact. An int64 divisor of 0
// throws Error(argument).

/// ⌊a / b⌋ of floating or int64 elements; no gradient.
Tensor floor_divide(const Tensor& a, const Tensor& b);
Tensor floor_divide(const Tensor& a, Number b);
Tensor floor_divide(Number a, const Tensor& b);
/// a − b·⌊a / b⌋, with the sign of the divisor, as in Python; floating or int64. The gradient of a is 1, that of b is
/// −⌊a / b⌋.
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor remainder(const Tensor& a, Number b);
Tensor remainder(Number a, const Tensor& b);

// Of int64, bit by bit; of bool, logic.
/// a AND b.
Tensor bitwise_and(const Tensor& a, const Tensor& b);
Tensor bitwise_and(const Tensor& a, Number b);
/// a OR b.
Tensor bitwise_or(const Tensor& a, const Tensor& b);
Tensor bitwise_or(const Tensor& a, Number b);
/// a XOR b: where they differ.
Tensor bitwise_xor(const Tensor& a, const Tensor& b);
Tensor bitwise_xor(const Tensor& a, Number b);
Tensor bitwise_not(const Tensor& x);  ///< every bit the other way: −x − 1 of int64

/// a · 2ᵇ and ⌊a / 2ᵇ⌋ of int64, by bits: what goes beyond 64 is lost, and a negative number stays negative to the
/// right. Shifts by less than 0 or more than 63 throw Error(argument).
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b);
Tensor bitwise_left_shift(const Tensor& a, Number b);
/// ⌊a / 2ᵇ⌋, as said of bitwise_left_shift.
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b);
Tensor bitwise_right_shift(const Tensor& a, Number b);

}  // namespace saw
