// Per target: from an op's formulas to its kernels. An op is a struct of formulas over a number type V, which is
// Vec<float> or Vec<double> here (see number-inl.h) and Tensor where its gradient is recorded:
//
//   struct Silu : Unary<Silu> {
//     static constexpr auto saves = Saves::input;
//     template <class V> V f(V x) const { return x * sigmoid(x); }
//     template <class V> V df(V x) const { const V s = sigmoid(x); return s * (1.0 + x * (1.0 - s)); }
//   };
//
// df is the slope, as a function of what is saved. An op may give gradient(g, saved) instead, its product with g, where
// that is simpler or where 0 has to win over an infinite g. With `integers` it takes int64 too.

#if defined(SAW_AUTOGRAD_KERNELS_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_ELEMENTWISE_INL_H_
#undef SAW_AUTOGRAD_KERNELS_ELEMENTWISE_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_ELEMENTWISE_INL_H_
#endif

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "saw/autograd/kernels/elementwise_row.h"
#include "saw/autograd/kernels/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// The op of this target from the bytes of another's.
template <class Op>
HWY_INLINE Op op_from_bytes(const void* bytes) {
  std::array<std::byte, sizeof(Op)> copy;
  std::memcpy(copy.data(), bytes, sizeof(Op));
  return std::bit_cast<Op>(copy);
}

/// out[i] = formula(op, in[0][i], …, in[K−1][i]). The tail runs through the same vector code, so an element's result
/// depends on its value alone, never on its place.
template <std::size_t K, class Op, class Formula, class T>
HWY_FLATTEN void run_row(const void* bytes, const ElementwiseRow<T>& row) {
  const Op op = op_from_bytes<Op>(bytes);
  if constexpr (std::is_same_v<T, std::int64_t>) {
    const auto at = [&](std::size_t k, std::size_t i) { return Vec<T>(row.in[k][row.repeats[k] ? 0 : i]); };
    for (std::size_t i = 0; i < row.n; ++i) row.out[i] = [&]<std::size_t... k>(std::index_sequence<k...>) {
        return Formula::of(op, at(k, i)...).raw;
      }
    (std::make_index_sequence<K>());
  } else {
    const hn::ScalableTag<T> d;
    const std::size_t lanes = hn::Lanes(d);
    // A repeated number is read again and again from a vector full of it: position 0 for every i.
    HWY_ALIGN T repeated[K][hn::MaxLanes(d)];
    const T* in[K];
    std::size_t mask[K];
    for (std::size_t k = 0; k < K; ++k) {
      in[k] = row.in[k];
      mask[k] = ~std::size_t{0};
      if (!row.repeats[k]) continue;
      hn::Store(hn::Set(d, *row.in[k]), d, repeated[k]);
      in[k] = repeated[k];
      mask[k] = 0;
    }
    [&]<std::size_t... k>(std::index_sequence<k...>) HWY_ATTR {
      std::size_t i = 0;
      for (; i + lanes <= row.n; i += lanes)
        hn::StoreU(Formula::of(op, Vec<T>(hn::LoadU(d, in[k] + (i & mask[k])))...).raw, d, row.out + i);
      if (i < row.n) {
        const std::size_t rest = row.n - i;
        store_part(d, Formula::of(op, Vec<T>(load_part(d, in[k] + (i & mask[k]), rest))...).raw, row.out + i, rest);
      }
    }
    (std::make_index_sequence<K>());
  }
}

template <std::size_t K, class Op, class Formula>
RowFunctions floating_rows() {
  return {run_row<K, Op, Formula, float>, run_row<K, Op, Formula, double>, nullptr};
}

template <std::size_t K, class Op, class Formula>
RowFunctions rows_of_all_dtypes() {
  RowFunctions functions = floating_rows<K, Op, Formula>();
  if constexpr (requires { requires Op::integers; }) functions.integers = run_row<K, Op, Formula, std::int64_t>;
  return functions;
}

/// A formula of an op by its role.
struct ValueOf {
  template <class Op, class... V>
  static HWY_INLINE auto of(const Op& op, V... x) {
    return op.f(x...);
  }
};
struct GradientOf {
  template <class Op, class V>
  static HWY_INLINE V of(const Op& op, V g, V saved) {
    return op.gradient(g, saved);
  }
};
struct GradientOfA {
  template <class Op, class V>
  static HWY_INLINE V of(const Op& op, V g, V a, V b) {
    return op.gradient_a(g, a, b);
  }
};
struct GradientOfB {
  template <class Op, class V>
  static HWY_INLINE V of(const Op& op, V g, V a, V b) {
    return op.gradient_b(g, a, b);
  }
};

/// The base of an op of one operand.
template <class Op>
struct Unary {
  template <class V>
  HWY_INLINE V gradient(V g, V saved) const {
    return g * static_cast<const Op&>(*this).df(saved);
  }
  static UnaryKernels kernels() { return {rows_of_all_dtypes<1, Op, ValueOf>(), floating_rows<2, Op, GradientOf>()}; }
};

/// The base of an op of two operands, with da and db beside f, or gradient_a and gradient_b in their places.
template <class Op>
struct Binary {
  template <class V>
  HWY_INLINE V gradient_a(V g, V a, V b) const {
    return g * static_cast<const Op&>(*this).da(a, b);
  }
  template <class V>
  HWY_INLINE V gradient_b(V g, V a, V b) const {
    return g * static_cast<const Op&>(*this).db(a, b);
  }
  static BinaryKernels kernels() {
    return {rows_of_all_dtypes<2, Op, ValueOf>(), floating_rows<3, Op, GradientOfA>(),
            floating_rows<3, Op, GradientOfB>()};
  }
};

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
