#include "saw/autograd/kernels/moments.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/moments.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

using Wide = hn::ScalableTag<double>;
using WideVector = hn::Vec<Wide>;

/// A vector of doubles from elements of either type.
template <class T>
HWY_INLINE WideVector load_wide(const T* memory) {
  const Wide d;
  if constexpr (std::is_same_v<T, double>)
    return hn::LoadU(d, memory);
  else
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, Wide>(), memory));
}
template <class T>
HWY_INLINE WideVector load_wide_part(const T* memory, std::size_t count) {
  const Wide d;
  if constexpr (std::is_same_v<T, double>)
    return load_part(d, memory, count);
  else
    return hn::PromoteTo(d, load_part(hn::Rebind<T, Wide>(), memory, count));
}
template <class T>
HWY_INLINE void store_narrow(WideVector v, T* memory) {
  const hn::Rebind<T, Wide> d;
  if constexpr (std::is_same_v<T, double>)
    hn::StoreU(v, d, memory);
  else
    hn::StoreU(hn::DemoteTo(d, v), d, memory);
}
template <class T>
HWY_INLINE void store_narrow_part(WideVector v, T* memory, std::size_t count) {
  const hn::Rebind<T, Wide> d;
  if constexpr (std::is_same_v<T, double>)
    store_part(d, v, memory, count);
  else
    store_part(d, hn::DemoteTo(d, v), memory, count);
}

/// total + term(x, centre).
template <Term term>
HWY_INLINE WideVector add_term(WideVector total, WideVector x, WideVector centre) {
  if constexpr (term == Term::equality) {
    return hn::Add(total, hn::IfThenElseZero(hn::Eq(x, centre), hn::Set(Wide(), 1.0)));
  } else {
    const WideVector difference = hn::Sub(x, centre);
    if constexpr (term == Term::difference) return hn::Add(total, difference);
    if constexpr (term == Term::square) return hn::MulAdd(difference, difference, total);
    if constexpr (term == Term::magnitude) return hn::Add(total, hn::Abs(difference));
  }
}

template <Term term, class T>
double wide_row_sum_of(const T* x, std::int64_t size, double centre) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const WideVector c = hn::Set(d, centre);
  WideVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::int64_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    s0 = add_term<term>(s0, load_wide(x + i), c);
    s1 = add_term<term>(s1, load_wide(x + i + lanes), c);
    s2 = add_term<term>(s2, load_wide(x + i + 2 * lanes), c);
    s3 = add_term<term>(s3, load_wide(x + i + 3 * lanes), c);
  }
  for (; i + lanes <= size; i += lanes) s0 = add_term<term>(s0, load_wide(x + i), c);
  if (i < size) {
    const auto count = static_cast<std::size_t>(size - i);
    s1 = hn::IfThenElse(hn::FirstN(d, count), add_term<term>(s1, load_wide_part(x + i, count), c), s1);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

template <Term term, class T>
void wide_column_sums_of(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, const double* centre,
                         double* out) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto centre_at = [&](std::int64_t c)
                             HWY_ATTR { return centre == nullptr ? hn::Zero(d) : hn::LoadU(d, centre + c); };
  std::int64_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) {
    const WideVector c0 = centre_at(c), c1 = centre_at(c + lanes), c2 = centre_at(c + 2 * lanes),
                     c3 = centre_at(c + 3 * lanes);
    WideVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * stride + c;
      s0 = add_term<term>(s0, load_wide(row), c0);
      s1 = add_term<term>(s1, load_wide(row + lanes), c1);
      s2 = add_term<term>(s2, load_wide(row + 2 * lanes), c2);
      s3 = add_term<term>(s3, load_wide(row + 3 * lanes), c3);
    }
    hn::StoreU(s0, d, out + c);
    hn::StoreU(s1, d, out + c + lanes);
    hn::StoreU(s2, d, out + c + 2 * lanes);
    hn::StoreU(s3, d, out + c + 3 * lanes);
  }
  for (; c < columns; c += lanes) {
    const auto count = static_cast<std::size_t>(std::min(lanes, columns - c));
    const WideVector own = centre == nullptr ? hn::Zero(d) : load_part(d, centre + c, count);
    WideVector s = hn::Zero(d);
    for (std::int64_t r = 0; r < rows; ++r) s = add_term<term>(s, load_wide_part(x + r * stride + c, count), own);
    store_part(d, s, out + c, count);
  }
}

