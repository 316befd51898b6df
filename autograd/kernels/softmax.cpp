#include "saw/autograd/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/softmax.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// Σ exp(x − max) along a row whose maximum is known.
template <class T>
double sum_exp(const T* x, std::size_t columns, T maximum) {
  const hn::ScalableTag<T> d;
  const auto m = hn::Set(d, maximum);
  return sum_row(d, columns, [&](auto at) HWY_ATTR { return exp_bounded(d, hn::Sub(at.load(x), m)); });
}

template <class T>
T row_max(const T* x, std::size_t columns) {
  const hn::ScalableTag<T> d;
  return max_row(d, columns, -std::numeric_limits<T>::infinity(), [x](auto at) HWY_ATTR { return at.load(x); });
}

template <class T>
void softmax_row(const T* x, std::size_t columns, T* y) {
  const hn::ScalableTag<T> d;
  const T maximum = row_max(x, columns);
  if (!(std::abs(maximum) <= std::numeric_limits<T>::max())) {
    std::fill_n(y, columns, maximum < 0 ? T{0} : std::numeric_limits<T>::quiet_NaN());
    return;
  }
  const auto m = hn::Set(d, maximum);
  const double sum = sum_row(d, columns, [&](auto at) HWY_ATTR {
    const auto e = exp_bounded(d, hn::Sub(at.load(x), m));
    at.store(e, y);
    return e;
  });
  const auto scale = hn::Set(d, static_cast<T>(1.0 / sum));
  for_row(d, columns, [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(y), scale), y); });
}

template <class T>
void softmax_backward_row(const T* y, const T* dy, std::size_t columns, T* dx) {
  const hn::ScalableTag<T> d;
  const double sum = sum_row(d, columns, [&](auto at) HWY_ATTR { return hn::Mul(at.load(y), at.load(dy)); });
  const auto s = hn::Set(d, static_cast<T>(sum));
  for_row(d, columns, [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(y), hn::Sub(at.load(dy), s)), dx); });
}

template <class T>
void log_softmax_row(const T* x, std::size_t columns, T* y) {
  const hn::ScalableTag<T> d;
  const T maximum = row_max(x, columns);
  if (!(std::abs(maximum) <= std::numeric_limits<T>::max())) {
    std::fill_n(y, columns, maximum < 0 ? maximum : std::numeric_limits<T>::quiet_NaN());
    return;
  }
  // Two subtractions: max + log Σ in one number would lose the low bits of the logarithm beside a large maximum.
  const auto m = hn::Set(d, maximum);
  const auto log_sum = hn::Set(d, static_cast<T>(std::log(sum_exp(x, columns, maximum))));
  for_row(d, columns, [&](auto at) HWY_ATTR { at.store(hn::Sub(hn::Sub(at.load(x), m), log_sum), y); });
}

template <class T>
void log_softmax_backward_row(const T* y, const T* dy, std::size_t columns, T* dx) {
  const hn::ScalableTag<T> d;
  const auto s = hn::Set(d, static_cast<T>(sum_row(d, columns, [&](auto at) HWY_ATTR { return at.load(dy); })));
  for_row(d, columns, [&](auto at) HWY_ATTR {
    const auto log_p = at.load(y);
    const auto p = exp_bounded(d, log_p);
    at.store(hn::NegMulAdd(p, s, at.load(dy)), dx);
  });
}

template <class T>
void cross_entropy_rows(const CrossEntropy<T>& problem, std::int64_t begin, std::int64_t end, T* losses, T* sums) {
  const hn::ScalableTag<T> d;
  const auto columns = static_cast<std::size_t>(problem.columns);
  const T* weight = problem.weight;
  const double share = problem.smoothing / static_cast<double>(problem.columns);
  const double weight_sum = weight == nullptr ? static_cast<double>(columns)
                                              : sum_row(d, columns, [&](auto at) HWY_ATTR { return at.load(weight); });
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t target = problem.targets[r];
    losses[r] = 0;
    sums[r] = 1;
    if (target == problem.ignore_index) continue;
    const T* x = problem.logits + r * problem.columns;
    const T maximum = row_max(x, columns);
    const double sum = sum_exp(x, columns, maximum), log_sum = std::log(sum);
    sums[r] = static_cast<T>(sum);
    const double own_weight = weight == nullptr ? 1.0 : static_cast<double>(weight[target]);
    double loss = (1.0 - problem.smoothing) * own_weight *
                  (static_cast<double>(maximum) - static_cast<double>(x[target]) + log_sum);
    if (share > 0) {
      const auto m = hn::Set(d, maximum);
      const double distance =
          weight == nullptr
              ? sum_row(d, columns, [&](auto at) HWY_ATTR { return hn::Sub(m, at.load(x)); })
              : sum_row(d, columns, [&](auto at) HWY_ATTR { return hn::Mul(at.load(weight), hn::Sub(m, at.load(x))); });
      loss += share * (distance + weight_sum * log_sum);
    }
    losses[r] = static_cast<T>(loss);
  }
}

