// Per target: exp, log and the other functions of Vec<float> and Vec<double>, for the formulas of elementwise ops.
//
// They keep IEEE's conventions: NaN in, NaN out; infinities where the limit is one. Errors in units in the last place
// are measured by tests/autograd/ops/elementwise_accuracy_test.cpp.

#if defined(SAW_AUTOGRAD_KERNELS_FUNCTIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_FUNCTIONS_INL_H_
#undef SAW_AUTOGRAD_KERNELS_FUNCTIONS_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_FUNCTIONS_INL_H_
#endif

#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/float_math-inl.h"
#include "saw/autograd/kernels/number-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

template <class T>
HWY_INLINE Condition<T> is_nan(Vec<T> x) {
  if constexpr (std::is_same_v<T, std::int64_t>)
    return {false};
  else
    return {hn::IsNaN(x.raw)};
}

/// eˣ.
template <class T>
HWY_INLINE Vec<T> exp(Vec<T> x) {
  const hn::ScalableTag<T> d;
  if constexpr (std::is_same_v<T, float>) {
    return {exp_float(d, x.raw)};
  } else {
    // Just above 709 the result overflows, as it should; far above, Highway's integer exponent would wrap around.
    return where(is_nan(x), x, Vec<T>(hn::Exp(d, hn::Min(x.raw, hn::Set(d, 710.0)))));
  }
}

template <class T>
HWY_INLINE Vec<T> exp(Precise<Vec<T>> x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if constexpr (std::is_same_v<T, float>) {
    return {exp_float(hn::ScalableTag<T>(), x.hi.raw, where(abs(x.hi) < infinity, x.lo, 0.0).raw)};
  } else {
    const Vec<T> e = exp(x.hi);
    // eˡᵒ = 1 + lo; where e is infinite or 0, lo may be NaN and must not matter.
    return where((e > 0.0) & (e < infinity), mul_add(e, x.lo, e), e);
  }
}

/// A logarithm, f(x) for finite x > 0; −∞ at 0, NaN below.
template <class T, class F>
HWY_INLINE Vec<T> logarithm(Vec<T> x, F f) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Condition<T> regular = (x > 0.0) & (x < infinity);
  const Vec<T> y = f(x);
  if (hn::AllTrue(hn::ScalableTag<T>(), regular.raw)) return y;
  const Vec<T> special = where(x == 0.0, -infinity, where(x == infinity, x, std::numeric_limits<double>::quiet_NaN()));
  return where(regular, y, special);
}

/// log x.
template <class T>
HWY_INLINE Vec<T> log(Vec<T> x) {
  return logarithm(x, [](Vec<T> y) HWY_ATTR {
    const hn::ScalableTag<T> d;
    if constexpr (std::is_same_v<T, float>)
      return Vec<T>(log_float(d, y.raw));
    else
      return Vec<T>(hn::Log(d, y.raw));
  });
}

/// log(1 + x): the logarithm of the rounded sum, corrected by what rounding lost.
template <class T>
HWY_INLINE Vec<T> log1p(Vec<T> x) {
  const Vec<T> sum = 1.0 + x;
  const Vec<T> y = log(sum) * (x / (sum - 1.0));
  return where((sum == 1.0) | (x == std::numeric_limits<double>::infinity()), x, y);
}

/// eˣ − 1.
template <class T>
HWY_INLINE Vec<T> expm1(Vec<T> x) {
  const hn::ScalableTag<T> d;
  const Vec<T> y{hn::Expm1(d, hn::Min(x.raw, hn::Set(d, std::is_same_v<T, float> ? T(89) : T(710))))};
  return where(is_nan(x) | (x == 0.0), x, y);
}

/// 2ˣ.
template <class T>
HWY_INLINE Vec<T> exp2(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    return {exp2_float(hn::ScalableTag<T>(), x.raw)};
  } else {
    // log 2 to twice the precision of a double.
    return exp(precise(x) * Precise<Vec<T>>{0.69314718055994530942, 2.3190468138462996e-17});
  }
}

/// log x to base 2; exact for powers of 2.
template <class T>
HWY_INLINE Vec<T> log2(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    return logarithm(x, [](Vec<T> y) HWY_ATTR {
      return Vec<T>(log_float_to_base(hn::ScalableTag<T>(), y.raw, 1.0f, 0.0f, 1.4426950216f, 1.92596299e-8f));
    });
  } else {
    return each_lane(x, [](double lane) { return std::log2(lane); });
  }
}

