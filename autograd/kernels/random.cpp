#include "saw/autograd/kernels/random.h"

#include <algorithm>
#include <cstddef>
#include <numbers>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/random.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "hwy/contrib/math/math-inl.h"
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Wide = hn::ScalableTag<std::uint64_t>;
using V = hn::Vec<Wide>;

/// The product of the low halves of 64-bit lanes.
HWY_INLINE V product(V a, V b) {
#if HWY_TARGET == HWY_SCALAR  // whose vectors of words and of pairs of words differ in size
  return V((a.raw & 0xFFFFFFFFu) * (b.raw & 0xFFFFFFFFu));
#else
  const hn::Repartition<std::uint32_t, Wide> words;
  return hn::MulEven(hn::BitCast(words, a), hn::BitCast(words, b));
#endif
}

/// Words of the blocks first_block … first_block + blocks − 1, four for each, in order; `blocks` is a multiple of the
/// lanes of two vectors.
HWY_INLINE void philox_words(std::uint64_t seed, std::uint64_t stream, std::uint64_t first_block, std::size_t blocks,
                             std::uint32_t* words) {
  const Wide d;
  const std::size_t lanes = hn::Lanes(d);
  const V low = hn::Set(d, 0xFFFFFFFFu);
  const V m0 = hn::Set(d, 0xD2511F53u), m1 = hn::Set(d, 0xCD9E8D57u);
  for (std::size_t b = 0; b < blocks; b += 2 * lanes) {
    // A word of the state lies in the low half of a lane; what stands in the high half never reaches a result.
    V counter_a = hn::Iota(d, first_block + b), counter_b = hn::Iota(d, first_block + b + lanes);
    V a0 = counter_a, a1 = hn::ShiftRight<32>(counter_a), a2 = hn::Set(d, stream), a3 = hn::ShiftRight<32>(a2);
    V b0 = counter_b, b1 = hn::ShiftRight<32>(counter_b), b2 = a2, b3 = a3;
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const V key0 = hn::Set(d, std::uint64_t{k0}), key1 = hn::Set(d, std::uint64_t{k1});
      const V pa0 = product(m0, a0), pa1 = product(m1, a2), pb0 = product(m0, b0), pb1 = product(m1, b2);
      a0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(pa1), a1), key0);
      a1 = pa1;
      a2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(pa0), a3), key1);
      a3 = pa0;
      b0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(pb1), b1), key0);
      b1 = pb1;
      b2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(pb0), b3), key1);
      b3 = pb0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    auto* out = reinterpret_cast<std::uint64_t*>(words + 4 * b);
    hn::StoreInterleaved2(hn::Or(hn::And(a0, low), hn::ShiftLeft<32>(a1)),
                          hn::Or(hn::And(a2, low), hn::ShiftLeft<32>(a3)), d, out);
    hn::StoreInterleaved2(hn::Or(hn::And(b0, low), hn::ShiftLeft<32>(b1)),
                          hn::Or(hn::And(b2, low), hn::ShiftLeft<32>(b3)), d, out + 2 * lanes);
  }
}

constexpr std::int64_t buffer_words = 1024;  // a multiple of the words of two vectors; stays in the first cache

/// At least `count` words (at most buffer_words) from word `begin` on, a multiple of 4.
HWY_INLINE void fill_buffer(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count,
                            std::uint32_t* words) {
  const std::size_t step = 2 * hn::Lanes(Wide());
  const std::size_t blocks = (static_cast<std::size_t>(count + 3) / 4 + step - 1) / step * step;
  philox_words(seed, stream, static_cast<std::uint64_t>(begin) / 4, blocks, words);
}

/// Bit k of byte b: whether word 8·b + k is at least the threshold.
HWY_INLINE void compare_words(const std::uint32_t* words, std::int64_t count, std::uint32_t threshold,
                              std::uint8_t* kept) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::uint32_t> d;
  if (const auto lanes = static_cast<std::int64_t>(hn::Lanes(d)); lanes >= 8) {
    const auto least = hn::Set(d, threshold);
    for (; i + lanes <= count; i += lanes)
      hn::StoreMaskBits(d, hn::Not(hn::Lt(hn::LoadU(d, words + i), least)), kept + i / 8);
  }
#endif
  for (; i < count; i += 8) {
    unsigned byte = 0;
    for (std::int64_t k = 0; k < std::min<std::int64_t>(8, count - i); ++k)
      byte |= static_cast<unsigned>(words[i + k] >= threshold) << k;
    kept[i / 8] = static_cast<std::uint8_t>(byte);
  }
}

