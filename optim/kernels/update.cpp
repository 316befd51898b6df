#include "saw/optim/kernels/update.h"

#include <cstddef>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/optim/kernels/update.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace saw::optim::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The elements from i on, as many as D has lanes.
template <class D>
struct At {
  using T = hn::TFromD<D>;
  std::size_t i;
  HWY_INLINE hn::Vec<D> load(const T* array) const { return hn::LoadU(D(), array + i); }
  HWY_INLINE void store(hn::Vec<D> v, T* array) const { hn::StoreU(v, D(), array + i); }
  HWY_INLINE hn::Vec<D> all(T value) const { return hn::Set(D(), value); }
  HWY_INLINE hn::Vec<D> zero() const { return hn::Zero(D()); }
};

/// Calls f(at) for whole vectors, and for single elements behind them: one body of code serves both.
template <class T, class F>
HWY_INLINE void for_elements(std::int64_t count, F f) {
  using Vectors = hn::ScalableTag<T>;
  const auto size = static_cast<std::size_t>(count);
  const std::size_t lanes = hn::Lanes(Vectors());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) f(At<Vectors>{i});
  for (; i < size; ++i) f(At<hn::CappedTag<T, 1>>{i});
}

/// Calls f with a null pointer of the dtype's number type.
template <class F>
void with_type(DType dtype, F f) {
  if (dtype == float32)
    f(static_cast<float*>(nullptr));
  else
    f(static_cast<double*>(nullptr));
}

template <class T>
T* as(T* /*type*/, void* array) {
  return static_cast<T*>(array);
}
template <class T>
const T* as(T* /*type*/, const void* array) {
  return static_cast<const T*>(array);
}

// ---- the loops ----
// Coefficients are rounded to T first, here and nowhere else.

enum class Momentum { none, plain, nesterov };

template <Momentum kind, class T>
void sgd_loop(const SGDCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* buffer) {
  const T rate = static_cast<T>(c.learning_rate), l2 = static_cast<T>(c.l2), share = static_cast<T>(c.gradient_share);
  const T momentum = static_cast<T>(c.momentum);
  for_elements<T>(size, [=](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    auto direction = hn::MulAdd(at.all(l2), p, at.load(gradient));
    if constexpr (kind != Momentum::none) {
      const auto b = hn::MulAdd(at.all(momentum), at.load(buffer), hn::Mul(at.all(share), direction));
      at.store(b, buffer);
      direction = kind == Momentum::nesterov ? hn::MulAdd(at.all(momentum), b, direction) : b;
    }
    at.store(hn::NegMulAdd(at.all(rate), direction, p), parameter);
  });
}

template <bool amsgrad, class T>
void adam_loop(const AdamCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* mean, T* square,
               T* largest) {
  const T l2 = static_cast<T>(c.l2), decay = static_cast<T>(c.decay), step_size = static_cast<T>(c.step_size);
  const T one_minus_beta1 = static_cast<T>(c.one_minus_beta1), beta2 = static_cast<T>(c.beta2);
  const T one_minus_beta2 = static_cast<T>(c.one_minus_beta2);
  const T root_scale = static_cast<T>(c.root_scale), epsilon = static_cast<T>(c.epsilon);
  for_elements<T>(size, [=](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    const auto g = hn::MulAdd(at.all(l2), p, at.load(gradient));
    const auto m0 = at.load(mean);
    const auto m = hn::MulAdd(at.all(one_minus_beta1), hn::Sub(g, m0), m0);
    const auto v = hn::MulAdd(hn::Mul(at.all(one_minus_beta2), g), g, hn::Mul(at.all(beta2), at.load(square)));
    at.store(m, mean);
    at.store(v, square);
    auto under_root = v;
    if constexpr (amsgrad) {
      under_root = hn::Max(at.load(largest), v);
      at.store(under_root, largest);
    }
    const auto denominator = hn::MulAdd(at.all(root_scale), hn::Sqrt(under_root), at.all(epsilon));
    at.store(hn::NegMulAdd(at.all(step_size), hn::Div(m, denominator), hn::Mul(at.all(decay), p)), parameter);
  });
}

template <bool centered, bool with_momentum, class T>
void rmsprop_loop(const RMSpropCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* square, T* mean,
                  T* buffer) {
  const T rate = static_cast<T>(c.learning_rate), l2 = static_cast<T>(c.l2), epsilon = static_cast<T>(c.epsilon);
  const T alpha = static_cast<T>(c.alpha), one_minus_alpha = static_cast<T>(1 - c.alpha);
  const T momentum = static_cast<T>(c.momentum);
  for_elements<T>(size, [=](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    const auto g = hn::MulAdd(at.all(l2), p, at.load(gradient));
    const auto v = hn::MulAdd(hn::Mul(at.all(one_minus_alpha), g), g, hn::Mul(at.all(alpha), at.load(square)));
    at.store(v, square);
    auto variance = v;
    if constexpr (centered) {
      const auto m0 = at.load(mean);
      const auto m = hn::MulAdd(at.all(one_minus_alpha), hn::Sub(g, m0), m0);
      at.store(m, mean);
      // For a gradient that stays the same the two are equal but for rounding, and may then differ the wrong way.
      variance = hn::Max(hn::NegMulAdd(m, m, v), at.zero());
    }
    auto direction = hn::Div(g, hn::Add(hn::Sqrt(variance), at.all(epsilon)));
    if constexpr (with_momentum) {
      direction = hn::MulAdd(at.all(momentum), at.load(buffer), direction);
      at.store(direction, buffer);
    }
    at.store(hn::NegMulAdd(at.all(rate), direction, p), parameter);
  });
}

