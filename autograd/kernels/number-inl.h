// Per target: a SIMD vector that can be written like a number. Formulas of elementwise ops are templates over their
// number type; Vec<float> and Vec<double> are what they run on in kernels, Tensor is what their recorded gradients run
// on. A double beside a Vec stands for that number in every lane.
//
// The functions keep IEEE's conventions: NaN in, NaN out; infinities where the limit is one. Errors in units in the
// last place are measured by tests/autograd/kernels/number_test.cpp.

#if defined(SAW_AUTOGRAD_KERNELS_NUMBER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_NUMBER_INL_H_
#undef SAW_AUTOGRAD_KERNELS_NUMBER_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_NUMBER_INL_H_
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
//
#include "hwy/contrib/math/math-inl.h"
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
struct Vec;

/// What comparing two Vecs gives: a condition per lane.
template <class T>
struct Condition {
  hn::Mask<hn::ScalableTag<T>> raw;

  friend HWY_INLINE Condition operator&(Condition a, Condition b) { return {hn::And(a.raw, b.raw)}; }
  friend HWY_INLINE Condition operator|(Condition a, Condition b) { return {hn::Or(a.raw, b.raw)}; }
  friend HWY_INLINE Condition operator!(Condition a) { return {hn::Not(a.raw)}; }
  friend HWY_INLINE Vec<T> where(Condition condition, Vec<T> a, Vec<T> b) {
    return {hn::IfThenElse(condition.raw, a.raw, b.raw)};
  }
};

template <class T>
struct Vec {
  using Lane = T;
  using D = hn::ScalableTag<T>;
  hn::Vec<D> raw;

  HWY_INLINE Vec(hn::Vec<D> lanes) : raw(lanes) {}                            // NOLINT: a number is what it looks like
  HWY_INLINE Vec(double value) : raw(hn::Set(D(), static_cast<T>(value))) {}  // NOLINT

  friend HWY_INLINE Vec operator-(Vec a) { return {hn::Neg(a.raw)}; }
  friend HWY_INLINE Vec operator+(Vec a, Vec b) { return {hn::Add(a.raw, b.raw)}; }
  friend HWY_INLINE Vec operator-(Vec a, Vec b) { return {hn::Sub(a.raw, b.raw)}; }
  friend HWY_INLINE Vec operator*(Vec a, Vec b) { return {hn::Mul(a.raw, b.raw)}; }
  friend HWY_INLINE Vec operator/(Vec a, Vec b) { return {hn::Div(a.raw, b.raw)}; }
  friend HWY_INLINE Condition<T> operator<(Vec a, Vec b) { return {hn::Lt(a.raw, b.raw)}; }
  friend HWY_INLINE Condition<T> operator<=(Vec a, Vec b) { return {hn::Le(a.raw, b.raw)}; }
  friend HWY_INLINE Condition<T> operator>(Vec a, Vec b) { return {hn::Gt(a.raw, b.raw)}; }
  friend HWY_INLINE Condition<T> operator>=(Vec a, Vec b) { return {hn::Ge(a.raw, b.raw)}; }
  friend HWY_INLINE Condition<T> operator==(Vec a, Vec b) { return {hn::Eq(a.raw, b.raw)}; }
  friend HWY_INLINE Condition<T> operator!=(Vec a, Vec b) { return {hn::Not(hn::Eq(a.raw, b.raw))}; }  // also for NaN