/// log x to base 10; exact for powers of 10.
template <class T>
HWY_INLINE Vec<T> log10(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    return logarithm(x, [](Vec<T> y) HWY_ATTR {
      return Vec<T>(
          log_float_to_base(hn::ScalableTag<T>(), y.raw, 0.30078125f, 2.487456640e-4f, 0.434294492f, -1.01030501e-8f));
    });
  } else {
    return each_lane(x, [](double lane) { return std::log10(lane); });
  }
}

template <class T>
HWY_INLINE Vec<T> rsqrt(Vec<T> x) {
  return 1.0 / sqrt(x);
}

template <class T>
HWY_INLINE Vec<T> tanh(Vec<T> x) {
  const hn::ScalableTag<T> d;
  if constexpr (std::is_same_v<T, float>)
    return {tanh_float(d, x.raw)};
  else
    return {hn::Tanh(d, x.raw)};
}

/// 1 / (1 + e⁻ˣ); also of a number in two parts.
template <class T>
HWY_INLINE Vec<T> sigmoid(Vec<T> x) {
  return 1.0 / (1.0 + exp(-x));
}
template <class T>
HWY_INLINE Vec<T> sigmoid(Precise<Vec<T>> x) {
  return 1.0 / (1.0 + exp(Precise<Vec<T>>{-x.hi, -x.lo}));
}

/// log(1 + eˣ), without overflow.
template <class T>
HWY_INLINE Vec<T> softplus(Vec<T> x) {
  return where(x > 0.0, x, where(x == x, 0.0, x)) + log1p(exp(-abs(x)));
}

/// log(1 / (1 + e⁻ˣ)).
template <class T>
HWY_INLINE Vec<T> log_sigmoid(Vec<T> x) {
  return -softplus(-x);
}

/// vector(x), and where |x| is so large that Highway's reduction of the argument loses digits, scalar(x). What an
/// element gets does not depend on its neighbours.
template <class T, class Vector, class Scalar>
HWY_INLINE Vec<T> of_angle(Vec<T> x, Vector vector, Scalar scalar) {
  const Condition<T> near = abs(x) < 39000.0;
  const Vec<T> y = vector(x);
  if (hn::AllTrue(hn::ScalableTag<T>(), near.raw)) return y;
  return where(near, y, each_lane(x, scalar));
}

template <class T>
HWY_INLINE Vec<T> sin(Vec<T> x) {
  return of_angle(
      x, [](Vec<T> y) HWY_ATTR { return Vec<T>(hn::Sin(hn::ScalableTag<T>(), y.raw)); },
      [](T lane) { return std::sin(lane); });
}

template <class T>
HWY_INLINE Vec<T> cos(Vec<T> x) {
  return of_angle(
      x, [](Vec<T> y) HWY_ATTR { return Vec<T>(hn::Cos(hn::ScalableTag<T>(), y.raw)); },
      [](T lane) { return std::cos(lane); });
}

/// The angle of the point (x, y), in (−π, π].
template <class T>
HWY_INLINE Vec<T> atan2(Vec<T> y, Vec<T> x) {
  constexpr double pi = 3.14159265358979323846;
  const Vec<T> ax = abs(x), ay = abs(y);
  const Vec<T> larger = where(ax < ay, ay, ax), smaller = where(ax < ay, ax, ay);
  // 0/0 is the angle 0 by convention, ∞/∞ that of the diagonal.
  const Vec<T> ratio = where(larger == 0.0, 0.0, where(smaller == larger, 1.0, smaller / larger));
  const Vec<T> base{hn::Atan(hn::ScalableTag<T>(), ratio.raw)};
  const Vec<T> first = where(ax < ay, pi / 2 - base, base);
  const Vec<T> angle = where(copysign(1.0, x) < 0.0, pi - first, first);
  return where(is_nan(x) | is_nan(y), x + y, copysign(angle, y));
}

/// xʸ as the C library's pow has it; of finite y and of positive, finite x in float32 by double precision.
template <class T>
HWY_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
  const auto scalar = [](T base, T exponent) { return std::pow(base, exponent); };
  if constexpr (std::is_same_v<T, float>) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const Condition<float> plain = (x > 0.0) & (x < infinity) & (abs(y) < infinity);
    const Vec<float> power = in_double(x, y, [](Vec<double> base, Vec<double> exponent) HWY_ATTR {
      const hn::ScalableTag<double> d;
      const Vec<double> product{hn::Mul(exponent.raw, hn::Log(d, base.raw))};
      // Any double beyond ±700 is out of float32's range.
      return Vec<double>{hn::Exp(d, hn::Max(hn::Min(product.raw, hn::Set(d, 700.0)), hn::Set(d, -700.0)))};
    });
    if (hn::AllTrue(hn::ScalableTag<float>(), plain.raw)) return power;
    return where(plain, power, each_lane(x, y, scalar));
  } else {
    return each_lane(x, y, scalar);
  }
}

