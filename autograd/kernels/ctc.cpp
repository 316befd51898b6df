#include "saw/autograd/kernels/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/ctc.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/functions-inl.h"
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

template <class T>
using LaneIndex = hn::TFromD<hn::RebindToSigned<hn::ScalableTag<T>>>;

/// The symbols' numbers for the lanes of a Whole or Part of a row.
template <class D, class I>
HWY_INLINE auto load_index(Whole<D> at, const I* index) {
  return Whole<hn::RebindToSigned<D>>{at.i}.load(index);
}
template <class D, class I>
HWY_INLINE auto load_index(Part<D> at, const I* index) {
  return Part<hn::RebindToSigned<D>>{at.i, at.count}.load(index);
}

/// One segment, forward. `moves` may be null.
template <class T>
void ctc_forward_segment(const Ctc<T>& ctc, std::int64_t b, T* moves, T* loss, T* ends) {
  const hn::ScalableTag<T> d;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const std::int64_t frames = ctc.frames(b), length = ctc.target_length(b), states = 2 * length + 1;
  const std::int64_t* target = ctc.targets + ctc.target_offsets[b];
  const auto size = static_cast<std::size_t>(states);
  *ends = 1;
  if (frames == 0) {
    *loss = length == 0 ? T{0} : infinity;
    return;
  }
  Scratch<LaneIndex<T>> symbols(size);
  Scratch<T> skips(size);  // 0 where a path may come from two states before, else −∞
  for (std::int64_t s = 0; s < states; ++s) {
    const std::int64_t symbol = s % 2 == 0 ? ctc.blank : target[s / 2];
    const bool may_skip = s % 2 == 1 && s > 1 && symbol != target[s / 2 - 1];
    symbols.data()[s] = static_cast<LaneIndex<T>>(symbol);
    skips.data()[s] = may_skip ? T{0} : -infinity;
  }
  // log of the probability to be in a state, relative to the frame's likeliest; two impossible states before the first.
  Scratch<T> first_row(size + 2), second_row(size + 2);
  T *before = first_row.data(), *now = second_row.data();
  std::fill_n(before, states + 2, -infinity);
  std::fill_n(now, states + 2, -infinity);
  const auto lowest = hn::Set(d, -infinity);
  double total = 0;
  for (std::int64_t t = 0; t < frames; ++t) {
    const T* log_probs = ctc.log_probs + (ctc.offsets[b] + t) * ctc.symbols;
    T* row = moves == nullptr ? nullptr : moves + 3 * t * (states + 2);
    T largest;
    if (t == 0) {
      now[2] = log_probs[ctc.blank];
      if (length > 0) now[3] = log_probs[target[0]];
      largest = length > 0 && now[3] > now[2] ? now[3] : now[2];
      if (row != nullptr) std::fill_n(row, 3 * (states + 2), T{0});
    } else {
      auto best = lowest;
      for_row(d, size, [&](auto at) HWY_ATTR {
        const auto two = hn::Add(at.load(before), at.load(skips.data()));
        const auto one = at.load(before + 1), stay = at.load(before + 2);
        const auto top = hn::Max(hn::Max(two, one), stay);
        const auto is_reached = hn::Ne(top, lowest);
        const auto m = hn::IfThenElseZero(is_reached, top);
        const auto e2 = exp_bounded(d, hn::Sub(two, m)), e1 = exp_bounded(d, hn::Sub(one, m)),
                   e0 = exp_bounded(d, hn::Sub(stay, m));
        const auto sum = hn::IfThenElse(is_reached, hn::Add(hn::Add(e0, e1), e2), hn::Set(d, T{1}));
        const auto emission = hn::GatherIndex(d, log_probs, load_index(at, symbols.data()));
        const auto value = hn::Add(hn::Add(top, log(Vec<T>(sum)).raw), emission);
        at.store(value, now + 2);
        best = hn::Max(best, at.keep(value, lowest));
        if (row == nullptr) return;
        const auto scale = hn::Div(hn::Set(d, T{1}), sum);
        at.store(hn::Mul(e0, scale), row);
        at.store(hn::Mul(e1, scale), row + (states + 2));
        at.store(hn::Mul(e2, scale), row + 2 * (states + 2));
      });
      if (row != nullptr)
        for (std::int64_t k = 1; k <= 3; ++k) row[k * (states + 2) - 2] = row[k * (states + 2) - 1] = 0;
      largest = hn::GetLane(hn::MaxOfLanes(d, best));
    }
    if (largest == -infinity) {  // no path goes on, unless a maximum has dropped a NaN
      const bool is_nan = std::any_of(now + 2, now + 2 + states, [](T x) { return std::isnan(x); });
      *loss = is_nan ? std::numeric_limits<T>::quiet_NaN() : infinity;
      return;
    }
    // The likeliest state becomes 0, so float32 keeps its digits however long the segment is.
    const auto m = hn::Set(d, largest);
    for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::Sub(at.load(now + 2), m), now + 2); });
    total += static_cast<double>(largest);
    std::swap(before, now);
  }
  const double last = static_cast<double>(before[states + 1]),
               previous = length == 0 ? -std::numeric_limits<double>::infinity() : static_cast<double>(before[states]);
  const double top = std::max(last, previous);
  if (top == -std::numeric_limits<double>::infinity()) {
    *loss = std::isnan(previous) ? std::numeric_limits<T>::quiet_NaN() : infinity;
    return;
  }
  const double sum = std::exp(last - top) + std::exp(previous - top);
  *loss = static_cast<T>(-(total + top + std::log(sum)));
  *ends = static_cast<T>(std::exp(last - top) / sum);
}