template <class T>
double wide_row_sum(Term term, const T* x, std::int64_t size, double centre) {
  switch (term) {
    case Term::difference:
      return wide_row_sum_of<Term::difference>(x, size, centre);
    case Term::square:
      return wide_row_sum_of<Term::square>(x, size, centre);
    case Term::magnitude:
      return wide_row_sum_of<Term::magnitude>(x, size, centre);
    default:
      return wide_row_sum_of<Term::equality>(x, size, centre);
  }
}

template <class T>
void wide_column_sums(Term term, const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                      const double* centre, double* out) {
  switch (term) {
    case Term::difference:
      return wide_column_sums_of<Term::difference>(x, rows, stride, columns, centre, out);
    case Term::square:
      return wide_column_sums_of<Term::square>(x, rows, stride, columns, centre, out);
    case Term::magnitude:
      return wide_column_sums_of<Term::magnitude>(x, rows, stride, columns, centre, out);
    default:
      return wide_column_sums_of<Term::equality>(x, rows, stride, columns, centre, out);
  }
}

template <Slope slope>
HWY_INLINE WideVector slope_of(WideVector x, WideVector centre, WideVector scale) {
  const Wide d;
  if constexpr (slope == Slope::equality) {
    return hn::Mul(scale, hn::IfThenElseZero(hn::Eq(x, centre), hn::Set(d, 1.0)));
  } else {
    const WideVector difference = hn::Sub(x, centre);
    if constexpr (slope == Slope::centred) return hn::Mul(difference, scale);
    const WideVector sign =
        hn::IfThenElse(hn::Eq(difference, hn::Zero(d)), difference, hn::CopySign(hn::Set(d, 1.0), difference));
    return hn::Mul(hn::IfThenElse(hn::IsNaN(difference), difference, sign), scale);
  }
}

/// `columns` elements; centre and scale stand still (step 0) or go along with them (step 1).
template <Slope slope, class T>
void spread_row_of(const T* x, std::int64_t columns, const double* centre, const double* scale, bool along, T* dx) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  if (along) {
    for (; c + lanes <= columns; c += lanes)
      store_narrow(slope_of<slope>(load_wide(x + c), hn::LoadU(d, centre + c), hn::LoadU(d, scale + c)), dx + c);
    if (c < columns) {
      const auto count = static_cast<std::size_t>(columns - c);
      store_narrow_part(slope_of<slope>(load_wide_part(x + c, count), load_part(d, centre + c, count),
                                        load_part(d, scale + c, count)),
                        dx + c, count);
    }
    return;
  }
  const WideVector own_centre = hn::Set(d, *centre), own_scale = hn::Set(d, *scale);
  for (; c + lanes <= columns; c += lanes)
    store_narrow(slope_of<slope>(load_wide(x + c), own_centre, own_scale), dx + c);
  if (c < columns) {
    const auto count = static_cast<std::size_t>(columns - c);
    store_narrow_part(slope_of<slope>(load_wide_part(x + c, count), own_centre, own_scale), dx + c, count);
  }
}

template <class T>
void spread_row(Slope slope, const T* x, std::int64_t columns, const double* centre, const double* scale, bool along,
                T* dx) {
  switch (slope) {
    case Slope::centred:
      return spread_row_of<Slope::centred>(x, columns, centre, scale, along, dx);
    case Slope::sign:
      return spread_row_of<Slope::sign>(x, columns, centre, scale, along, dx);
    default:
      return spread_row_of<Slope::equality>(x, columns, centre, scale, along, dx);
  }
}

/// max x and Σ exp(x − max) of a row; where the maximum is not finite, it is the result and the sum is 0.
template <class T>
void exp_row_sum(const T* x, std::int64_t size, T* maximum, double* total) {
  const hn::ScalableTag<T> d;
  const auto columns = static_cast<std::size_t>(size);
  *maximum = max_row(d, columns, -std::numeric_limits<T>::infinity(), [x](auto at) HWY_ATTR { return at.load(x); });
  *total = 0;
  if (!(std::abs(*maximum) <= std::numeric_limits<T>::max())) return;
  const auto m = hn::Set(d, *maximum);
  *total = sum_row(d, columns, [&](auto at) HWY_ATTR { return exp_bounded(d, hn::Sub(at.load(x), m)); });
}

