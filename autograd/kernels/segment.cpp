#include "saw/autograd/kernels/segment.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/segment.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace {

/// Row numbers are kept as wide as the values, so that one mask picks both.
template <class T>
void column_winners_of(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t first, T* largest,
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
      auto wins = hn::Gt(value, best);
      if constexpr (!std::is_integral_v<T>)  // NaN is not ≤ anything; once it is the best, nothing beats it
        wins = hn::And(hn::Not(hn::Le(value, best)), hn::Eq(best, best));
      best = hn::IfThenElse(wins, value, best);
      row_of_best = hn::IfThenElse(hn::RebindMask(di, wins), hn::Set(di, static_cast<Row>(r)), row_of_best);
    }
    at.store(best, largest);
    hn::Store(row_of_best, di, found);
    const auto column = static_cast<std::int64_t>(at.i);
    const std::int64_t width = std::min(static_cast<std::int64_t>(hn::Lanes(d)), columns - column);
    for (std::int64_t i = 0; i < width; ++i) winners[column + i] = first + found[i];
  });
}

void column_winners_float(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t first, float* largest,
                          std::int64_t* winners) {
  column_winners_of(x, rows, columns, first, largest, winners);
}

void column_winners_double(const double* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                           double* largest, std::int64_t* winners) {
  column_winners_of(x, rows, columns, first, largest, winners);
}

void column_winners_integer(const std::int64_t* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                            std::int64_t* largest, std::int64_t* winners) {
  column_winners_of(x, rows, columns, first, largest, winners);
}

}  // namespace
}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace saw::kernels {

HWY_EXPORT(column_winners_float);
HWY_EXPORT(column_winners_double);
HWY_EXPORT(column_winners_integer);

void column_winners(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t first, float* largest,
                    std::int64_t* winners) {
  HWY_DYNAMIC_DISPATCH(column_winners_float)(x, rows, columns, first, largest, winners);
}

void column_winners(const double* x, std::int64_t rows, std::int64_t columns, std::int64_t first, double* largest,
                    std::int64_t* winners) {
  HWY_DYNAMIC_DISPATCH(column_winners_double)(x, rows, columns, first, largest, winners);
}

void column_winners(const std::int64_t* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                    std::int64_t* largest, std::int64_t* winners) {
  HWY_DYNAMIC_DISPATCH(column_winners_integer)(x, rows, columns, first, largest, winners);
}

}  // namespace saw::kernels

#endif  // HWY_ONCE
