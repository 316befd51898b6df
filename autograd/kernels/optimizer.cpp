#include "saw/autograd/kernels/optimizer.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/optimizer.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// A coefficient in every lane, rounded to T only here.
template <class D>
HWY_INLINE hn::Vec<D> all_lanes(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

template <class T>
void sgd_loop(const SGDCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* buffer) {
  const hn::ScalableTag<T> d;
  const auto rate = all_lanes(d, c.learning_rate), l2 = all_lanes(d, c.l2), momentum = all_lanes(d, c.momentum);
  const auto share = all_lanes(d, c.gradient_share);
  const auto count = static_cast<std::size_t>(size);
  if (buffer == nullptr) {
    for_row(d, count, [&](auto at) HWY_ATTR {
      const auto p = at.load(parameter);
      const auto g = hn::MulAdd(l2, p, at.load(gradient));
      at.store(hn::NegMulAdd(rate, g, p), parameter);
    });
  } else if (c.nesterov) {
    for_row(d, count, [&](auto at) HWY_ATTR {
      const auto p = at.load(parameter);
      const auto g = hn::MulAdd(l2, p, at.load(gradient));
      const auto b = hn::MulAdd(momentum, at.load(buffer), hn::Mul(share, g));
      at.store(b, buffer);
      at.store(hn::NegMulAdd(rate, hn::MulAdd(momentum, b, g), p), parameter);
    });
  } else {
    for_row(d, count, [&](auto at) HWY_ATTR {
      const auto p = at.load(parameter);
      const auto g = hn::MulAdd(l2, p, at.load(gradient));
      const auto b = hn::MulAdd(momentum, at.load(buffer), hn::Mul(share, g));
      at.store(b, buffer);
      at.store(hn::NegMulAdd(rate, b, p), parameter);
    });
  }
}

template <bool amsgrad, class T>
void adam_loop(const AdamCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* mean, T* square,
               T* largest) {
  const hn::ScalableTag<T> d;
  const auto l2 = all_lanes(d, c.l2), decay = all_lanes(d, c.decay), step_size = all_lanes(d, c.step_size);
  const auto one_minus_beta1 = all_lanes(d, c.one_minus_beta1);
  const auto beta2 = all_lanes(d, c.beta2), one_minus_beta2 = all_lanes(d, c.one_minus_beta2);
  const auto root_scale = all_lanes(d, c.root_scale), epsilon = all_lanes(d, c.epsilon);
  for_row(d, static_cast<std::size_t>(size), [&](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    const auto g = hn::MulAdd(l2, p, at.load(gradient));
    const auto m0 = at.load(mean);
    const auto m = hn::MulAdd(one_minus_beta1, hn::Sub(g, m0), m0);
    const auto v = hn::MulAdd(hn::Mul(one_minus_beta2, g), g, hn::Mul(beta2, at.load(square)));
    at.store(m, mean);
    at.store(v, square);
    auto under_root = v;
    if constexpr (amsgrad) {
      under_root = hn::Max(at.load(largest), v);
      at.store(under_root, largest);
    }
    const auto denominator = hn::MulAdd(root_scale, hn::Sqrt(under_root), epsilon);
    at.store(hn::NegMulAdd(step_size, hn::Div(m, denominator), hn::Mul(decay, p)), parameter);
  });
}

template <bool centered, bool momentum, class T>
void rmsprop_loop(const RMSpropCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* square, T* mean,
                  T* buffer) {
  const hn::ScalableTag<T> d;
  const auto rate = all_lanes(d, c.learning_rate), l2 = all_lanes(d, c.l2), epsilon = all_lanes(d, c.epsilon);
  const auto alpha = all_lanes(d, c.alpha), one_minus_alpha = all_lanes(d, 1 - c.alpha);
  const auto persistence = all_lanes(d, c.momentum);
  for_row(d, static_cast<std::size_t>(size), [&](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    const auto g = hn::MulAdd(l2, p, at.load(gradient));
    const auto v = hn::MulAdd(hn::Mul(one_minus_alpha, g), g, hn::Mul(alpha, at.load(square)));
    at.store(v, square);
    auto variance = v;
    if constexpr (centered) {
      const auto m0 = at.load(mean);
      const auto m = hn::MulAdd(one_minus_alpha, hn::Sub(g, m0), m0);
      at.store(m, mean);
      // For a gradient that stays the same the two are equal but for rounding, and may then differ the wrong way.
      variance = hn::Max(hn::NegMulAdd(m, m, v), hn::Zero(d));
    }
    auto direction = hn::Div(g, hn::Add(hn::Sqrt(variance), epsilon));
    if constexpr (momentum) {
      direction = hn::MulAdd(persistence, at.load(buffer), direction);
      at.store(direction, buffer);
    }
    at.store(hn::NegMulAdd(rate, direction, p), parameter);
  });
}

template <class T>
void adagrad_loop(const AdagradCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* sum) {
  const hn::ScalableTag<T> d;
  const auto rate = all_lanes(d, c.learning_rate), l2 = all_lanes(d, c.l2), epsilon = all_lanes(d, c.epsilon);
  for_row(d, static_cast<std::size_t>(size), [&](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    const auto g = hn::MulAdd(l2, p, at.load(gradient));
    const auto s = hn::MulAdd(g, g, at.load(sum));
    at.store(s, sum);
    at.store(hn::NegMulAdd(rate, hn::Div(g, hn::Add(hn::Sqrt(s), epsilon)), p), parameter);
  });
}

template <class T>
void adam_any(const AdamCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* mean, T* square,
              T* largest) {
  if (largest != nullptr)
    adam_loop<true>(c, size, gradient, parameter, mean, square, largest);
  else
    adam_loop<false>(c, size, gradient, parameter, mean, square, largest);
}

template <class T>
void rmsprop_any(const RMSpropCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* square, T* mean,
                 T* buffer) {
  if (mean != nullptr && buffer != nullptr)
    rmsprop_loop<true, true>(c, size, gradient, parameter, square, mean, buffer);
  else if (mean != nullptr)
    rmsprop_loop<true, false>(c, size, gradient, parameter, square, mean, buffer);
  else if (buffer != nullptr)
    rmsprop_loop<false, true>(c, size, gradient, parameter, square, mean, buffer);
  else
    rmsprop_loop<false, false>(c, size, gradient, parameter, square, mean, buffer);
}

void sgd_float(const SGDCoefficients& c, std::int64_t size, const float* g, float* p, float* buffer) {
  sgd_loop(c, size, g, p, buffer);
}
void sgd_double(const SGDCoefficients& c, std::int64_t size, const double* g, double* p, double* buffer) {
  sgd_loop(c, size, g, p, buffer);
}
void adam_float(const AdamCoefficients& c, std::int64_t size, const float* g, float* p, float* mean, float* square,
                float* largest) {
  adam_any(c, size, g, p, mean, square, largest);
}
void adam_double(const AdamCoefficients& c, std::int64_t size, const double* g, double* p, double* mean, double* square,
                 double* largest) {
  adam_any(c, size, g, p, mean, square, largest);
}
void rmsprop_float(const RMSpropCoefficients& c, std::int64_t size, const float* g, float* p, float* square,
                   float* mean, float* buffer) {
  rmsprop_any(c, size, g, p, square, mean, buffer);
}
void rmsprop_double(const RMSpropCoefficients& c, std::int64_t size, const double* g, double* p, double* square,
                    double* mean, double* buffer) {
  rmsprop_any(c, size, g, p, square, mean, buffer);
}
void adagrad_float(const AdagradCoefficients& c, std::int64_t size, const float* g, float* p, float* sum) {
  adagrad_loop(c, size, g, p, sum);
}
void adagrad_double(const AdagradCoefficients& c, std::int64_t size, const double* g, double* p, double* sum) {
  adagrad_loop(c, size, g, p, sum);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

HWY_EXPORT(sgd_float);
HWY_EXPORT(sgd_double);
HWY_EXPORT(adam_float);
HWY_EXPORT(adam_double);
HWY_EXPORT(rmsprop_float);
HWY_EXPORT(rmsprop_double);
HWY_EXPORT(adagrad_float);
HWY_EXPORT(adagrad_double);

}  // namespace

void sgd(const SGDCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* buffer) {
  HWY_DYNAMIC_DISPATCH(sgd_float)(c, size, gradient, parameter, buffer);
}
void sgd(const SGDCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* buffer) {
  HWY_DYNAMIC_DISPATCH(sgd_double)(c, size, gradient, parameter, buffer);
}
void adam(const AdamCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* mean,
          float* square, float* largest) {
  HWY_DYNAMIC_DISPATCH(adam_float)(c, size, gradient, parameter, mean, square, largest);
}
void adam(const AdamCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* mean,
          double* square, double* largest) {
  HWY_DYNAMIC_DISPATCH(adam_double)(c, size, gradient, parameter, mean, square, largest);
}
void rmsprop(const RMSpropCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* square,
             float* mean, float* buffer) {
  HWY_DYNAMIC_DISPATCH(rmsprop_float)(c, size, gradient, parameter, square, mean, buffer);
}
void rmsprop(const RMSpropCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* square,
             double* mean, double* buffer) {
  HWY_DYNAMIC_DISPATCH(rmsprop_double)(c, size, gradient, parameter, square, mean, buffer);
}
void adagrad(const AdagradCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* sum) {
  HWY_DYNAMIC_DISPATCH(adagrad_float)(c, size, gradient, parameter, sum);
}
void adagrad(const AdagradCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* sum) {
  HWY_DYNAMIC_DISPATCH(adagrad_double)(c, size, gradient, parameter, sum);
}

}  // namespace saw::kernels
#endif