/// With p the softmax, W the sum of the weights and g the gradient of the row's loss:
/// dx[c] = g·((1 − ε)·w[t]·(p[c] − [c = t]) + ε/C·(W·p[c] − w[c])).
template <class T>
void cross_entropy_backward_rows(const CrossEntropy<T>& problem, const T* sums, const T* dlosses, T scale,
                                 std::int64_t begin, std::int64_t end, T* dlogits) {
  const hn::ScalableTag<T> d;
  const auto columns = static_cast<std::size_t>(problem.columns);
  const T* weight = problem.weight;
  const double share = problem.smoothing / static_cast<double>(problem.columns);
  const double weight_sum = weight == nullptr ? static_cast<double>(columns)
                                              : sum_row(d, columns, [&](auto at) HWY_ATTR { return at.load(weight); });
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t target = problem.targets[r];
    T* dx = dlogits + r * problem.columns;
    if (target == problem.ignore_index) {
      std::fill_n(dx, columns, T{0});
      continue;
    }
    const T* x = problem.logits + r * problem.columns;
    const T maximum = row_max(x, columns);
    if (!(std::abs(maximum) <= std::numeric_limits<T>::max())) {
      std::fill_n(dx, columns, std::numeric_limits<T>::quiet_NaN());
      continue;
    }
    const double g = static_cast<double>(dlosses == nullptr ? scale : dlosses[r]);
    const double own = (1.0 - problem.smoothing) * (weight == nullptr ? 1.0 : static_cast<double>(weight[target]));
    const auto m = hn::Set(d, maximum);
    const auto a = hn::Set(d, static_cast<T>(g * (own + share * weight_sum) / static_cast<double>(sums[r])));
    const auto b = hn::Set(d, static_cast<T>(g * share));
    if (weight == nullptr)
      for_row(d, columns,
              [&](auto at) HWY_ATTR { at.store(hn::MulSub(a, exp_bounded(d, hn::Sub(at.load(x), m)), b), dx); });
    else
      for_row(d, columns, [&](auto at) HWY_ATTR {
        at.store(hn::MulSub(a, exp_bounded(d, hn::Sub(at.load(x), m)), hn::Mul(b, at.load(weight))), dx);
      });
    dx[target] -= static_cast<T>(g * own);
  }
}

template <class T>
void softmax_rows(const T* x, std::int64_t begin, std::int64_t end, std::int64_t columns, T* y) {
  for (std::int64_t i = begin; i < end; ++i)
    softmax_row(x + i * columns, static_cast<std::size_t>(columns), y + i * columns);
}

template <class T>
void softmax_backward_rows(const T* y, const T* dy, std::int64_t begin, std::int64_t end, std::int64_t columns, T* dx) {
  for (std::int64_t i = begin; i < end; ++i)
    softmax_backward_row(y + i * columns, dy + i * columns, static_cast<std::size_t>(columns), dx + i * columns);
}

template <class T>
void log_softmax_rows(const T* x, std::int64_t begin, std::int64_t end, std::int64_t columns, T* y) {
  for (std::int64_t i = begin; i < end; ++i)
    log_softmax_row(x + i * columns, static_cast<std::size_t>(columns), y + i * columns);
}

template <class T>
void log_softmax_backward_rows(const T* y, const T* dy, std::int64_t begin, std::int64_t end, std::int64_t columns,
                               T* dx) {
  for (std::int64_t i = begin; i < end; ++i)
    log_softmax_backward_row(y + i * columns, dy + i * columns, static_cast<std::size_t>(columns), dx + i * columns);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// An exponential costs as much as a few simple operations.
std::int64_t grain(std::int64_t columns) {
  return std::max<std::int64_t>(1, 8192 / std::max<std::int64_t>(columns, 1));
}

}  // namespace

template <class T>
void softmax_forward(const T* x, std::int64_t rows, std::int64_t columns, T* y) {
  parallel_for(0, rows, grain(columns), [=](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(softmax_rows<T>)(x, begin, end, columns, y);
  });
}

template <class T>
void softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx) {
  parallel_for(0, rows, grain(columns), [=](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(softmax_backward_rows<T>)(y, dy, begin, end, columns, dx);
  });
}

template <class T>
void log_softmax_forward(const T* x, std::int64_t rows, std::int64_t columns, T* y) {
  parallel_for(0, rows, grain(columns), [=](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(log_softmax_rows<T>)(x, begin, end, columns, y);
  });
}

template <class T>
void log_softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx) {
  parallel_for(0, rows, grain(columns), [=](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(log_softmax_backward_rows<T>)(y, dy, begin, end, columns, dx);
  });
}

template <class T>
void cross_entropy_forward(const CrossEntropy<T>& problem, T* losses, T* sums) {
  parallel_for(0, problem.rows, grain(problem.columns), [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(cross_entropy_rows<T>)(problem, begin, end, losses, sums);
  });
}

template <class T>
void cross_entropy_backward(const CrossEntropy<T>& problem, const T* sums, const T* dlosses, T scale, T* dlogits) {
  parallel_for(0, problem.rows, grain(problem.columns), [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(cross_entropy_backward_rows<T>)(problem, sums, dlosses, scale, begin, end, dlogits);
  });
}

#define SAW_INSTANTIATE(T)                                                                   \
  template void softmax_forward<T>(const T*, std::int64_t, std::int64_t, T*);                \
  template void softmax_backward<T>(const T*, const T*, std::int64_t, std::int64_t, T*);     \
  template void log_softmax_forward<T>(const T*, std::int64_t, std::int64_t, T*);            \
  template void log_softmax_backward<T>(const T*, const T*, std::int64_t, std::int64_t, T*); \
  template void cross_entropy_forward<T>(const CrossEntropy<T>&, T*, T*);                    \
  template void cross_entropy_backward<T>(const CrossEntropy<T>&, const T*, const T*, T, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
