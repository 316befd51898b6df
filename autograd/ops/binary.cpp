#include "saw/autograd/ops/binary.h"

#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/ops/binary.cpp"
#include "hwy/foreach_target.h"  // compiles the formulas once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/elementwise-inl.h"

// ---- formulas ----

HWY_BEFORE_NAMESPACE();
namespace saw::HWY_NAMESPACE {
namespace {

using kernels::HWY_NAMESPACE::Binary;
using kernels::HWY_NAMESPACE::Unary;

struct Add : Binary<Add> {
  static constexpr Needs gradient_a_needs = Needs::nothing, gradient_b_needs = Needs::nothing;
  static constexpr bool integers = true;
  template <class V>
  V f(V a, V b) const {
    return a + b;
  }
  template <class V>
  V gradient_a(V g, V, V) const {
    return g;
  }
  template <class V>
  V gradient_b(V g, V, V) const {
    return g;
  }
};

struct Sub : Binary<Sub> {
  static constexpr Needs gradient_a_needs = Needs::nothing, gradient_b_needs = Needs::nothing;
  static constexpr bool integers = true;
  template <class V>
  V f(V a, V b) const {
    return a - b;
  }
  template <class V>
  V gradient_a(V g, V, V) const {
    return g;
  }
  template <class V>
  V gradient_b(V g, V, V) const {
    return -g;
  }
};

struct Mul : Binary<Mul> {
  static constexpr Needs gradient_a_needs = Needs::b, gradient_b_needs = Needs::a;
  static constexpr bool integers = true;
  template <class V>
  V f(V a, V b) const {
    return a * b;
  }
  template <class V>
  V gradient_a(V g, V, V b) const {
    return g * b;
  }
  template <class V>
  V gradient_b(V g, V a, V) const {
    return g * a;
  }
};

struct Div : Binary<Div> {
  static constexpr Needs gradient_a_needs = Needs::b, gradient_b_needs = Needs::both;
  template <class V>
  V f(V a, V b) const {
    return a / b;
  }
  template <class V>
  V gradient_a(V g, V, V b) const {
    return g / b;
  }
  template <class V>
  V gradient_b(V g, V a, V b) const {
    return -(g / b) * (a / b);
  }
};

struct Maximum : Binary<Maximum> {
  static constexpr Needs gradient_a_needs = Needs::both, gradient_b_needs = Needs::both;
  static constexpr bool integers = true;
  template <class V>
  V f(V a, V b) const {
    return where((a > b) | is_nan(a), a, b);
  }
  template <class V>
  V gradient_a(V g, V a, V b) const {
    return where(a == b, 0.5 * g, where((a > b) | is_nan(a), g, 0.0));
  }
  template <class V>
  V gradient_b(V g, V a, V b) const {
    return where(a == b, 0.5 * g, where((a > b) | is_nan(a), 0.0, g));
  }
};

struct Minimum : Binary<Minimum> {
  static constexpr Needs gradient_a_needs = Needs::both, gradient_b_needs = Needs::both;
  static constexpr bool integers = true;
  template <class V>
  V f(V a, V b) const {
    return where((a < b) | is_nan(a), a, b);
  }
  template <class V>
  V gradient_a(V g, V a, V b) const {
    return where(a == b, 0.5 * g, where((a < b) | is_nan(a), g, 0.0));
  }
  template <class V>
  V gradient_b(V g, V a, V b) const {
    return where(a == b, 0.5 * g, where((a < b) | is_nan(a), 0.0, g));
  }
};

struct LogAddExp : Binary<LogAddExp> {
  static constexpr Needs gradient_a_needs = Needs::both, gradient_b_needs = Needs::both;
  template <class V>
  V f(V a, V b) const {
    // Equal infinities have no difference, and are their own logarithm of a sum.
    return where(a == b, a + 0.69314718055994530942, where(a < b, b, a) + log1p(exp(-abs(a - b))));
  }
  template <class V>
  V da(V a, V b) const {
    return where(a == b, number_like(a, 0.5), sigmoid(a - b));
  }
  template <class V>
  V db(V a, V b) const {
    return where(a == b, number_like(a, 0.5), sigmoid(b - a));
  }
};

struct Atan2 : Binary<Atan2> {
  static constexpr Needs gradient_a_needs = Needs::both, gradient_b_needs = Needs::both;
  template <class V>
  V f(V a, V b) const {
    return atan2(a, b);
  }
  template <class V>
  V da(V a, V b) const {
    return b / (square(a) + square(b));
  }
  template <class V>
  V db(V a, V b) const {
    return -a / (square(a) + square(b));
  }
};

struct Pow : Binary<Pow> {
  static constexpr Needs gradient_a_needs = Needs::both, gradient_b_needs = Needs::both;
  template <class V>
  V f(V a, V b) const {
    return pow(a, b);
  }
  // Where the slope is 0 by definition the base becomes 1: then the formulas say 0 too, in every order.
  template <class V>
  V da(V a, V b) const {
    return b * pow(where(b == 0.0, 1.0, a), b - 1.0);
  }
  template <class V>
  V db(V a, V b) const {
    return pow(a, b) * log(where((a == 0.0) & (b >= 0.0), 1.0, a));
  }
};

struct Lerp : Binary<Lerp> {
  static constexpr Needs gradient_a_needs = Needs::nothing, gradient_b_needs = Needs::nothing;
  double weight;
  template <class V>
  V f(V a, V b) const {
    return mul_add(b - a, weight, a);
  }
  template <class V>
  V gradient_a(V g, V, V) const {
    return g * (1.0 - weight);
  }
  template <class V>
  V gradient_b(V g, V, V) const {
    return g * weight;
  }
};

// ---- a tensor and a number ----

struct Affine : Unary<Affine> {
  static constexpr Saves saves = Saves::nothing;
  static constexpr bool integers = true;
  double factor, offset;
  template <class V>
  V f(V x) const {
    return mul_add(x, factor, offset);
  }
  template <class V>
  V gradient(V g, V) const {
    return g * factor;
  }
};

/// x / number: a true division, since multiplying by 1/number would round twice.
struct DivideBy : Unary<DivideBy> {
  static constexpr Saves saves = Saves::nothing;
  double divisor;
  template <class V>
  V f(V x) const {
    return x / divisor;
  }
  template <class V>
  V gradient(V g, V) const {
    return g / divisor;
  }
};

/// number / x.
struct NumberOver : Unary<NumberOver> {
  static constexpr Saves saves = Saves::input;
  double dividend;
  template <class V>
  V f(V x) const {
    return dividend / x;
  }
  template <class V>
  V df(V x) const {
    return -dividend / square(x);
  }
};

struct PowNumber : Unary<PowNumber> {
  static constexpr Saves saves = Saves::input;
  double exponent;
  template <class V>
  V f(V x) const {
    return pow(x, exponent);
  }
  template <class V>
  V gradient(V g, V x) const {
    if (exponent == 0.0) return vanishing(g);
    return g * (exponent * pow(x, exponent - 1.0));
  }
};

}  // namespace
}  // namespace saw::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "saw/autograd/kernels/targets.h"

