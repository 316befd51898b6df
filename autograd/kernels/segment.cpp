#include "saw/autograd/kernels/segment.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/kernels/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/segment.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace {

/// Row numbers are kept as wide as the values, so that one mask picks both.
template <bool smallest, class T>
void winners_of(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t first, T* values,
                std::int64_t* winners) {
  const hn::ScalableTag<T> d;
  const hn::RebindToSigned<decltype(d)> di;
  using Row = hn::TFromD<decltype(di)>;
  HWY_ALIGN Row found[hn::MaxLanes(di)];
  for_row(d, static_cast<std::size_t>(columns), [&](auto at) HWY_ATTR {
    auto best = at.load(x);
    auto row_of_best = hn::Zero(di);
    for (std::int64_t r = 1; r < rows; ++r) {
      const auto value = at.load(x + r * columns);
      auto wins = smallest ? hn::Lt(value, best) : hn::Gt(value, best);
      if constexpr (!std::is_integral_v<T>) {  // a NaN compares with nothing; once it is the best, nothing beats it
        const auto loses = smallest ? hn::Ge(value, best) : hn::Le(value, best);
        wins = hn::And(hn::Not(loses), hn::Eq(best, best));
      }
      best = hn::IfThenElse(wins, value, best);
      row_of_best = hn::IfThenElse(hn::RebindMask(di, wins), hn::Set(di, static_cast<Row>(r)), row_of_best);
    }
    at.store(best, values);
    hn::Store(row_of_best, di, found);
    const auto column = static_cast<std::int64_t>(at.i);
    const std::int64_t width = std::min(static_cast<std::int64_t>(hn::Lanes(d)), columns - column);
    for (std::int64_t i = 0; i < width; ++i) winners[column + i] = first + found[i];
  });
}

template <class T>
void column_winners_of(Winner winner, const T* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                       T* values, std::int64_t* winners) {
  if (winner == Winner::largest)
    winners_of<false>(x, rows, columns, first, values, winners);
  else
    winners_of<true>(x, rows, columns, first, values, winners);
}

/// y = exp(x − maximum), the maximum of each column being known and finite.
template <class T>
void shifted_exponentials_of(const T* x, const T* maximum, std::int64_t rows, std::int64_t columns, T* y) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) y[r * columns + c] = x[r * columns + c] - maximum[c];
  // Over all elements at once: rows may be shorter than a vector.
  for_row(d, static_cast<std::size_t>(rows * columns), [&](auto at) HWY_ATTR {
    const auto shifted = at.load(y);
    at.store(exp_bounded(d, shifted), y);
  });
}

void column_winners_float(Winner winner, const float* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                          float* values, std::int64_t* winners) {
  column_winners_of(winner, x, rows, columns, first, values, winners);
}
void column_winners_double(Winner winner, const double* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                           double* values, std::int64_t* winners) {
  column_winners_of(winner, x, rows, columns, first, values, winners);
}
void column_winners_integer(Winner winner, const std::int64_t* x, std::int64_t rows, std::int64_t columns,
                            std::int64_t first, std::int64_t* values, std::int64_t* winners) {
  column_winners_of(winner, x, rows, columns, first, values, winners);
}
void shifted_exponentials_float(const float* x, const float* maximum, std::int64_t rows, std::int64_t columns,
                                float* y) {
  shifted_exponentials_of(x, maximum, rows, columns, y);
}
void shifted_exponentials_double(const double* x, const double* maximum, std::int64_t rows, std::int64_t columns,
                                 double* y) {
  shifted_exponentials_of(x, maximum, rows, columns, y);
}

}  // namespace
}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace saw::kernels {
namespace {

HWY_EXPORT(column_winners_float);
HWY_EXPORT(column_winners_double);
HWY_EXPORT(column_winners_integer);
HWY_EXPORT(shifted_exponentials_float);
HWY_EXPORT(shifted_exponentials_double);

}  // namespace

template <class T>
void column_winners(Winner winner, const T* x, std::int64_t rows, std::int64_t columns, std::int64_t first, T* values,
                    std::int64_t* winners) {
  if constexpr (std::is_same_v<T, float>)
    HWY_DYNAMIC_DISPATCH(column_winners_float)(winner, x, rows, columns, first, values, winners);
  else if constexpr (std::is_same_v<T, double>)
    HWY_DYNAMIC_DISPATCH(column_winners_double)(winner, x, rows, columns, first, values, winners);
  else
    HWY_DYNAMIC_DISPATCH(column_winners_integer)(winner, x, rows, columns, first, values, winners);
}

template <class T>
void column_softmax(const T* x, std::int64_t rows, std::int64_t columns, T* y) {
  if (columns == 1) return softmax_forward(x, 1, rows, y);  // the column is a row
  Scratch<T> statistic(static_cast<std::size_t>(columns));
  T* s = statistic.data();
  amax(x, 1, rows, columns, s);
  for (std::int64_t c = 0; c < columns; ++c)
    if (std::isinf(s[c]) && s[c] < 0) s[c] = 0;
  if constexpr (std::is_same_v<T, float>)
    HWY_DYNAMIC_DISPATCH(shifted_exponentials_float)(x, s, rows, columns, y);
  else
    HWY_DYNAMIC_DISPATCH(shifted_exponentials_double)(x, s, rows, columns, y);
  sum(y, 1, rows, columns, s);
  for (std::int64_t c = 0; c < columns; ++c) s[c] = s[c] == 0 ? T{0} : 1 / s[c];
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) y[r * columns + c] *= s[c];
}

template <class T>
void column_softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx) {
  if (columns == 1) return softmax_backward(y, dy, 1, rows, dx);
  Scratch<T> sums(static_cast<std::size_t>(columns));
  for (std::int64_t i = 0; i < rows * columns; ++i) dx[i] = y[i] * dy[i];
  sum(dx, 1, rows, columns, sums.data());
  const T* s = sums.data();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t i = r * columns + c;
      dx[i] = y[i] * (dy[i] - s[c]);
    }
}

template void column_winners(Winner, const float*, std::int64_t, std::int64_t, std::int64_t, float*, std::int64_t*);
template void column_winners(Winner, const double*, std::int64_t, std::int64_t, std::int64_t, double*, std::int64_t*);
template void column_winners(Winner, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, std::int64_t*,
                             std::int64_t*);
template void column_softmax(const float*, std::int64_t, std::int64_t, float*);
template void column_softmax(const double*, std::int64_t, std::int64_t, double*);
template void column_softmax_backward(const float*, const float*, std::int64_t, std::int64_t, float*);
template void column_softmax_backward(const double*, const double*, std::int64_t, std::int64_t, double*);

}  // namespace saw::kernels

#endif  // HWY_ONCE