/// x to a fixed power; the commonest ones without the cost of the general case.
template <class T>
HWY_INLINE Vec<T> pow(Vec<T> x, double exponent) {
  if (exponent == 1.0) return x;
  if (exponent == 2.0) return x * x;
  if (exponent == 3.0) return x * x * x;
  if (exponent == 0.5) return sqrt(x);
  if (exponent == -1.0) return 1.0 / x;
  if (exponent == 0.0) return 1.0;
  return pow(x, Vec<T>(exponent));
}

/// −1, 0 or 1; NaN stays.
template <class T>
HWY_INLINE Vec<T> sign(Vec<T> x) {
  return where(x > 0.0, 1.0, where(x < 0.0, -1.0, where(x == x, 0.0, x)));
}

/// The error function. float32: odd, and 1 from 3.85 on; below, x·P(x²)/Q(x²) with a relative error of 1.5e-8 (weighted
/// least squares towards the minimax fit), so that what is seen is the rounding.
template <class T>
HWY_INLINE Vec<T> erf(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    const Vec<T> a = where(abs(x) < 3.85, abs(x), 3.85), t = square(a);
    Vec<T> p = 2.108256e-06;
    p = mul_add(p, t, 0.00028567660);
    p = mul_add(p, t, 0.0036740317);
    p = mul_add(p, t, 0.05248002);
    p = mul_add(p, t, 0.18790013);
    p = mul_add(p, t, 1.1283791);
    Vec<T> q = 3.8731763e-05;
    q = mul_add(q, t, 0.0011455246);
    q = mul_add(q, t, 0.014785097);
    q = mul_add(q, t, 0.11312996);
    q = mul_add(q, t, 0.49985504);
    q = mul_add(q, t, 1.0);
    const Vec<T> y = a * p / q;
    return where(is_nan(x), x, copysign(where((a < 3.85) & (y < 1.0), y, 1.0), x));
  } else {
    return each_lane(x, [](double lane) { return std::erf(lane); });
  }
}

/// Φ(−a) = e^(−a²/2)·M(a) for a ≥ 0, where M falls slowly; P/Q is within 6e-9 of it for a up to 14.5, beyond which Φ
/// underflows in float32. All coefficients are positive, so nothing cancels.
template <class T>
HWY_INLINE Vec<T> lower_tail(Vec<T> x) {
  const Vec<T> a = where(x < 15.0, x, 15.0);
  Vec<T> p = 0.004802689887583256;
  p = mul_add(p, a, 0.04740891978144646);
  p = mul_add(p, a, 0.21379059553146362);
  p = mul_add(p, a, 0.5113839507102966);
  p = mul_add(p, a, 0.5833796262741089);
  Vec<T> q = 0.012038418091833591;
  q = mul_add(q, a, 0.11884406208992004);
  q = mul_add(q, a, 0.5477573275566101);
  q = mul_add(q, a, 1.4030290842056274);
  q = mul_add(q, a, 1.9537074565887451);
  q = mul_add(q, a, 1.1667592525482178);
  const Vec<T> square = a * a;
  return exp(Precise<Vec<T>>{-0.5 * square, -0.5 * mul_sub(a, a, square)}) * (p / q);
}

/// Φ(x), the normal distribution function, with a small relative error in its lower tail too.
template <class T>
HWY_INLINE Vec<T> ndtr(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    // Far down, every rounding of float32 shows: there it is computed in double, which few elements need.
    const Vec<T> tail = lower_tail(abs(x));
    const Vec<T> near = where(is_nan(x), x, where(x < 0.0, tail, 1.0 - tail));
    const Condition<T> far = x < -3.0;
    if (hn::AllFalse(hn::ScalableTag<T>(), far.raw)) return near;
    return where(far, in_double(x, [](Vec<double> wide) HWY_ATTR { return lower_tail(-wide); }), near);
  } else {
    return each_lane(x, [](double lane) {
      // x/√2 as two numbers: erfc of the first, and its slope times the second.
      constexpr double half_sqrt2 = 0.70710678118654752440, half_sqrt2_rest = -4.8336466567264567e-17;
      const double z = -lane * half_sqrt2;
      if (!(std::fabs(z) < 40.0)) return 0.5 * std::erfc(z);
      const double rest = std::fma(-lane, half_sqrt2, -z) - lane * half_sqrt2_rest;
      return 0.5 * (std::erfc(z) - rest * 1.12837916709551257390 * std::exp(-z * z));
    });
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
