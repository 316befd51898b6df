#include "saw/autograd/kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/reduce.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/norm.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/targets.h"

#ifndef SAW_AUTOGRAD_KERNELS_NORM_CPP_
#define SAW_AUTOGRAD_KERNELS_NORM_CPP_
namespace saw::kernels {
namespace {

/// The arguments of all four kernels; mean is null for rms_norm.
template <class T>
struct NormRows {
  const T* x;
  const T* weight;
  const T* bias;
  std::int64_t columns;
  double epsilon;
  T* y;
  T* mean;
  T* rstd;
};

template <class T>
struct NormBackwardRows {
  const T* x;
  const T* weight;
  const T* mean;
  const T* rstd;
  const T* dy;
  std::int64_t columns;
  T* dx;
  T* dweight;  // (columns) of this block of rows, or null
  T* dbias;
};

}  // namespace
}  // namespace saw::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// What is subtracted before the mean: a row's mean is kept relative to its first element, so that an offset that all
/// its elements share costs no digits (and a row of equal elements gives exactly 0).
template <class T>
T first_of(const T* row, std::size_t columns, const T* mean) {
  return mean != nullptr && columns > 0 ? row[0] : T{0};
}

template <class T>
void norm_rows(const NormRows<T>& rows, std::int64_t begin, std::int64_t end) {
  const hn::ScalableTag<T> d;
  const auto columns = static_cast<std::size_t>(rows.columns);
  const double count = static_cast<double>(rows.columns);
  const T* weight = rows.weight;
  const T* bias = rows.bias;
  for (std::int64_t r = begin; r < end; ++r) {
    const T* x = rows.x + r * rows.columns;
    T* y = rows.y + r * rows.columns;
    const auto first = hn::Set(d, first_of(x, columns, rows.mean));
    T mean = 0;
    if (rows.mean != nullptr) {
      mean = static_cast<T>(sum_row(d, columns, [&](auto at) HWY_ATTR { return hn::Sub(at.load(x), first); }) / count);
      rows.mean[r] = mean;
    }
    const auto m = hn::Set(d, mean);
    const auto centred = [&](auto at) HWY_ATTR { return hn::Sub(hn::Sub(at.load(x), first), m); };
    const double squares = sum_row(d, columns, [&](auto at) HWY_ATTR {
      const auto v = centred(at);
      return hn::Mul(v, v);
    });
    const T rstd = static_cast<T>(1.0 / std::sqrt(squares / count + rows.epsilon));
    rows.rstd[r] = rstd;
    const auto s = hn::Set(d, rstd);
    if (weight != nullptr && bias != nullptr)
      for_row(d, columns, [&](auto at) HWY_ATTR {
        const auto x_hat = hn::Mul(centred(at), s);
        at.store(hn::MulAdd(x_hat, at.load(weight), at.load(bias)), y);
      });
    else
      for_row(d, columns, [&](auto at) HWY_ATTR {
        auto v = hn::Mul(centred(at), s);
        if (weight != nullptr) v = hn::Mul(v, at.load(weight));
        if (bias != nullptr) v = hn::Add(v, at.load(bias));
        at.store(v, y);
      });
  }
}

/// One walk along each row for the sums and the gradients of weight and bias, one for dx.
template <bool has_weight, bool wants_parameters, class T>
void norm_backward_row(const NormBackwardRows<T>& rows, std::int64_t r) {
  const hn::ScalableTag<T> d;
  const auto columns = static_cast<std::size_t>(rows.columns);
  const T* x = rows.x + r * rows.columns;
  const T* dy = rows.dy + r * rows.columns;
  const T* weight = rows.weight;
  T* dweight = rows.dweight;
  T* dbias = rows.dbias;
  const auto first = hn::Set(d, first_of(x, columns, rows.mean));
  const auto m = hn::Set(d, rows.mean != nullptr ? rows.mean[r] : T{0});
  const auto s = hn::Set(d, rows.rstd[r]);
  const auto normalised = [&](auto at) HWY_ATTR { return hn::Mul(hn::Sub(hn::Sub(at.load(x), first), m), s); };
  const TwoSums sums = sum_row_twice(d, columns, [&](auto at) HWY_ATTR {
    const auto x_hat = normalised(at);
    const auto upstream = at.load(dy);
    if constexpr (wants_parameters) {
      at.store(hn::MulAdd(upstream, x_hat, at.load(dweight)), dweight);
      at.store(hn::Add(upstream, at.load(dbias)), dbias);
    }
    auto g = upstream;
    if constexpr (has_weight) g = hn::Mul(g, at.load(weight));
    return TwoVectors<hn::ScalableTag<T>>{g, hn::Mul(g, x_hat)};
  });
  if (rows.dx == nullptr) return;
  T* dx = rows.dx + r * rows.columns;
  const double count = static_cast<double>(rows.columns);
  const auto mean_g = hn::Set(d, rows.mean != nullptr ? static_cast<T>(sums.first / count) : T{0});
  const auto mean_gx = hn::Set(d, static_cast<T>(sums.second / count));
  for_row(d, columns, [&](auto at) HWY_ATTR {
    const auto x_hat = normalised(at);
    auto g = at.load(dy);
    if constexpr (has_weight) g = hn::Mul(g, at.load(weight));
    at.store(hn::Mul(s, hn::NegMulAdd(x_hat, mean_gx, hn::Sub(g, mean_g))), dx);
  });
}