/// The same for every column of a few hundred rows.
template <class T>
void exp_column_sums(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* maxima,
                     double* totals) {
  const hn::ScalableTag<T> d;
  const auto infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  for_row(d, static_cast<std::size_t>(columns), [&](auto at) HWY_ATTR {
    auto best = hn::Neg(infinity);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto v = at.load(x + r * stride);
      best = hn::IfThenElse(hn::Or(hn::Gt(v, best), hn::IsNaN(v)), v, best);
    }
    const auto shift = hn::IfThenElseZero(hn::Lt(hn::Abs(best), infinity), best);
    auto sum = hn::Zero(d);
    for (std::int64_t r = 0; r < rows; ++r) sum = hn::Add(sum, exp_bounded(d, hn::Sub(at.load(x + r * stride), shift)));
    at.store(best, maxima);
    HWY_ALIGN T lanes[hn::MaxLanes(d)];
    hn::Store(sum, d, lanes);
    const std::size_t count = std::min(hn::Lanes(d), static_cast<std::size_t>(columns) - at.i);
    for (std::size_t lane = 0; lane < count; ++lane) totals[at.i + lane] = static_cast<double>(lanes[lane]);
  });
}

/// y and dy stand still or go along.
template <class T>
void logsumexp_backward_row(const T* x, std::int64_t columns, const T* y, const T* dy, bool along, T* dx) {
  const hn::ScalableTag<T> d;
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  const auto element = [&](auto v, auto total, auto gradient) HWY_ATTR {
    const auto difference = hn::Sub(v, hn::IfThenElse(hn::Eq(total, lowest), hn::Zero(d), total));
    return hn::Mul(exp_bounded(d, difference), gradient);
  };
  const auto size = static_cast<std::size_t>(columns);
  if (along) {
    for_row(d, size, [&](auto at) HWY_ATTR { at.store(element(at.load(x), at.load(y), at.load(dy)), dx); });
  } else {
    const auto total = hn::Set(d, *y), gradient = hn::Set(d, *dy);
    for_row(d, size, [&](auto at) HWY_ATTR { at.store(element(at.load(x), total, gradient), dx); });
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

constexpr std::int64_t chunk_elements = 32768;

/// How (outer, size, inner) is cut into tasks: chunks of the size, and panels of the columns where inner > 1.
struct Cut {
  std::int64_t outer, size, inner;
  std::int64_t panel, panels, rows, chunks;

  Cut(std::int64_t outer_, std::int64_t size_, std::int64_t inner_, std::int64_t widest_panel)
      : outer(outer_), size(size_), inner(inner_) {
    panel = std::min(inner, widest_panel);
    panels = (inner + panel - 1) / panel;
    rows = std::max<std::int64_t>(64, chunk_elements / panel);
    chunks = std::max<std::int64_t>(1, (size + rows - 1) / rows);
  }

  /// Calls f(o, first row, rows, first column, columns, place of the partial result) for all tasks, in parallel.
  template <class F>
  void for_tasks(std::int64_t cost, const F& f) const {
    const std::int64_t task_elements = std::max<std::int64_t>(1, std::min(size, rows) * panel * cost);
    parallel_for(0, outer * chunks * panels, std::max<std::int64_t>(1, chunk_elements / task_elements),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t column = task % panels * panel, chunk = task / panels % chunks,
                                        o = task / panels / chunks;
                     f(o, chunk * rows, std::min(rows, size - chunk * rows), column, std::min(panel, inner - column),
                       (o * chunks + chunk) * inner + column);
                   }
                 });
  }
};

/// Calls f(element begin, elements, place in (outer, inner), whether the results go along with the elements).
template <class F>
void for_runs(std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t cost, const F& f) {
  if (inner == 1) {
    const Cut cut(outer, size, inner, 1);
    cut.for_tasks(cost, [&](std::int64_t o, std::int64_t row, std::int64_t rows, std::int64_t, std::int64_t,
                            std::int64_t) { f(o * size + row, rows, o, false); });
    return;
  }
  parallel_for(0, outer * size, std::max<std::int64_t>(1, chunk_elements / (inner * cost)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) f(row * inner, inner, row / size * inner, true);
               });
}

}  // namespace

