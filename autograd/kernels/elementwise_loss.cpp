#include "saw/autograd/kernels/elementwise_loss.h"

#include <algorithm>
#include <vector>

#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/elementwise_loss.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

// Each formula once: the value, and the derivatives by input and target.

struct SquaredError {
  template <class D, class V>
  HWY_INLINE V value(D, V x, V t) const {
    const V distance = hn::Sub(x, t);
    return hn::Mul(distance, distance);
  }
  template <class D, class V>
  HWY_INLINE V by_input(D, V x, V t) const {
    const V distance = hn::Sub(x, t);
    return hn::Add(distance, distance);
  }
  template <class D, class V>
  HWY_INLINE V by_target(D d, V x, V t) const {
    return hn::Neg(by_input(d, x, t));
  }
};

struct AbsoluteError {
  template <class D, class V>
  HWY_INLINE V value(D, V x, V t) const {
    return hn::Abs(hn::Sub(x, t));
  }
  /// The sign of the distance, 0 at 0 and NaN at NaN.
  template <class D, class V>
  HWY_INLINE V by_input(D d, V x, V t) const {
    const V distance = hn::Sub(x, t);
    const auto ordered = hn::Gt(hn::Abs(distance), hn::Zero(d));
    return hn::IfThenElse(ordered, hn::CopySign(hn::Set(d, 1), distance), distance);
  }
  template <class D, class V>
  HWY_INLINE V by_target(D d, V x, V t) const {
    return hn::Neg(by_input(d, x, t));
  }
};

template <class T>
struct HuberLoss {
  T delta;

  template <class D, class V>
  HWY_INLINE V value(D d, V x, V t) const {
    const V a = hn::Abs(hn::Sub(x, t)), limit = hn::Set(d, delta), half = hn::Set(d, static_cast<T>(0.5));
    const V near = hn::Mul(hn::Mul(half, a), a), far = hn::Mul(limit, hn::NegMulAdd(half, limit, a));
    return hn::IfThenElse(hn::Gt(a, limit), far, near);
  }
  template <class D, class V>
  HWY_INLINE V by_input(D d, V x, V t) const {
    const V distance = hn::Sub(x, t), limit = hn::Set(d, delta);
    return hn::IfThenElse(hn::Gt(hn::Abs(distance), limit), hn::CopySign(limit, distance), distance);
  }
  template <class D, class V>
  HWY_INLINE V by_target(D d, V x, V t) const {
    return hn::Neg(by_input(d, x, t));
  }
};

struct BinaryCrossEntropy {
  /// Both terms are of one sign, so that nothing cancels: (1 − t)·x for x > 0, −t·x below, and log(1 + e^−|x|).
  template <class D, class V>
  HWY_INLINE V value(D d, V x, V t) const {
    const V linear =
        hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Mul(hn::Sub(hn::Set(d, 1), t), x), hn::NegMulAdd(t, x, hn::Zero(d)));
    return hn::Add(linear, hn::Log1p(d, exp_of_distance(d, x)));
  }
  /// σ(x) − t as (1 − t)·σ(x) − t·σ(−x): exact where either is small.
  template <class D, class V>
  HWY_INLINE V by_input(D d, V x, V t) const {
    const V one = hn::Set(d, 1), e = exp_of_distance(d, x), large = hn::Div(one, hn::Add(one, e)),
            small = hn::Mul(e, large);
    const auto positive = hn::Gt(x, hn::Zero(d));
    const V at_x = hn::IfThenElse(positive, large, small), at_minus_x = hn::IfThenElse(positive, small, large);
    return hn::NegMulAdd(t, at_minus_x, hn::Mul(hn::Sub(one, t), at_x));
  }
  template <class D, class V>
  HWY_INLINE V by_target(D, V x, V) const {
    return hn::Neg(x);
  }

 private:
  /// e^−|x|; NaN stays.
  template <class D, class V>
  HWY_INLINE V exp_of_distance(D d, V x) const {
    return exp_bounded(d, hn::Neg(hn::Abs(x)));
  }
};

