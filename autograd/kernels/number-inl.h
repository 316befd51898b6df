// Per target: a SIMD vector that can be written like a number. Formulas of elementwise ops are templates over their
// number type; Vec<float> and Vec<double> are what they run on in kernels, Tensor is what their recorded gradients run
// on. A double beside a Vec stands for that number in every
// lane. exp, log and their kin are in functions-inl.h.

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

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
