// Per-target float32 functions of vectors, for kernels that fuse them (activations, softmax, attention, norms).
// Beside Highway's own math they keep IEEE's conventions: NaN in, NaN out; infinities where the limit is one.
//
//   HWY_BEFORE_NAMESPACE();
//   namespace saw::kernels::HWY_NAMESPACE { … sigmoid(d, x) … }
//   HWY_AFTER_NAMESPACE();

#if defined(SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_
#undef SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_
#endif

#include <limits>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// eˣ, within 2 ulp; results below the smallest normal number may be 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp(D d, V x) {
  // e⁸⁹ overflows as it should; far above, Highway's integer exponent would wrap around.
  const V y = hn::Exp(d, hn::Min(x, hn::Set(d, 89.0f)));
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// eˣ for finite x ≤ 88, or −∞: what is left of softmax after its maximum has been subtracted.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_bounded(D d, V x) {
  return hn::Exp(d, x);
}

/// log x, within 2 ulp; −∞ at 0, NaN below.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log(D d, V x) {
  const V infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  const V nan = hn::Set(d, std::numeric_limits<float>::quiet_NaN());
  const V zero = hn::Zero(d);
  const V special = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), hn::IfThenElse(hn::Eq(x, infinity), x, nan));
  return hn::IfThenElse(hn::And(hn::Gt(x, zero), hn::Lt(x, infinity)), hn::Log(d, x), special);
}

/// log(1 + x) for x ≥ 0 (or NaN), within 4 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log1p_positive(D d, V x) {
  return hn::Log1p(d, x);
}

/// tanh x, within 4 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh(D d, V x) {
  return hn::Tanh(d, x);
}

/// 1 / (1 + e⁻ˣ), within 4 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, exp(d, hn::Neg(x))));
}

/// The error function, within 8 ulp. Odd, and 1 in float32 from 3.85 on; below, x·P(x²)/Q(x²) with a relative
/// error of 1.5e-8 (weighted least squares towards the minimax fit), so that what is seen is the rounding.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V erf(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V limit = hn::Set(d, 3.85f);
  const V a = hn::Min(hn::Abs(x), limit);
  const V t = hn::Mul(a, a);
  V p = hn::Set(d, 2.108256e-06f);
  p = hn::MulAdd(p, t, hn::Set(d, 0.00028567660f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.0036740317f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.05248002f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.18790013f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.1283791f));
  V q = hn::Set(d, 3.8731763e-05f);
  q = hn::MulAdd(q, t, hn::Set(d, 0.0011455246f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.014785097f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.11312996f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.49985504f));
  q = hn::MulAdd(q, t, one);
  const V y = hn::IfThenElse(hn::Lt(a, limit), hn::Min(hn::Div(hn::Mul(a, p), q), one), one);
  return hn::IfThenElse(hn::IsNaN(x), x, hn::CopySign(y, x));
}

/// log(1 + eˣ), within 4 ulp, without overflow.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V softplus(D d, V x) {
  return hn::Add(hn::ZeroIfNegative(x), log1p_positive(d, exp(d, hn::Neg(hn::Abs(x)))));
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