template <class T>
void keep_scaled_by(const std::uint8_t* kept, std::int64_t count, const T* x, T scale, T* y) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<T> d;
  if (const auto lanes = static_cast<std::int64_t>(hn::Lanes(d)); lanes >= 8) {
    const auto factor = hn::Set(d, scale);
    for (; i + lanes <= count; i += lanes)
      hn::StoreU(hn::IfThenElseZero(hn::LoadMaskBits(d, kept + i / 8), hn::Mul(hn::LoadU(d, x + i), factor)), d, y + i);
  }
#endif
  for (; i < count; ++i) y[i] = (kept[i / 8] >> (i % 8) & 1) != 0 ? x[i] * scale : T{0};
}

template <class T>
void keep_scaled(const KeepMask& mask, std::int64_t begin, std::int64_t count, const T* x, T scale, T* y,
                 std::uint8_t* kept) {
  HWY_ALIGN std::uint32_t words[buffer_words];
  std::uint8_t unsaved[buffer_words / 8 + 8];
  for (std::int64_t at = 0; at < count; at += buffer_words) {
    const std::int64_t n = std::min(buffer_words, count - at);
    fill_buffer(mask.seed, mask.stream, begin + at, n, words);
    std::uint8_t* bits = kept != nullptr ? kept + at / 8 : unsaved;
    compare_words(words, n, mask.threshold, bits);
    keep_scaled_by(bits, n, x + at, scale, y + at);
  }
}

void random_words(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count,
                  std::uint32_t* out) {
  HWY_ALIGN std::uint32_t words[buffer_words];
  for (std::int64_t at = 0; at < count; at += buffer_words) {
    const std::int64_t n = std::min(buffer_words, count - at);
    fill_buffer(seed, stream, begin + at, n, words);
    std::copy_n(words, n, out + at);
  }
}

/// Unsigned integers of the size of T, and the signed ones that convert to it.
template <class T>
using Bits = hn::RebindToUnsigned<hn::ScalableTag<T>>;

template <class T>
struct Uniform {
  static HWY_INLINE void transform(const std::uint32_t* words, std::int64_t count, T* out) {
    const hn::ScalableTag<T> d;
    const Bits<T> bits;
    const hn::RebindToSigned<decltype(d)> integers;
    constexpr int unused = sizeof(T) == 4 ? 8 : 11;
    const auto unit = hn::Set(d, sizeof(T) == 4 ? T{0x1.0p-24} : T{0x1.0p-53});
    const auto* numbers = reinterpret_cast<const hn::TFromD<Bits<T>>*>(words);
    for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d)))
      hn::StoreU(
          hn::Mul(hn::ConvertTo(d, hn::BitCast(integers, hn::ShiftRight<unused>(hn::LoadU(bits, numbers + i)))), unit),
          d, out + i);
  }
};

template <class T>
struct Normal {
  /// The Taylor series on [−π/4, π/4], where what is left out is below half a unit of the last place.
  template <class D, class V>
  static HWY_INLINE void sin_cos(D d, V x, V& sine, V& cosine) {
    constexpr int terms = sizeof(T) == 4 ? 4 : 8;
    const V square = hn::Mul(x, x);
    double factorial = 1;
    T sine_terms[terms + 1], cosine_terms[terms + 1];
    for (int n = 0; n <= terms; ++n) {
      cosine_terms[n] = static_cast<T>((n % 2 == 0 ? 1 : -1) / factorial);
      factorial *= 2 * n + 1;
      sine_terms[n] = static_cast<T>((n % 2 == 0 ? 1 : -1) / factorial);
      factorial *= 2 * n + 2;
    }
    V s = hn::Set(d, sine_terms[terms]), c = hn::Set(d, cosine_terms[terms]);
    for (int n = terms; n-- > 0;) {
      s = hn::MulAdd(s, square, hn::Set(d, sine_terms[n]));
      c = hn::MulAdd(c, square, hn::Set(d, cosine_terms[n]));
    }
    sine = hn::Mul(s, x);
    cosine = c;
  }

