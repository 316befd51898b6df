// Per-target tools for kernels that walk along a contiguous row: one body of code serves whole vectors and the tail, so
// an element's result does not depend on where it lies in its row.

#if defined(SAW_AUTOGRAD_KERNELS_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_ROW_INL_H_
#undef SAW_AUTOGRAD_KERNELS_ROW_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_ROW_INL_H_
#endif

#include <cstddef>
#include <cstring>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The first `count` lanes from memory, zeros above them; reads no byte behind them.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_part(D d, const T* memory, std::size_t count) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, count), d, memory);
#else
  HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
  std::memcpy(lanes, memory, count * sizeof(T));
  return hn::Load(d, lanes);
#endif
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_part(D d, hn::Vec<D> v, T* memory, std::size_t count) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, count), d, memory);
#else
  HWY_ALIGN T lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  std::memcpy(memory, lanes, count * sizeof(T));
#endif
}

/// A whole vector at position i of the row.
template <class D>
struct Whole {
  using T = hn::TFromD<D>;
  std::size_t i;
  HWY_INLINE hn::Vec<D> load(const T* row) const { return hn::LoadU(D(), row + i); }
  HWY_INLINE void store(hn::Vec<D> v, T* row) const { hn::StoreU(v, D(), row + i); }
  /// v in the lanes that are elements of the row, `other` in the rest.
  HWY_INLINE hn::Vec<D> keep(hn::Vec<D> v, hn::Vec<D> /*other*/) const { return v; }
};

/// The last `count` elements, fewer than a vector holds.
template <class D>
struct Part {
  using T = hn::TFromD<D>;
  std::size_t i;
  std::size_t count;
  HWY_INLINE hn::Vec<D> load(const T* row) const { return load_part(D(), row + i, count); }
  HWY_INLINE void store(hn::Vec<D> v, T* row) const { store_part(D(), v, row + i, count); }
  HWY_INLINE hn::Vec<D> keep(hn::Vec<D> v, hn::Vec<D> other) const {
    return hn::IfThenElse(hn::FirstN(D(), count), v, other);
  }
};

/// Calls f(at) for the row's vectors in order.
template <class D, class F>
HWY_INLINE void for_row(D d, std::size_t size, F f) {
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) f(Whole<D>{i});
  if (i < size) f(Part<D>{i, size - i});
}

/// Σ f(at) over all elements. Four chains of lanes add up at most 2048 elements; such blocks are added in double, so
/// the error stays that of a few dozen additions however long the row is.
template <class D, class F>
HWY_INLINE double sum_row(D d, std::size_t size, F f) {
  constexpr std::size_t block = 2048;
  const std::size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  double total = 0;
  for (std::size_t begin = 0; begin < size; begin += block) {
    const std::size_t end = begin + block < size ? begin + block : size;
    auto s0 = zero, s1 = zero, s2 = zero, s3 = zero;
    std::size_t i = begin;
    for (; i + 4 * lanes <= end; i += 4 * lanes) {
      s0 = hn::Add(s0, f(Whole<D>{i}));
      s1 = hn::Add(s1, f(Whole<D>{i + lanes}));
      s2 = hn::Add(s2, f(Whole<D>{i + 2 * lanes}));
      s3 = hn::Add(s3, f(Whole<D>{i + 3 * lanes}));
    }
    for (; i + lanes <= end; i += lanes) s0 = hn::Add(s0, f(Whole<D>{i}));
    if (i < end) {
      const Part<D> part{i, end - i};
      s1 = hn::Add(s1, part.keep(f(part), zero));
    }
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)))));
  }
  return total;
}

/// Two sums of one walk along the row.
struct TwoSums {
  double first = 0, second = 0;
};

/// What f(at) returns for sum_row_twice.
template <class D>
struct TwoVectors {
  hn::Vec<D> first, second;
};

/// sum_row for an f that gives two vectors.
template <class D, class F>
HWY_INLINE TwoSums sum_row_twice(D d, std::size_t size, F f) {
  constexpr std::size_t block = 1024;
  const std::size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  TwoSums total;
  for (std::size_t begin = 0; begin < size; begin += block) {
    const std::size_t end = begin + block < size ? begin + block : size;
    auto a0 = zero, a1 = zero, b0 = zero, b1 = zero;
    std::size_t i = begin;
    for (; i + 2 * lanes <= end; i += 2 * lanes) {
      const TwoVectors<D> v0 = f(Whole<D>{i});
      const TwoVectors<D> v1 = f(Whole<D>{i + lanes});
      a0 = hn::Add(a0, v0.first);
      b0 = hn::Add(b0, v0.second);
      a1 = hn::Add(a1, v1.first);
      b1 = hn::Add(b1, v1.second);
    }
    for (; i + lanes <= end; i += lanes) {
      const TwoVectors<D> v = f(Whole<D>{i});
      a0 = hn::Add(a0, v.first);
      b0 = hn::Add(b0, v.second);
    }
    if (i < end) {
      const Part<D> part{i, end - i};
      const TwoVectors<D> v = f(part);
      a1 = hn::Add(a1, part.keep(v.first, zero));
      b1 = hn::Add(b1, part.keep(v.second, zero));
    }
    total.first += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(a0, a1))));
    total.second += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(b0, b1))));
  }
  return total;
}

/// max f(at) over all elements; `lowest` over none. NaN anywhere gives NaN.
template <class D, class F, class T = hn::TFromD<D>>
HWY_INLINE T max_row(D d, std::size_t size, T lowest, F f) {
  const std::size_t lanes = hn::Lanes(d);
  const auto start = hn::Set(d, lowest);
  auto m0 = start, m1 = start, m2 = start, m3 = start;
  auto nan = hn::FirstN(d, 0);
  std::size_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    const auto v0 = f(Whole<D>{i});
    const auto v1 = f(Whole<D>{i + lanes});
    const auto v2 = f(Whole<D>{i + 2 * lanes});
    const auto v3 = f(Whole<D>{i + 3 * lanes});
    m0 = hn::Max(m0, v0);
    m1 = hn::Max(m1, v1);
    m2 = hn::Max(m2, v2);
    m3 = hn::Max(m3, v3);
    nan = hn::Or(nan, hn::Or(hn::Or(hn::IsNaN(v0), hn::IsNaN(v1)), hn::Or(hn::IsNaN(v2), hn::IsNaN(v3))));
  }
  for (; i < size; i += lanes) {
    const bool whole = i + lanes <= size;
    const auto v = whole ? f(Whole<D>{i}) : Part<D>{i, size - i}.keep(f(Part<D>{i, size - i}), start);
    m0 = hn::Max(m0, v);
    nan = hn::Or(nan, hn::IsNaN(v));
  }
  if (!hn::AllFalse(d, nan)) return std::numeric_limits<T>::quiet_NaN();
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Max(m0, m1), hn::Max(m2, m3))));
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
