#include "saw/autograd/kernels/order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/order.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// The row's extreme is found first, then where it stands: both walks are of vectors.
template <class T>
std::int64_t arg_row(bool largest, const T* x, std::int64_t size) {
  const hn::ScalableTag<T> d;
  const auto sign = hn::Set(d, largest ? T{1} : T{-1});
  const auto columns = static_cast<std::size_t>(size);
  const T best = max_row(d, columns, -std::numeric_limits<T>::infinity(),
                         [&](auto at) HWY_ATTR { return hn::Mul(at.load(x), sign); });
  const auto wanted = hn::Set(d, best);
  const bool nan = best != best;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= columns; i += lanes) {
    const auto v = hn::Mul(hn::LoadU(d, x + i), sign);
    const auto found = nan ? hn::IsNaN(v) : hn::Eq(v, wanted);
    const auto at = hn::FindFirstTrue(d, found);
    if (at >= 0) return static_cast<std::int64_t>(i) + at;
  }
  for (; i < columns; ++i)
    if (nan ? x[i] != x[i] : x[i] == (largest ? best : -best)) return static_cast<std::int64_t>(i);
  return 0;
}

/// All columns of a panel, row after row. A position fits a lane: size is below 2^24 for floats.
template <class T>
void arg_columns(bool largest, const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                 std::int64_t* places) {
  const hn::ScalableTag<T> d;
  const auto sign = hn::Set(d, largest ? T{1} : T{-1});
  HWY_ALIGN T positions[hn::MaxLanes(d)];
  for_row(d, static_cast<std::size_t>(columns), [&](auto at) HWY_ATTR {
    auto best = hn::Mul(at.load(x), sign), position = hn::Zero(d);
    auto nan = hn::IsNaN(best);
    for (std::int64_t r = 1; r < rows; ++r) {
      const auto v = hn::Mul(at.load(x + r * stride), sign);
      const auto better = hn::AndNot(nan, hn::Or(hn::Gt(v, best), hn::IsNaN(v)));
      best = hn::IfThenElse(better, v, best);
      position = hn::IfThenElse(better, hn::Set(d, static_cast<T>(r)), position);
      nan = hn::IsNaN(best);
    }
    hn::Store(position, d, positions);
    const std::size_t count = std::min(hn::Lanes(d), static_cast<std::size_t>(columns) - at.i);
    for (std::size_t lane = 0; lane < count; ++lane) places[at.i + lane] = static_cast<std::int64_t>(positions[lane]);
  });
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

constexpr std::int64_t chunk_elements = 32768;

template <class T>
std::int64_t arg_line(bool largest, const T* x, std::int64_t size, std::int64_t stride) {
  std::int64_t best = 0;
  for (std::int64_t s = 1; s < size && x[best * stride] == x[best * stride]; ++s) {  // the first NaN ends the search
    const T value = x[s * stride], so_far = x[best * stride];
    if ((largest ? value > so_far : value < so_far) || value != value) best = s;
  }
  return best;
}

// ---- sort ----

/// An unsigned number in the order of the elements.
inline std::uint32_t key_of(float x) {
  if (x != x) return ~std::uint32_t{0};
  const auto bits = std::bit_cast<std::uint32_t>(x + 0.0F);  // −0 is 0
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
inline std::uint64_t key_of(double x) {
  if (x != x) return ~std::uint64_t{0};
  const auto bits = std::bit_cast<std::uint64_t>(x + 0.0);
  return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}
inline std::uint64_t key_of(std::int64_t x) { return static_cast<std::uint64_t>(x) ^ (std::uint64_t{1} << 63); }

__extension__ using TwoWords = unsigned __int128;

/// Key and place in one number, so that equal keys go by their places: whatever sorts such numbers is stable.
template <class T>
using Packed = std::conditional_t<sizeof(T) == 4, std::uint64_t, TwoWords>;
template <class T>
constexpr int place_bits = 8 * sizeof(T);

/// Sorts by the keys' digits, the last first; digits that all keys share cost no pass. What is sorted may end in either
/// buffer: returns it.
template <int digit_bits, class T>
Packed<T>* radix_sort(Packed<T>* from, Packed<T>* to, std::int64_t size) {
  constexpr int passes = (place_bits<T> + digit_bits - 1) / digit_bits;
  constexpr std::size_t digits = std::size_t{1} << digit_bits;
  std::uint32_t counts[passes][digits] = {};
  for (std::int64_t i = 0; i < size; ++i) {
    const auto key = static_cast<std::uint64_t>(from[i] >> place_bits<T>);
    for (int pass = 0; pass < passes; ++pass) ++counts[pass][(key >> (pass * digit_bits)) % digits];
  }
  for (int pass = 0; pass < passes; ++pass) {
    std::uint32_t* count = counts[pass];
    const int shift = place_bits<T> + pass * digit_bits;
    if (count[static_cast<std::size_t>(from[0] >> shift) % digits] == static_cast<std::uint32_t>(size)) continue;
    std::uint32_t sum = 0;
    for (std::size_t digit = 0; digit < digits; ++digit) sum += std::exchange(count[digit], sum);
    for (std::int64_t i = 0; i < size; ++i) to[count[static_cast<std::size_t>(from[i] >> shift) % digits]++] = from[i];
    std::swap(from, to);
  }
  return from;
}

/// The k smallest of `size` numbers, in order: returns where they lie.
template <class T>
Packed<T>* first_sorted(Packed<T>* numbers, Packed<T>* other, std::int64_t size, std::int64_t k) {
  if (4 * k <= size) {
    std::nth_element(numbers, numbers + k, numbers + size);
    std::sort(numbers, numbers + k);
    return numbers;
  }
  if (size <= 48) {
    std::sort(numbers, numbers + size);
    return numbers;
  }
  if (size >= 1 << 14) return radix_sort<11, T>(numbers, other, size);
  return radix_sort<8, T>(numbers, other, size);
}

}  // namespace

template <class T>
void arg_extreme(bool largest, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner,
                 std::int64_t* places) {
  if (outer == 0 || inner == 0) return;
  constexpr std::int64_t panel = 64;
  const std::int64_t panels = inner == 1 ? 1 : (inner + panel - 1) / panel;
  const std::int64_t width = std::min(panel, inner);
  parallel_for(0, outer * panels, std::max<std::int64_t>(1, chunk_elements / (size * width)),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t o = task / panels, first = task % panels * panel,
                                      count = std::min(panel, inner - first);
                   const T* from = x + o * size * inner + first;
                   std::int64_t* to = places + o * inner + first;
                   if constexpr (std::is_floating_point_v<T>) {
                     if (inner == 1) {
                       *to = SAW_FOR_TARGET(arg_row<T>)(largest, from, size);
                       continue;
                     }
                     if (size < std::int64_t{1} << 24) {
                       SAW_FOR_TARGET(arg_columns<T>)(largest, from, size, inner, count, to);
                       continue;
                     }
                   }
                   for (std::int64_t c = 0; c < count; ++c) to[c] = arg_line(largest, from + c, size, inner);
                 }
               });
}

