#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Comparisons and logic with broadcasting; the results are bool and never have a gradient. Dtypes must be equal
// (Error(dtype)); equal and not_equal also compare bool. A number beside a floating tensor is rounded to the tensor's
// precision first.

Tensor equal(const Tensor& a, const Tensor& b);          ///< a = b
Tensor not_equal(const Tensor& a, const Tensor& b);      ///< a ≠ b; true beside NaN
Tensor less(const Tensor& a, const Tensor& b);           ///< a < b
Tensor less_equal(const Tensor& a, const Tensor& b);     ///< a ≤ b
Tensor greater(const Tensor& a, const Tensor& b);        ///< a > b
Tensor greater_equal(const Tensor& a, const Tensor& b);  ///< a ≥ b
Tensor equal(const Tensor& a, double b);                 ///< a = b
Tensor not_equal(const Tensor& a, double b);             ///< a ≠ b; true for NaN
Tensor less(const Tensor& a, double b);                  ///< a < b
Tensor less_equal(const Tensor& a, double b);            ///< a ≤ b
Tensor greater(const Tensor& a, double b);               ///< a > b
Tensor greater_equal(const Tensor& a, double b);         ///< a ≥ b

Tensor logical_and(const Tensor& a, const Tensor& b);  ///< bool inputs
Tensor logical_or(const Tensor& a, const Tensor& b);   ///< bool inputs
Tensor logical_xor(const Tensor& a, const Tensor& b);  ///< bool inputs: exactly one of them holds
Tensor logical_not(const Tensor& x);                   ///< of bool

/// a where the condition holds, b elsewhere; all three broadcast.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
/// x with `value` where the mask holds; the mask broadcasts to x.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

/// Same shape and all |a − b| ≤ absolute + relative·|b|; NaN equals nothing.
bool all_close(const Tensor& a, const Tensor& b, double relative = 1e-5, double absolute = 1e-8);

}  // namespace saw