template <class T>
void wide_sums(Term term, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, const double* centre,
               double* out) {
  if (outer == 0 || inner == 0) return;
  const Cut cut(outer, size, inner, 512);
  Scratch<double> parts(cut.chunks > 1 ? static_cast<std::size_t>(outer * cut.chunks * inner) : 0);
  double* target = cut.chunks > 1 ? parts.data() : out;
  cut.for_tasks(1, [&](std::int64_t o, std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
                       std::int64_t place) {
    const T* from = x + (o * size + row) * inner + column;
    const double* own = centre == nullptr ? nullptr : centre + o * inner + column;
    if (inner == 1)
      target[place] = SAW_FOR_TARGET(wide_row_sum<T>)(term, from, rows, own == nullptr ? 0.0 : *own);
    else
      SAW_FOR_TARGET(wide_column_sums<T>)(term, from, rows, inner, columns, own, target + place);
  });
  if (cut.chunks == 1) return;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner; ++i) {
      double total = 0;
      for (std::int64_t chunk = 0; chunk < cut.chunks; ++chunk) total += target[(o * cut.chunks + chunk) * inner + i];
      out[o * inner + i] = total;
    }
}

template <class T>
void spread(Slope slope, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, const double* centre,
            const double* scale, T* dx) {
  if (outer == 0 || size == 0 || inner == 0) return;
  for_runs(outer, size, inner, 1, [&](std::int64_t begin, std::int64_t count, std::int64_t place, bool along) {
    SAW_FOR_TARGET(spread_row<T>)(slope, x + begin, count, centre + place, scale + place, along, dx + begin);
  });
}

template <class T>
void logsumexp(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* y) {
  if (outer == 0 || inner == 0) return;
  const Cut cut(outer, size, inner, 128);
  Scratch<T> maxima(static_cast<std::size_t>(outer * cut.chunks * inner));
  Scratch<double> totals(maxima.size());
  T* maximum = maxima.data();
  double* total = totals.data();
  cut.for_tasks(4, [&](std::int64_t o, std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
                       std::int64_t place) {
    const T* from = x + (o * size + row) * inner + column;
    if (inner == 1)
      SAW_FOR_TARGET(exp_row_sum<T>)(from, rows, maximum + place, total + place);
    else
      SAW_FOR_TARGET(exp_column_sums<T>)(from, rows, inner, columns, maximum + place, total + place);
  });
  parallel_for(
      0, outer * inner, std::max<std::int64_t>(1, 1024 / cut.chunks), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t at = begin; at < end; ++at) {
          const std::int64_t first = at / inner * cut.chunks * inner + at % inner;
          T best = maximum[first];
          for (std::int64_t chunk = 1; chunk < cut.chunks; ++chunk) {
            const T other = maximum[first + chunk * inner];
            if (other > best || other != other) best = other;
          }
          y[at] = best;
          if (!(std::abs(best) <= std::numeric_limits<T>::max())) continue;
          double sum = 0;
          for (std::int64_t chunk = 0; chunk < cut.chunks; ++chunk) {
            const std::int64_t place = first + chunk * inner;
            sum += maximum[place] == best ? total[place]
                                          : total[place] * std::exp(static_cast<double>(maximum[place] - best));
          }
          y[at] = static_cast<T>(static_cast<double>(best) + std::log(sum));
        }
      });
}

template <class T>
void logsumexp_backward(const T* x, const T* y, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner,
                        T* dx) {
  if (outer == 0 || size == 0 || inner == 0) return;
  for_runs(outer, size, inner, 4, [&](std::int64_t begin, std::int64_t count, std::int64_t place, bool along) {
    SAW_FOR_TARGET(logsumexp_backward_row<T>)(x + begin, count, y + place, dy + place, along, dx + begin);
  });
}

#define SAW_INSTANTIATE(T)                                                                                         \
  template void wide_sums<T>(Term, const T*, std::int64_t, std::int64_t, std::int64_t, const double*, double*);    \
  template void spread<T>(Slope, const T*, std::int64_t, std::int64_t, std::int64_t, const double*, const double*, \
                          T*);                                                                                     \
  template void logsumexp<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*);                              \
  template void logsumexp_backward<T>(const T*, const T*, const T*, std::int64_t, std::int64_t, std::int64_t, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
