// Per target: exponentials and logarithms of float32 vectors, the functions that training spends its time in. Each one
// reduces its argument exactly and goes on with a polynomial, minimax in relative error on the reduced range; the
// polynomials' own errors are below 6e-9, a tenth of a unit in the last place. NaN in, NaN out; overflow is infinite,
// results below the normal range are rounded once. tests/autograd/ops/elementwise_accuracy_test.cpp measures them.
// The functions of doubles are Highway's.

#if defined(SAW_AUTOGRAD_KERNELS_FLOAT_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_FLOAT_MATH_INL_H_
#undef SAW_AUTOGRAD_KERNELS_FLOAT_MATH_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_FLOAT_MATH_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// c[0] + c[1]·x + … + c[count − 1]·xᶜᵒᵘⁿᵗ⁻¹ by Horner's rule.
template <class D, std::size_t count, class V = hn::Vec<D>>
HWY_INLINE V polynomial(D d, V x, const float (&c)[count]) {
  V y = hn::Set(d, c[count - 1]);
  for (std::size_t i = count - 1; i-- > 0;) y = hn::MulAdd(y, x, hn::Set(d, c[i]));
  return y;
}

/// x within [low, high]; NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V clamp_number(D d, V x, float low, float high) {
#if HWY_ARCH_X86
  // These instructions return their second operand where one is NaN.
  return hn::Min(hn::Set(d, high), hn::Max(hn::Set(d, low), x));
#else
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Min(hn::Set(d, high), hn::Max(hn::Set(d, low), x)));
#endif
}

/// Adding it to a number |x| < 2²² rounds that to an integer, which is then in the low bits of the sum.
inline constexpr float rounding_shift = 12582912.0f;

/// y·2ⁿ for n = shifted − rounding_shift, −254 ≤ n ≤ 254, rounded once.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V scale_by_power(D d, V y, V shifted) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if constexpr (hn::MaxLanes(d) == 16)  // one instruction of AVX-512
    return V{_mm512_scalef_ps(y.raw, hn::Sub(shifted, hn::Set(d, rounding_shift)).raw)};
#endif
  // 2ⁿ itself may be out of range where y·2ⁿ is not: it is multiplied in two halves, whose bits are exponents.
  const hn::RebindToSigned<D> di;
  const auto n = hn::Sub(hn::BitCast(di, shifted), hn::BitCast(di, hn::Set(d, rounding_shift)));
  const auto half = hn::ShiftRight<1>(n), rest = hn::Sub(n, half), bias = hn::Set(di, 127);
  const V first = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V second = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(rest, bias)));
  return hn::Mul(hn::Mul(y, first), second);
}

/// x = n·log 2 + r with |r| ≤ log √2, and what is needed to make eˣ = 2ⁿ·eʳ of it.
template <class V>
struct ExponentialParts {
  V shifted;    ///< n, in the form that scale_by_power takes
  V r, square;  ///< r and r²
  V quotient;   ///< (eʳ − 1 − r) / r²
};

template <class D, class V = hn::Vec<D>>
HWY_INLINE ExponentialParts<V> exponential_parts(D d, V x) {
  constexpr float coefficients[] = {0.4999999404f, 0.1666651964f, 0.04166839272f, 0.008368780836f, 0.001381446724f};
  const V bounded = clamp_number(d, x, -105.0f, 89.0f);
  const V shifted = hn::MulAdd(bounded, hn::Set(d, 1.442695041f), hn::Set(d, rounding_shift));
  const V n = hn::Sub(shifted, hn::Set(d, rounding_shift));
  // log 2 in two parts, the first with so few digits that its product with n is exact.
  const V coarse = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), bounded);
  const V r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), coarse);
  return {shifted, r, hn::Mul(r, r), polynomial(d, r, coefficients)};
}

/// eˣ.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_float(D d, V x) {
  const ExponentialParts<V> parts = exponential_parts(d, x);
  const V y = hn::MulAdd(parts.quotient, parts.square, parts.r);  // eʳ − 1
  return scale_by_power(d, hn::Add(y, hn::Set(d, 1.0f)), parts.shifted);
}