template <class T>
void adagrad_loop(const AdagradCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* sum) {
  const T rate = static_cast<T>(c.learning_rate), l2 = static_cast<T>(c.l2), epsilon = static_cast<T>(c.epsilon);
  for_elements<T>(size, [=](auto at) HWY_ATTR {
    const auto p = at.load(parameter);
    const auto g = hn::MulAdd(at.all(l2), p, at.load(gradient));
    const auto s = hn::MulAdd(g, g, at.load(sum));
    at.store(s, sum);
    at.store(hn::NegMulAdd(at.all(rate), hn::Div(g, hn::Add(hn::Sqrt(s), at.all(epsilon))), p), parameter);
  });
}

template <class T>
void lion_loop(const LionCoefficients& c, std::int64_t size, const T* gradient, T* parameter, T* mean) {
  const T rate = static_cast<T>(c.learning_rate), decay = static_cast<T>(c.decay);
  const T one_minus_beta1 = static_cast<T>(c.one_minus_beta1), one_minus_beta2 = static_cast<T>(c.one_minus_beta2);
  for_elements<T>(size, [=](auto at) HWY_ATTR {
    const auto m = at.load(mean);
    const auto difference = hn::Sub(at.load(gradient), m);
    const auto direction = hn::MulAdd(at.all(one_minus_beta1), difference, m);
    // What a NaN is compared with is false: it would move nothing, and stay hidden.
    const auto number = hn::Eq(direction, direction);
    const auto up = hn::IfThenElseZero(hn::Gt(direction, at.zero()), at.all(rate));
    const auto down = hn::IfThenElseZero(hn::Lt(direction, at.zero()), at.all(rate));
    const auto step = hn::IfThenElse(number, hn::Sub(up, down), direction);
    at.store(hn::MulAdd(at.all(one_minus_beta2), difference, m), mean);
    // One operation, rounded once: left as two, compilers fuse them in some widths of vector and not in others.
    at.store(hn::MulSub(at.all(decay), at.load(parameter), step), parameter);
  });
}

// ---- which loop ----

void sgd_any(const SGDCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
             void* buffer) {
  with_type(dtype, [&](auto type) {
    const auto loop = buffer == nullptr ? sgd_loop<Momentum::none, std::remove_pointer_t<decltype(type)>>
                      : c.nesterov      ? sgd_loop<Momentum::nesterov, std::remove_pointer_t<decltype(type)>>
                                        : sgd_loop<Momentum::plain, std::remove_pointer_t<decltype(type)>>;
    loop(c, size, as(type, gradient), as(type, parameter), as(type, buffer));
  });
}

void adam_any(const AdamCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
              void* mean, void* square, void* largest) {
  with_type(dtype, [&](auto type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const auto loop = largest != nullptr ? adam_loop<true, T> : adam_loop<false, T>;
    loop(c, size, as(type, gradient), as(type, parameter), as(type, mean), as(type, square), as(type, largest));
  });
}

void rmsprop_any(const RMSpropCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
                 void* square, void* mean, void* buffer) {
  with_type(dtype, [&](auto type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const auto centered = buffer != nullptr ? rmsprop_loop<true, true, T> : rmsprop_loop<true, false, T>;
    const auto plain = buffer != nullptr ? rmsprop_loop<false, true, T> : rmsprop_loop<false, false, T>;
    (mean != nullptr ? centered : plain)(c, size, as(type, gradient), as(type, parameter), as(type, square),
                                         as(type, mean), as(type, buffer));
  });
}

void adagrad_any(const AdagradCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
                 void* sum) {
  with_type(dtype, [&](auto type) { adagrad_loop(c, size, as(type, gradient), as(type, parameter), as(type, sum)); });
}

void lion_any(const LionCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
              void* mean) {
  with_type(dtype, [&](auto type) { lion_loop(c, size, as(type, gradient), as(type, parameter), as(type, mean)); });
}

}  // namespace saw::optim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::optim::kernels {
namespace {

HWY_EXPORT(sgd_any);
HWY_EXPORT(adam_any);
HWY_EXPORT(rmsprop_any);
HWY_EXPORT(adagrad_any);
HWY_EXPORT(lion_any);

}  // namespace

void sgd(const SGDCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
         void* buffer) {
  HWY_DYNAMIC_DISPATCH(sgd_any)(c, dtype, size, gradient, parameter, buffer);
}
void adam(const AdamCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter, void* mean,
          void* square, void* largest) {
  HWY_DYNAMIC_DISPATCH(adam_any)(c, dtype, size, gradient, parameter, mean, square, largest);
}
void rmsprop(const RMSpropCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
             void* square, void* mean, void* buffer) {
  HWY_DYNAMIC_DISPATCH(rmsprop_any)(c, dtype, size, gradient, parameter, square, mean, buffer);
}
void adagrad(const AdagradCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
             void* sum) {
  HWY_DYNAMIC_DISPATCH(adagrad_any)(c, dtype, size, gradient, parameter, sum);
}
void lion(const LionCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
          void* mean) {
  HWY_DYNAMIC_DISPATCH(lion_any)(c, dtype, size, gradient, parameter, mean);
}

}  // namespace saw::optim::kernels
#endif
