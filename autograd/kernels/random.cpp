#include "saw/autograd/kernels/random.h"

#include <algorithm>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/random.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace {

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

template <class T>
void keep_scaled_elements(const KeepMask& mask, std::int64_t begin, std::int64_t count, const T* x, T scale, T* y) {
  constexpr std::int64_t buffer = 1024;  // a multiple of the words of two vectors; stays in the first cache
  HWY_ALIGN std::uint32_t words[buffer];
  for (std::int64_t at = 0; at < count; at += buffer) {
    const std::int64_t n = std::min(buffer, count - at);
    const std::size_t step = 2 * hn::Lanes(Wide());
    const std::size_t blocks = (static_cast<std::size_t>(n + 3) / 4 + step - 1) / step * step;
    philox_words(mask.seed, mask.stream, static_cast<std::uint64_t>(begin + at) / 4, blocks, words);
    const T* from = x + at;
    T* to = y + at;
    for (std::int64_t i = 0; i < n; ++i) to[i] = words[i] >= mask.threshold ? from[i] * scale : T{0};
  }
}

}  // namespace
}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace saw::kernels {

template <class T>
void keep_scaled(const KeepMask& mask, std::int64_t begin, std::int64_t count, const T* x, T scale, T* y) {
  SAW_FOR_TARGET(keep_scaled_elements<T>)(mask, begin, count, x, scale, y);
}

template void keep_scaled(const KeepMask&, std::int64_t, std::int64_t, const float*, float, float*);
template void keep_scaled(const KeepMask&, std::int64_t, std::int64_t, const double*, double, double*);

}  // namespace saw::kernels

#endif  // HWY_ONCE