/// e^(x + rest) for a rest that is far below 1, and finite; with little more than the error of its last rounding.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_float(D d, V x, V rest) {
  const ExponentialParts<V> parts = exponential_parts(d, x);
  const V one = hn::Set(d, 1.0f), sum = hn::Add(one, parts.r);
  const V lost = hn::Add(hn::Sub(one, sum), parts.r);  // what rounding took from the sum, exactly
  const V small = hn::MulAdd(parts.quotient, parts.square, lost);
  const V whole = hn::Add(sum, small);  // eʳ, of which eʳ·rest is a small part
  return scale_by_power(d, hn::Add(sum, hn::MulAdd(whole, rest, small)), parts.shifted);
}

/// 2ˣ; exact for integers.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp2_float(D d, V x) {
  constexpr float coefficients[] = {0.6931471825f,  0.2402264774f,   0.05550331995f,
                                    0.00961843878f, 0.001339900307f, 0.0001535325864f};
  const V bounded = clamp_number(d, x, -151.0f, 129.0f);
  const V shifted = hn::Add(bounded, hn::Set(d, rounding_shift));
  const V r = hn::Sub(bounded, hn::Sub(shifted, hn::Set(d, rounding_shift)));
  return scale_by_power(d, hn::MulAdd(polynomial(d, r, coefficients), r, hn::Set(d, 1.0f)), shifted);
}

/// x = (1 + f)·2ᵉ with √½ ≤ 1 + f < √2, and rest = log(1 + f) − f, for finite x > 0.
template <class V>
struct LogarithmParts {
  V exponent, f, rest;
};

template <class D, class V = hn::Vec<D>>
HWY_INLINE LogarithmParts<V> logarithm_parts(D d, V x) {
  constexpr float coefficients[] = {-0.5f,         0.3333333135f,  -0.2500081956f, 0.2000122666f, -0.1662335694f,
                                    0.1420175731f, -0.1316018254f, 0.1276157796f,  -0.076344974f};
  const hn::RebindToSigned<D> di;
  const auto tiny = hn::Lt(x, hn::Set(d, std::numeric_limits<float>::min()));
  const V normal = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 0x1p25f)), x);
  const auto bits = hn::BitCast(di, normal);
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));  // the bits of √½
  const V f = hn::Sub(hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(exponent))), hn::Set(d, 1.0f));
  return {hn::Sub(hn::ConvertTo(d, exponent), hn::IfThenElseZero(tiny, hn::Set(d, 25.0f))), f,
          hn::Mul(polynomial(d, f, coefficients), hn::Mul(f, f))};
}

/// log x, for finite x > 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log_float(D d, V x) {
  const LogarithmParts<V> parts = logarithm_parts(d, x);
  const V small = hn::MulAdd(parts.exponent, hn::Set(d, -2.12194440e-4f), parts.rest);
  return hn::MulAdd(parts.exponent, hn::Set(d, 0.693359375f), hn::Add(parts.f, small));
}

/// log x / log b, for finite x > 0: log 2 / log b in two parts, the first with few digits, and 1 / log b in two. The
/// error before the last rounding is below half a unit, so whole results are exact.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log_float_to_base(D d, V x, float log_2, float log_2_rest, float factor, float factor_rest) {
  const LogarithmParts<V> parts = logarithm_parts(d, x);
  const V head = hn::Mul(parts.exponent, hn::Set(d, log_2)), product = hn::Mul(parts.f, hn::Set(d, factor));
  const V sum = hn::Add(head, product);
  const V lost = hn::Add(hn::Sub(head, sum), product);  // exact: head is 0 or the larger one
  V tail = hn::MulSub(parts.f, hn::Set(d, factor), product);
  tail = hn::MulAdd(parts.f, hn::Set(d, factor_rest), tail);
  tail = hn::MulAdd(parts.rest, hn::Set(d, factor), tail);
  tail = hn::MulAdd(parts.exponent, hn::Set(d, log_2_rest), tail);
  return hn::Add(sum, hn::Add(lost, tail));
}

/// tanh x: an odd polynomial about 0, elsewhere 1 − 2/(1 + e²ˣ).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh_float(D d, V x) {
  constexpr float coefficients[] = {-0.3333328068f, 0.1333144158f, -0.05373971537f, 0.02063908801f, -0.005704986863f};
  const V one = hn::Set(d, 1.0f), size = hn::Abs(x), square = hn::Mul(x, x);
  const V near = hn::MulAdd(hn::Mul(polynomial(d, square, coefficients), square), x, x);
  const V e = exp_float(d, hn::Add(size, size));
  const V far = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one)));
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.625f)), near, hn::CopySign(far, x));
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