  static HWY_INLINE void transform(const std::uint32_t* words, std::int64_t count, T* out) {
    const hn::ScalableTag<T> d;
    const Bits<T> bits;
    const hn::RebindToSigned<decltype(d)> integers;
    using Unsigned = hn::TFromD<Bits<T>>;
    constexpr int width = 8 * sizeof(T);
    const double whole_turn = width == 32 ? 0x1.0p32 : 0x1.0p64;
    const auto half = hn::Set(d, T{0.5}), unit = hn::Set(d, static_cast<T>(2 / whole_turn));
    const auto turn = hn::Set(d, static_cast<T>(2 * std::numbers::pi / whole_turn));
    const auto one = hn::Set(bits, Unsigned{1});
    const auto* numbers = reinterpret_cast<const Unsigned*>(words);
    for (std::int64_t i = 0; i < count; i += 2 * static_cast<std::int64_t>(hn::Lanes(d))) {
      hn::Vec<Bits<T>> a, b;
      hn::LoadInterleaved2(bits, numbers + i, a, b);
      // In (0, 1]: the logarithm stays finite.
      const auto draw = hn::Mul(hn::Add(hn::ConvertTo(d, hn::BitCast(integers, hn::ShiftRight<1>(a))), half), unit);
      const auto radius = hn::Sqrt(hn::Mul(hn::Set(d, T{-2}), hn::Log(d, draw)));
      // The nearest quarter of a turn, and what is left of the angle, in integers: exact.
      const auto quarter = hn::ShiftRight<width - 2>(hn::Add(b, hn::Set(bits, Unsigned{1} << (width - 3))));
      const auto rest = hn::BitCast(integers, hn::Sub(b, hn::ShiftLeft<width - 2>(quarter)));
      hn::Vec<hn::ScalableTag<T>> sine, cosine;
      sin_cos(d, hn::Mul(hn::ConvertTo(d, rest), turn), sine, cosine);
      const auto odd = hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(bits, hn::Eq(hn::And(quarter, one), one))));
      const auto turned_cosine = hn::IfThenElse(odd, sine, cosine), turned_sine = hn::IfThenElse(odd, cosine, sine);
      // Bit 1 of quarter is the sign of the sine, bit 1 of quarter + 1 that of the cosine.
      const auto sign_of = [&](auto q)
                               HWY_ATTR { return hn::BitCast(d, hn::ShiftLeft<width - 1>(hn::ShiftRight<1>(q))); };
      hn::StoreInterleaved2(hn::Mul(radius, hn::Xor(turned_cosine, sign_of(hn::Add(quarter, one)))),
                            hn::Mul(radius, hn::Xor(turned_sine, sign_of(quarter))), d, out + i);
    }
  }
};

/// Numbers of a stream, made of one word for floats and of two for doubles each.
template <class Transform, class T>
HWY_INLINE void draw(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out) {
  constexpr std::int64_t words_each = sizeof(T) / sizeof(std::uint32_t), buffer = buffer_words / words_each;
  HWY_ALIGN std::uint32_t words[buffer_words];
  HWY_ALIGN T numbers[buffer];
  for (std::int64_t at = 0; at < count; at += buffer) {
    const std::int64_t n = std::min(buffer, count - at);
    fill_buffer(seed, stream, (begin + at) * words_each, n * words_each, words);
    if (n == buffer) {
      Transform::transform(words, n, out + at);
    } else {  // whole vectors reach behind the end
      Transform::transform(words, n, numbers);
      std::copy_n(numbers, n, out + at);
    }
  }
}

template <class T>
void random_uniform(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out) {
  draw<Uniform<T>>(seed, stream, begin, count, out);
}

template <class T>
void random_normal(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out) {
  draw<Normal<T>>(seed, stream, begin, count, out);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace saw::kernels {

template <class T>
void keep_scaled(const KeepMask& mask, std::int64_t begin, std::int64_t count, const T* x, T scale, T* y,
                 std::uint8_t* kept) {
  SAW_FOR_TARGET(keep_scaled<T>)(mask, begin, count, x, scale, y, kept);
}

template <class T>
void keep_scaled(const std::uint8_t* kept, std::int64_t count, const T* x, T scale, T* y) {
  SAW_FOR_TARGET(keep_scaled_by<T>)(kept, count, x, scale, y);
}

void random_words(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count,
                  std::uint32_t* words) {
  SAW_FOR_TARGET(random_words)(seed, stream, begin, count, words);
}

template <class T>
void random_uniform(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out) {
  SAW_FOR_TARGET(random_uniform<T>)(seed, stream, begin, count, out);
}

template <class T>
void random_normal(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out) {
  SAW_FOR_TARGET(random_normal<T>)(seed, stream, begin, count, out);
}

#define SAW_INSTANTIATE(T)                                                                                   \
  template void keep_scaled<T>(const KeepMask&, std::int64_t, std::int64_t, const T*, T, T*, std::uint8_t*); \
  template void keep_scaled<T>(const std::uint8_t*, std::int64_t, const T*, T, T*);                          \
  template void random_uniform<T>(std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, T*);             \
  template void random_normal<T>(std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels

#endif  // HWY_ONCE