  /// a·b + c, rounded once.
  friend HWY_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return {hn::MulAdd(a.raw, b.raw, c.raw)}; }
  /// a·b − c, rounded once.
  friend HWY_INLINE Vec mul_sub(Vec a, Vec b, Vec c) { return {hn::MulSub(a.raw, b.raw, c.raw)}; }
  friend HWY_INLINE Vec abs(Vec x) { return {hn::Abs(x.raw)}; }
  friend HWY_INLINE Vec sqrt(Vec x) { return {hn::Sqrt(x.raw)}; }
  friend HWY_INLINE Vec square(Vec x) { return x * x; }
  friend HWY_INLINE Vec reciprocal(Vec x) { return 1.0 / x; }
  friend HWY_INLINE Vec floor(Vec x) { return {hn::Floor(x.raw)}; }
  friend HWY_INLINE Vec ceil(Vec x) { return {hn::Ceil(x.raw)}; }
  friend HWY_INLINE Vec round(Vec x) { return {hn::Round(x.raw)}; }
  friend HWY_INLINE Vec trunc(Vec x) { return {hn::Trunc(x.raw)}; }
  friend HWY_INLINE Vec copysign(Vec magnitude, Vec sign) { return {hn::CopySign(magnitude.raw, sign.raw)}; }
};

/// int64 elements, one at a time: what is asked of them the compiler turns into vectors by itself.
template <>
struct Condition<std::int64_t> {
  bool raw;
};

template <>
struct Vec<std::int64_t> {
  using Lane = std::int64_t;
  std::int64_t raw;

  HWY_INLINE explicit Vec(std::int64_t value) : raw(value) {}
  /// Numbers beyond the range stand for its ends.
  HWY_INLINE Vec(double value)  // NOLINT: as for the others
      : raw(value >= 0x1p63   ? std::numeric_limits<std::int64_t>::max()
            : value < -0x1p63 ? std::numeric_limits<std::int64_t>::min()
                              : static_cast<std::int64_t>(value)) {}

  // Sums that leave the range wrap around, as everywhere; signed ones must not.
  friend HWY_INLINE Vec operator-(Vec a) { return Vec(static_cast<std::int64_t>(-static_cast<std::uint64_t>(a.raw))); }
  friend HWY_INLINE Vec operator+(Vec a, Vec b) {
    return Vec(static_cast<std::int64_t>(static_cast<std::uint64_t>(a.raw) + static_cast<std::uint64_t>(b.raw)));
  }
  friend HWY_INLINE Vec operator-(Vec a, Vec b) {
    return Vec(static_cast<std::int64_t>(static_cast<std::uint64_t>(a.raw) - static_cast<std::uint64_t>(b.raw)));
  }
  friend HWY_INLINE Vec operator*(Vec a, Vec b) {
    return Vec(static_cast<std::int64_t>(static_cast<std::uint64_t>(a.raw) * static_cast<std::uint64_t>(b.raw)));
  }
  friend HWY_INLINE Condition<std::int64_t> operator<(Vec a, Vec b) { return {a.raw < b.raw}; }
  friend HWY_INLINE Condition<std::int64_t> operator>(Vec a, Vec b) { return {a.raw > b.raw}; }
  friend HWY_INLINE Condition<std::int64_t> operator==(Vec a, Vec b) { return {a.raw == b.raw}; }
  friend HWY_INLINE Condition<std::int64_t> operator!=(Vec a, Vec b) { return {a.raw != b.raw}; }
  friend HWY_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return a * b + c; }
  friend HWY_INLINE Vec abs(Vec x) { return x.raw < 0 ? -x : x; }
  friend HWY_INLINE Vec square(Vec x) { return x * x; }
};

HWY_INLINE Vec<std::int64_t> where(Condition<std::int64_t> condition, Vec<std::int64_t> a, Vec<std::int64_t> b) {
  return condition.raw ? a : b;
}
HWY_INLINE Condition<std::int64_t> operator|(Condition<std::int64_t> a, Condition<std::int64_t> b) {
  return {a.raw || b.raw};
}

/// The number `value` beside x.
template <class T>
HWY_INLINE Vec<T> number_like(Vec<T> /*x*/, double value) {
  return value;
}

/// 0, for a slope that is 0 whatever g is.
template <class T>
HWY_INLINE Vec<T> vanishing(Vec<T> /*g*/) {
  return 0.0;
}

/// f of each lane by itself: for what is rare, or too intricate to be worth vectors.
template <class T, class F>
HWY_INLINE Vec<T> each_lane(Vec<T> x, F f) {
  const hn::ScalableTag<T> d;
  HWY_ALIGN T lanes[hn::MaxLanes(d)];
  hn::Store(x.raw, d, lanes);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return {hn::Load(d, lanes)};
}

