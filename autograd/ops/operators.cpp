#include "saw/autograd/ops/operators.h"

#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/internal/in_place.h"

namespace saw {
namespace {

/// The number in the tensor's dtype.
Tensor beside(const char* op, const Tensor& x, Number number) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", op);
  return number_tensor(op, number, x.dtype());
}

}  // namespace

Tensor operator==(const Tensor& a, const Tensor& b) { return equal(a, b); }
Tensor operator!=(const Tensor& a, const Tensor& b) { return not_equal(a, b); }
Tensor operator<(const Tensor& a, const Tensor& b) { return less(a, b); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return less_equal(a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return greater(a, b); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return greater_equal(a, b); }
Tensor operator==(const Tensor& a, Number b) { return equal(a, beside("equal", a, b)); }
Tensor operator!=(const Tensor& a, Number b) { return not_equal(a, beside("not_equal", a, b)); }
Tensor operator<(const Tensor& a, Number b) { return less(a, beside("less", a, b)); }
Tensor operator<=(const Tensor& a, Number b) { return less_equal(a, beside("less_equal", a, b)); }
Tensor operator>(const Tensor& a, Number b) { return greater(a, beside("greater", a, b)); }
Tensor operator>=(const Tensor& a, Number b) { return greater_equal(a, beside("greater_equal", a, b)); }
Tensor operator==(Number a, const Tensor& b) { return equal(b, beside("equal", b, a)); }
Tensor operator!=(Number a, const Tensor& b) { return not_equal(b, beside("not_equal", b, a)); }
Tensor operator<(Number a, const Tensor& b) { return greater(b, beside("greater", b, a)); }
Tensor operator<=(Number a, const Tensor& b) { return greater_equal(b, beside("greater_equal", b, a)); }
Tensor operator>(Number a, const Tensor& b) { return less(b, beside("less", b, a)); }
Tensor operator>=(Number a, const Tensor& b) { return less_equal(b, beside("less_equal", b, a)); }

Tensor operator&(const Tensor& a, const Tensor& b) { return bitwise_and(a, b); }
Tensor operator|(const Tensor& a, const Tensor& b) { return bitwise_or(a, b); }
Tensor operator^(const Tensor& a, const Tensor& b) { return bitwise_xor(a, b); }
Tensor operator&(const Tensor& a, Number b) { return bitwise_and(a, b); }
Tensor operator|(const Tensor& a, Number b) { return bitwise_or(a, b); }
Tensor operator^(const Tensor& a, Number b) { return bitwise_xor(a, b); }
Tensor operator&(Number a, const Tensor& b) { return bitwise_and(b, a); }
Tensor operator|(Number a, const Tensor& b) { return bitwise_or(b, a); }
Tensor operator^(Number a, const Tensor& b) { return bitwise_xor(b, a); }
Tensor operator!(const Tensor& x) { return bitwise_not(x); }

Tensor operator%(const Tensor& a, const Tensor& b) { return remainder(a, b); }
Tensor operator%(const Tensor& a, Number b) { return remainder(a, b); }
Tensor operator%(Number a, const Tensor& b) { return remainder(a, b); }

Tensor maximum(const Tensor& a, Number b) { return maximum(a, beside("maximum", a, b)); }
Tensor maximum(Number a, const Tensor& b) { return maximum(beside("maximum", b, a), b); }
Tensor minimum(const Tensor& a, Number b) { return minimum(a, beside("minimum", a, b)); }
Tensor minimum(Number a, const Tensor& b) { return minimum(beside("minimum", b, a), b); }
Tensor pow(Number base, const Tensor& exponent) { return pow(beside("pow", exponent, base), exponent); }

Tensor where(const Tensor& condition, const Tensor& a, Number b) { return where(condition, a, beside("where", a, b)); }
Tensor where(const Tensor& condition, Number a, const Tensor& b) { return where(condition, beside("where", b, a), b); }
Tensor where(const Tensor& condition, Number a, Number b) {
  const DType dtype = is_floating(a.dtype()) || is_floating(b.dtype()) ? float32
                      : a.dtype() == boolean && b.dtype() == boolean   ? boolean
                                                                       : int64;
  return where(condition, number_tensor("where", a, dtype), number_tensor("where", b, dtype));
}

}  // namespace saw