/// One segment, backward: the probability p of each state, from the last frame on.
template <class T>
void ctc_backward_segment(const Ctc<T>& ctc, std::int64_t b, const T* moves, T ends, T dloss, T* d_log_probs) {
  const hn::ScalableTag<T> d;
  const std::int64_t frames = ctc.frames(b), length = ctc.target_length(b), states = 2 * length + 1;
  const std::int64_t* target = ctc.targets + ctc.target_offsets[b];
  const auto size = static_cast<std::size_t>(states);
  Scratch<T> first_row(size + 2), second_row(size + 2);
  T *p = first_row.data(), *earlier = second_row.data();
  std::fill_n(p, states + 2, T{0});
  std::fill_n(earlier, states + 2, T{0});
  p[states - 1] = ends;
  if (length > 0) p[states - 2] = 1 - ends;
  for (std::int64_t t = frames - 1;; --t) {
    T* row = d_log_probs + (ctc.offsets[b] + t) * ctc.symbols;
    T blanks = p[0];
    for (std::int64_t u = 0; u < length; ++u) {
      row[target[u]] -= dloss * p[2 * u + 1];
      blanks += p[2 * u + 2];
    }
    row[ctc.blank] -= dloss * blanks;
    if (t == 0) return;
    const T *stay = moves + 3 * t * (states + 2), *one = stay + (states + 2) + 1, *two = stay + 2 * (states + 2) + 2;
    const double sum = sum_row(d, size, [&](auto at) HWY_ATTR {
      auto value = hn::Mul(at.load(stay), at.load(p));
      value = hn::MulAdd(at.load(one), at.load(p + 1), value);
      value = hn::MulAdd(at.load(two), at.load(p + 2), value);
      at.store(value, earlier);
      return value;
    });
    // The sum is 1 but for rounding, which would add up over long segments.
    const auto scale = hn::Set(d, static_cast<T>(1.0 / sum));
    for_row(d, size, [&](auto at) HWY_ATTR { at.store(hn::Mul(at.load(earlier), scale), earlier); });
    std::swap(p, earlier);
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// Segments per chunk, by the mean cost of one.
template <class T>
std::int64_t grain(const Ctc<T>& ctc) {
  double cost = 1;
  for (std::int64_t b = 0; b < ctc.segments; ++b)
    cost += static_cast<double>(ctc.frames(b)) * static_cast<double>(ctc.row_size(b));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(4096.0 * static_cast<double>(ctc.segments) / cost));
}

}  // namespace

template <class T>
void ctc_forward(const Ctc<T>& ctc, const CtcMoves<T>& moves, T* losses, T* ends) {
  parallel_for(0, ctc.segments, grain(ctc), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) SAW_FOR_TARGET(ctc_forward_segment<T>)
    (ctc, b, moves.moves == nullptr ? nullptr : moves.moves + moves.places[b], losses + b, ends + b);
  });
}

template <class T>
void ctc_backward(const Ctc<T>& ctc, const CtcMoves<T>& moves, const T* losses, const T* ends, const T* dlosses,
                  T* d_log_probs) {
  std::fill_n(d_log_probs, ctc.offsets[ctc.segments] * ctc.symbols, T{0});
  parallel_for(0, ctc.segments, grain(ctc), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      if (ctc.frames(b) > 0 && losses[b] != std::numeric_limits<T>::infinity()) SAW_FOR_TARGET(ctc_backward_segment<T>)
    (ctc, b, moves.moves + moves.places[b], ends[b], dlosses[b], d_log_probs);
  });
}

#define SAW_INSTANTIATE(T)                                                 \
  template void ctc_forward<T>(const Ctc<T>&, const CtcMoves<T>&, T*, T*); \
  template void ctc_backward<T>(const Ctc<T>&, const CtcMoves<T>&, const T*, const T*, const T*, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