/// Calls f(formula) for the loss that the operands name.
template <class T, class F>
HWY_INLINE void with_formula(const LossOperands<T>& operands, F f) {
  switch (operands.loss) {
    case ElementwiseLoss::squared:
      return f(SquaredError());
    case ElementwiseLoss::absolute:
      return f(AbsoluteError());
    case ElementwiseLoss::huber:
      return f(HuberLoss<T>{operands.delta});
    case ElementwiseLoss::binary_cross_entropy:
      return f(BinaryCrossEntropy());
  }
}

template <class T>
void values_of_losses(const LossOperands<T>& operands, std::int64_t begin, std::int64_t end, T* values) {
  const hn::ScalableTag<T> d;
  const T* input = operands.input + begin;
  const T* target = operands.target + begin;
  T* to = values + begin;
  with_formula(operands, [&](auto formula) HWY_ATTR {
    for_row(d, static_cast<std::size_t>(end - begin),
            [&](auto at) HWY_ATTR { at.store(formula.value(d, at.load(input), at.load(target)), to); });
  });
}

template <class T>
void sum_of_losses(const LossOperands<T>& operands, std::int64_t begin, std::int64_t end, double* sum) {
  const hn::ScalableTag<T> d;
  const T* input = operands.input + begin;
  const T* target = operands.target + begin;
  with_formula(operands, [&](auto formula) HWY_ATTR {
    *sum = sum_row(d, static_cast<std::size_t>(end - begin),
                   [&](auto at) HWY_ATTR { return formula.value(d, at.load(input), at.load(target)); });
  });
}

template <class T>
void derivatives_of_losses(const LossOperands<T>& operands, const T* dlosses, T scale, std::int64_t begin,
                           std::int64_t end, T* dinput, T* dtarget) {
  const hn::ScalableTag<T> d;
  const auto size = static_cast<std::size_t>(end - begin);
  const T* input = operands.input + begin;
  const T* target = operands.target + begin;
  const auto factor = hn::Set(d, scale);
  const auto upstream = [&](auto at) HWY_ATTR {
    return dlosses == nullptr ? factor : hn::Mul(factor, at.load(dlosses + begin));
  };
  with_formula(operands, [&](auto formula) HWY_ATTR {
    if (dinput != nullptr)
      for_row(d, size, [&](auto at) HWY_ATTR {
        at.store(hn::Mul(upstream(at), formula.by_input(d, at.load(input), at.load(target))), dinput + begin);
      });
    if (dtarget != nullptr)
      for_row(d, size, [&](auto at) HWY_ATTR {
        at.store(hn::Mul(upstream(at), formula.by_target(d, at.load(input), at.load(target))), dtarget + begin);
      });
  });
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

constexpr std::int64_t grain = 1 << 14;  // elements per chunk

}  // namespace

template <class T>
void loss_values(const LossOperands<T>& operands, T* values) {
  parallel_for(0, operands.size, grain, [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(values_of_losses<T>)(operands, begin, end, values);
  });
}

template <class T>
double loss_sum(const LossOperands<T>& operands) {
  std::vector<double> sums(static_cast<std::size_t>((operands.size + grain - 1) / grain), 0.0);
  parallel_for(0, operands.size, grain, [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(sum_of_losses<T>)(operands, begin, end, &sums[static_cast<std::size_t>(begin / grain)]);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

template <class T>
void loss_backward(const LossOperands<T>& operands, const T* dlosses, T scale, T* dinput, T* dtarget) {
  parallel_for(0, operands.size, grain, [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(derivatives_of_losses<T>)(operands, dlosses, scale, begin, end, dinput, dtarget);
  });
}

#define SAW_INSTANTIATE(T)                                  \
  template void loss_values<T>(const LossOperands<T>&, T*); \
  template double loss_sum<T>(const LossOperands<T>&);      \
  template void loss_backward<T>(const LossOperands<T>&, const T*, T, T*, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