template <class T>
void sort_lines(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t k, bool descending,
                T* values, std::int64_t* places) {
  if (outer * inner * k == 0) return;
  using Key = decltype(key_of(T{}));
  constexpr std::int64_t widest = std::int64_t{1} << 31;  // a float's place has 32 bits, a count of the radix sort too
  parallel_for(0, outer * inner, std::max<std::int64_t>(1, chunk_elements / (16 * size)),
               [=](std::int64_t begin, std::int64_t end) {
                 Scratch<Packed<T>> numbers(static_cast<std::size_t>(size)), others(static_cast<std::size_t>(size));
                 for (std::int64_t line = begin; line < end; ++line) {
                   const std::int64_t o = line / inner, i = line % inner;
                   const T* from = x + o * size * inner + i;
                   Packed<T>* number = numbers.data();
                   for (std::int64_t s = 0; s < size; ++s) {
                     const Key key = key_of(from[s * inner]);
                     number[s] = (static_cast<Packed<T>>(descending ? static_cast<Key>(~key) : key) << place_bits<T>) |
                                 static_cast<Packed<T>>(s);
                   }
                   if (size < widest) {
                     number = first_sorted<T>(number, others.data(), size, k);
                   } else {
                     std::sort(number, number + size);
                   }
                   T* sorted = values + o * k * inner + i;
                   std::int64_t* place = places + o * k * inner + i;
                   for (std::int64_t s = 0; s < k; ++s) {
                     const auto at = static_cast<std::int64_t>(static_cast<Key>(number[s]));
                     sorted[s * inner] = from[at * inner];
                     place[s * inner] = at;
                   }
                 }
               });
}

#define SAW_INSTANTIATE(T)                                                                                \
  template void arg_extreme<T>(bool, const T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t*);  \
  template void sort_lines<T>(const T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, bool, T*, \
                              std::int64_t*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
SAW_INSTANTIATE(std::int64_t)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