namespace saw {
namespace {

using namespace HWY_NAMESPACE;

const OpInfo add_info{"add", "a + b", true};
const OpInfo sub_info{"sub", "a − b", true};
const OpInfo mul_info{"mul", "a · b", true};
const OpInfo div_info{"div", "a / b", true};
const OpInfo maximum_info{"maximum", "max(a, b)", true};
const OpInfo minimum_info{"minimum", "min(a, b)", true};
const OpInfo logaddexp_info{"logaddexp", "log(eᵃ + eᵇ)", true};
const OpInfo atan2_info{"atan2", "the angle of the point (b, a)", true};
const OpInfo pow_info{"pow", "aᵇ", true};
const OpInfo lerp_info{"lerp", "a + weight·(b − a)", true};
const OpInfo affine_info{"affine", "x·factor + offset", true};

void check_integer(const char* op, double number) {
  if (std::trunc(number) != number || std::fabs(number) >= 9007199254740992.0)  // 2⁵³: beyond, doubles skip integers
    fail(ErrorKind::dtype,
         "{}: int64 elements and a number that is not an exact integer; got {}; expected one below 2^53; "
         "convert the tensor with to()",
         op, number);
}

/// Division of integers has two meanings; which one is wanted must be said.
void check_divisible(const Tensor& x) {
  check_defined("div", x);
  if (x.dtype() == int64)
    fail(ErrorKind::dtype,
         "div: needs floating point elements; got int64; expected float32 or float64; hint: floor_divide() keeps "
         "integers, to() converts them");
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return run_binary(add_info, a, b, Add{}, SAW_FOR_TARGET(Add::kernels)());
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return run_binary(sub_info, a, b, Sub{}, SAW_FOR_TARGET(Sub::kernels)());
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return run_binary(mul_info, a, b, Mul{}, SAW_FOR_TARGET(Mul::kernels)());
}
Tensor div(const Tensor& a, const Tensor& b) {
  check_divisible(a);
  return run_binary(div_info, a, b, Div{}, SAW_FOR_TARGET(Div::kernels)());
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  return run_binary(maximum_info, a, b, Maximum{}, SAW_FOR_TARGET(Maximum::kernels)());
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return run_binary(minimum_info, a, b, Minimum{}, SAW_FOR_TARGET(Minimum::kernels)());
}
Tensor logaddexp(const Tensor& a, const Tensor& b) {
  return run_binary(logaddexp_info, a, b, LogAddExp{}, SAW_FOR_TARGET(LogAddExp::kernels)());
}
Tensor atan2(const Tensor& a, const Tensor& b) {
  return run_binary(atan2_info, a, b, Atan2{}, SAW_FOR_TARGET(Atan2::kernels)());
}
Tensor pow(const Tensor& base, const Tensor& exponent) {
  return run_binary(pow_info, base, exponent, Pow{}, SAW_FOR_TARGET(Pow::kernels)());
}
Tensor lerp(const Tensor& start, const Tensor& end, double weight) {
  return run_binary(lerp_info, start, end, Lerp{{}, weight}, SAW_FOR_TARGET(Lerp::kernels)());
}

Tensor affine(const Tensor& x, double factor, double offset) {
  check_defined("affine", x);
  if (x.dtype() == int64) {
    check_integer("affine", factor);
    check_integer("affine", offset);
  }
  return run_unary(affine_info, x, Affine{{}, factor, offset}, SAW_FOR_TARGET(Affine::kernels)());
}

Tensor pow(const Tensor& x, double exponent) {
  return run_unary(pow_info, x, PowNumber{{}, exponent}, SAW_FOR_TARGET(PowNumber::kernels)());
}

Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
Tensor operator-(const Tensor& x) { return neg(x); }
Tensor operator+(const Tensor& a, double b) { return affine(a, 1.0, b); }
Tensor operator-(const Tensor& a, double b) { return affine(a, 1.0, -b); }
Tensor operator*(const Tensor& a, double b) { return affine(a, b, -0.0); }  // adding −0 keeps the sign of a zero
Tensor operator/(const Tensor& a, double b) {
  check_divisible(a);
  return run_unary(div_info, a, DivideBy{{}, b}, SAW_FOR_TARGET(DivideBy::kernels)());
}
Tensor operator+(double a, const Tensor& b) { return affine(b, 1.0, a); }
Tensor operator-(double a, const Tensor& b) { return affine(b, -1.0, a); }
Tensor operator*(double a, const Tensor& b) { return affine(b, a, -0.0); }
Tensor operator/(double a, const Tensor& b) {
  check_divisible(b);
  return run_unary(div_info, b, NumberOver{{}, a}, SAW_FOR_TARGET(NumberOver::kernels)());
}

OpList binary_ops() {
  return {&add_info,       &sub_info,   &mul_info, &div_info,  &maximum_info, &minimum_info,
          &logaddexp_info, &atan2_info, &pow_info, &lerp_info, &affine_info};
}

}  // namespace saw

#endif  // HWY_ONCE
