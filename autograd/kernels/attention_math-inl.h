// Per-target: what attention (attention_tiles-inl.h) and relative attention (relative_attention_tiles-inl.h) compute
// alike.

#if defined(SAW_AUTOGRAD_KERNELS_ATTENTION_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_ATTENTION_MATH_INL_H_
#undef SAW_AUTOGRAD_KERNELS_ATTENTION_MATH_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_ATTENTION_MATH_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/attention_schedule.h"
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A block of Philox words in every lane: word n of each block is in w<n>.
template <class V>
struct PhiloxBlocks {
  V w0, w1, w2, w3;
};

/// Philox 4×32-10 with a counter of its own in each lane: `low` and `high` words of it, before those of the stream.
template <class D, class V = hn::Vec<D>>
HWY_INLINE PhiloxBlocks<V> philox_lanes(D d, std::uint64_t key, V low, V high, std::uint64_t stream) {
  const hn::Repartition<std::uint64_t, D> wide;
  const auto multiply = [&](V x, std::uint32_t factor, V& product_high, V& product_low) HWY_ATTR {
    const V factors = hn::Set(d, factor);
    const auto even = hn::MulEven(x, factors);
    const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))), factors);
    product_low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
    product_high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  };
  V c0 = low, c1 = high;
  V c2 = hn::Set(d, static_cast<std::uint32_t>(stream)), c3 = hn::Set(d, static_cast<std::uint32_t>(stream >> 32));
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    V high0, low0, high1, low1;
    multiply(c0, 0xD2511F53u, high0, low0);
    multiply(c2, 0xCD9E8D57u, high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, k0));
    c1 = low1;
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, k1));
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

/// to[r][c] = factor(r) · from[r][c], from gapless.
template <class T, class F>
HWY_INLINE void scale_rows(const T* from, std::int64_t rows, std::int64_t width, F factor, T* to, std::int64_t to_row) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r, from += width, to += to_row) {
    const auto f = hn::Set(d, factor(r));
    for_row(d, static_cast<std::size_t>(width), [&](auto at) HWY_ATTR { at.store(hn::Mul(f, at.load(from)), to); });
  }
}

/// to[r] = Σ_c a[r][c] · b[r][c].
template <class T>
void inner_products(const T* a, std::int64_t a_row, const T* b, std::int64_t b_row, std::int64_t rows,
                    std::int64_t width, T* to) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r, a += a_row, b += b_row) {
    auto sum = hn::Zero(d);
    for_row(d, static_cast<std::size_t>(width),
            [&](auto at) HWY_ATTR { sum = hn::MulAdd(at.load(a), at.load(b), sum); });
    to[r] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

/// log Σ exp(score) from the largest score and the sum of exp(score − largest).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V logsumexp_of(D d, V largest, V sum) {
  return hn::Add(largest, hn::IfThenElse(hn::IsNaN(sum), sum, hn::Log(d, sum)));
}

/// What backward needs of some queries, from row `row` on: the logsumexp of their scores, and the inner product of
/// their output and its gradient.
template <class T, class Gradients>
void load_query_sums(const AttentionOperands<T>& operands, const AttentionBackward<T, Gradients>& backward,
                     std::int64_t row, std::int64_t head, std::int64_t queries, T* logsumexp, T* inner) {
  const std::int64_t heads = operands.heads, width = operands.value_width, first = row * heads + head;
  const HeadRows<const T>& gradient = backward.grad_output;
  for (std::int64_t i = 0; i < queries; ++i) logsumexp[i] = backward.logsumexp[first + i * heads];
  inner_products(backward.output + first * width, heads * width,
                 gradient.data + row * gradient.row + head * gradient.head, gradient.row, queries, width, inner);
}

template <class T>
HWY_INLINE void multiply_elements(T* HWY_RESTRICT x, const T* HWY_RESTRICT y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] *= y[i];
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