template <class T, class F>
HWY_INLINE Vec<T> each_lane(Vec<T> a, Vec<T> b, F f) {
  const hn::ScalableTag<T> d;
  HWY_ALIGN T left[hn::MaxLanes(d)], right[hn::MaxLanes(d)];
  hn::Store(a.raw, d, left);
  hn::Store(b.raw, d, right);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) left[i] = f(left[i], right[i]);
  return {hn::Load(d, left)};
}

/// f in double precision, for both element types: what float32 cannot hold on the way is rounded once, at the end.
template <class F>
HWY_INLINE Vec<double> in_double(Vec<double> x, F f) {
  return f(x);
}
template <class F>
HWY_INLINE Vec<float> in_double(Vec<float> x, F f) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<double> wide;
#if HWY_TARGET == HWY_SCALAR
  return {hn::DemoteTo(d, f(Vec<double>(hn::PromoteTo(wide, x.raw))).raw)};
#else
  const hn::Half<decltype(d)> half;
  const Vec<double> low = f(Vec<double>(hn::PromoteTo(wide, hn::LowerHalf(half, x.raw))));
  const Vec<double> high = f(Vec<double>(hn::PromoteTo(wide, hn::UpperHalf(half, x.raw))));
  return {hn::Combine(d, hn::DemoteTo(half, high.raw), hn::DemoteTo(half, low.raw))};
#endif
}
template <class F>
HWY_INLINE Vec<double> in_double(Vec<double> a, Vec<double> b, F f) {
  return f(a, b);
}
template <class F>
HWY_INLINE Vec<float> in_double(Vec<float> a, Vec<float> b, F f) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<double> wide;
#if HWY_TARGET == HWY_SCALAR
  return {hn::DemoteTo(d, f(Vec<double>(hn::PromoteTo(wide, a.raw)), Vec<double>(hn::PromoteTo(wide, b.raw))).raw)};
#else
  const hn::Half<decltype(d)> half;
  const Vec<double> low = f(Vec<double>(hn::PromoteTo(wide, hn::LowerHalf(half, a.raw))),
                            Vec<double>(hn::PromoteTo(wide, hn::LowerHalf(half, b.raw))));
  const Vec<double> high = f(Vec<double>(hn::PromoteTo(wide, hn::UpperHalf(half, a.raw))),
                             Vec<double>(hn::PromoteTo(wide, hn::UpperHalf(half, b.raw))));
  return {hn::Combine(d, hn::DemoteTo(half, high.raw), hn::DemoteTo(half, low.raw))};
#endif
}

// ---- a number in two parts ----

/// hi + lo, twice as precise as either: what goes through exp is needed to better than one rounding, because an
/// absolute error of the argument is a relative error of the result.
template <class V>
struct Precise {
  V hi, lo;
};

template <class T>
HWY_INLINE Precise<Vec<T>> precise(Vec<T> x) {
  return {x, 0.0};
}

/// A double as two numbers of the element type.
template <class T>
HWY_INLINE Precise<Vec<T>> precise_number(double value) {
  const T hi = static_cast<T>(value);
  return {static_cast<double>(hi), value - static_cast<double>(hi)};
}

template <class T>
HWY_INLINE Precise<Vec<T>> operator*(Precise<Vec<T>> a, Precise<Vec<T>> b) {
  const Vec<T> hi = a.hi * b.hi;
  return {hi, mul_add(a.hi, b.lo, mul_add(a.lo, b.hi, mul_sub(a.hi, b.hi, hi)))};
}
template <class T>
HWY_INLINE Precise<Vec<T>> operator*(Precise<Vec<T>> a, double b) {
  return a * precise_number<T>(b);
}
template <class T>
HWY_INLINE Precise<Vec<T>> operator+(Precise<Vec<T>> a, double b) {
  const Precise<Vec<T>> number = precise_number<T>(b);
  const Vec<T> hi = a.hi + number.hi, part = hi - a.hi;  // Knuth's sum, whose error is known exactly
  return {hi, (a.hi - (hi - part)) + (number.hi - part) + (a.lo + number.lo)};
}