template <class T>
void norm_backward_rows(const NormBackwardRows<T>& rows, std::int64_t begin, std::int64_t end) {
  const bool parameters = rows.dweight != nullptr;
  for (std::int64_t r = begin; r < end; ++r) {
    if (rows.weight != nullptr)
      parameters ? norm_backward_row<true, true>(rows, r) : norm_backward_row<true, false>(rows, r);
    else
      parameters ? norm_backward_row<false, true>(rows, r) : norm_backward_row<false, false>(rows, r);
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// A block of rows is one task; the blocks' sums for weight and bias are added in order.
std::int64_t block_rows(std::int64_t columns) {
  return std::clamp<std::int64_t>(16384 / std::max<std::int64_t>(columns, 1), 8, 256);
}

template <class T>
void forward(const NormRows<T>& problem, std::int64_t rows) {
  parallel_for(0, rows, block_rows(problem.columns), [&](std::int64_t begin, std::int64_t end) {
    SAW_FOR_TARGET(norm_rows<T>)(problem, begin, end);
  });
}

template <class T>
void backward(const NormBackwardRows<T>& problem, std::int64_t rows) {
  const std::int64_t columns = problem.columns, block = block_rows(columns);
  const bool parameters = problem.dweight != nullptr || problem.dbias != nullptr;
  const std::int64_t blocks = (rows + block - 1) / block;
  Scratch<T> sums(parameters ? static_cast<std::size_t>((blocks + 1) * 2 * columns) : 0);
  parallel_for(0, rows, block, [&](std::int64_t begin, std::int64_t end) {
    NormBackwardRows<T> part = problem;
    part.dweight = part.dbias = nullptr;
    if (parameters) {
      part.dweight = sums.data() + begin / block * 2 * columns;
      part.dbias = part.dweight + columns;
      std::fill_n(part.dweight, 2 * columns, T{0});
    }
    SAW_FOR_TARGET(norm_backward_rows<T>)(part, begin, end);
  });
  if (!parameters) return;
  T* total = sums.data() + blocks * 2 * columns;
  sum_leading(sums.data(), blocks, 2 * columns, total);
  if (problem.dweight != nullptr) std::copy_n(total, columns, problem.dweight);
  if (problem.dbias != nullptr) std::copy_n(total + columns, columns, problem.dbias);
}

}  // namespace

template <class T>
void layer_norm_forward(const T* x, const T* weight, const T* bias, std::int64_t rows, std::int64_t columns,
                        double epsilon, T* y, T* mean, T* rstd) {
  forward<T>({x, weight, bias, columns, epsilon, y, mean, rstd}, rows);
}

template <class T>
void layer_norm_backward(const T* x, const T* weight, const T* mean, const T* rstd, const T* dy, std::int64_t rows,
                         std::int64_t columns, T* dx, T* dweight, T* dbias) {
  backward<T>({x, weight, mean, rstd, dy, columns, dx, dweight, dbias}, rows);
}

template <class T>
void rms_norm_forward(const T* x, const T* weight, std::int64_t rows, std::int64_t columns, double epsilon, T* y,
                      T* rstd) {
  forward<T>({x, weight, nullptr, columns, epsilon, y, nullptr, rstd}, rows);
}

template <class T>
void rms_norm_backward(const T* x, const T* weight, const T* rstd, const T* dy, std::int64_t rows, std::int64_t columns,
                       T* dx, T* dweight) {
  backward<T>({x, weight, nullptr, rstd, dy, columns, dx, dweight, nullptr}, rows);
}

#define SAW_INSTANTIATE(T)                                                                                           \
  template void layer_norm_forward<T>(const T*, const T*, const T*, std::int64_t, std::int64_t, double, T*, T*, T*); \
  template void layer_norm_backward<T>(const T*, const T*, const T*, const T*, const T*, std::int64_t, std::int64_t, \
                                       T*, T*, T*);                                                                  \
  template void rms_norm_forward<T>(const T*, const T*, std::int64_t, std::int64_t, double, T*, T*);                 \
  template void rms_norm_backward<T>(const T*, const T*, const T*, const T*, std::int64_t, std::int64_t, T*, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
