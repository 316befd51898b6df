// Per target: the exponential that kernels fuse into sums (softmax, logsumexp, losses), which know how large its
// argument can be. All other functions of vectors are in functions-inl.h.

#if defined(SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_
#undef SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_SIMD_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "saw/autograd/kernels/float_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// eˣ for x ≤ 88, −∞ included: what is left of softmax after its maximum has been subtracted. NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_bounded(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(float))
    return exp_float(d, x);
  else
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