// ---- functions ----

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
  // Just above these the result overflows, as it should; far above, Highway's integer exponent would wrap around.
  const Vec<T> y{hn::Exp(d, hn::Min(x.raw, hn::Set(d, std::is_same_v<T, float> ? T(89) : T(710))))};
  return where(is_nan(x), x, y);
}

template <class T>
HWY_INLINE Vec<T> exp(Precise<Vec<T>> x) {
  const Vec<T> e = exp(x.hi);
  // eˡᵒ = 1 + lo; where e is infinite or 0, lo may be NaN and must not matter.
  return where((e > 0.0) & (e < std::numeric_limits<double>::infinity()), mul_add(e, x.lo, e), e);
}

/// log x; −∞ at 0, NaN below.
template <class T>
HWY_INLINE Vec<T> log(Vec<T> x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Vec<T> special = where(x == 0.0, -infinity, where(x == infinity, x, std::numeric_limits<double>::quiet_NaN()));
  return where((x > 0.0) & (x < infinity), Vec<T>(hn::Log(hn::ScalableTag<T>(), x.raw)), special);
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

template <class T>
HWY_INLINE Vec<T> exp2(Vec<T> x) {
  // log 2 to twice the precision of a double.
  constexpr double log_2 = 0.69314718055994530942, rest = 2.3190468138462996e-17;
  Precise<Vec<T>> factor = precise_number<T>(log_2);
  if constexpr (std::is_same_v<T, double>) factor.lo = rest;
  return exp(precise(x) * factor);
}

/// log x to base 2; exact for powers of 2.
template <class T>
HWY_INLINE Vec<T> log2(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    return in_double(x, [](Vec<double> wide) HWY_ATTR { return log(wide) * 1.44269504088896340736; });
  } else {
    return each_lane(x, [](double lane) { return std::log2(lane); });
  }
}

/// log x to base 10; exact for powers of 10.
template <class T>
HWY_INLINE Vec<T> log10(Vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    return in_double(x, [](Vec<double> wide) HWY_ATTR { return log(wide) * 0.43429448190325182765; });
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
  return {hn::Tanh(hn::ScalableTag<T>(), x.raw)};
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

template <class T>
HWY_INLINE Vec<T> sin(Vec<T> x) {
  const hn::ScalableTag<T> d;
  // Beyond, Highway's reduction of the argument loses digits.
  if (!hn::AllTrue(d, hn::Lt(hn::Abs(x.raw), hn::Set(d, T(39000)))))
    return each_lane(x, [](T lane) { return std::sin(lane); });
  return {hn::Sin(d, x.raw)};
}

template <class T>
HWY_INLINE Vec<T> cos(Vec<T> x) {
  const hn::ScalableTag<T> d;
  if (!hn::AllTrue(d, hn::Lt(hn::Abs(x.raw), hn::Set(d, T(39000)))))
    return each_lane(x, [](T lane) { return std::cos(lane); });
  return {hn::Cos(d, x.raw)};
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

/// xʸ as the C library's pow has it.
template <class T>
HWY_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
  if constexpr (std::is_same_v<T, float>) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const Condition<float> plain = (x > 0.0) & (x < infinity) & (abs(y) < infinity);
    if (hn::AllTrue(hn::ScalableTag<float>(), plain.raw))
      return in_double(x, y, [](Vec<double> base, Vec<double> exponent) HWY_ATTR {
        const hn::ScalableTag<double> d;
        const Vec<double> product{hn::Mul(exponent.raw, hn::Log(d, base.raw))};
        // Any double beyond ±700 is out of float32's range.
        return Vec<double>{hn::Exp(d, hn::Max(hn::Min(product.raw, hn::Set(d, 700.0)), hn::Set(d, -700.0)))};
      });
  }
  return each_lane(x, y, [](T base, T exponent) { return std::pow(base, exponent); });
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
