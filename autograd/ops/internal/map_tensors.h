#pragma once

// For sources of autograd/, not for users: any function of elements, for ops whose operands and results differ in dtype
// (comparisons, conditions). Ops that have formulas run through elementwise_op.h.

#include <cstdint>
#include <type_traits>

#include "saw/autograd/kernels/elementwise.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// A bool as the loops see it: a byte, 0 or 1, of which the compiler makes vectors.
template <class T>
using Element = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;

/// out[…] = f(in[…]…) with broadcasting; `out` has the common shape and dtype R, the inputs have dtypes A.
template <class R, class... A, class F, class... Inputs>
void map_tensors(std::int64_t grain, const F& f, const Tensor& out, const Inputs&... in) {
  static_assert(sizeof...(A) == sizeof...(Inputs));
  if (out.numel() == 0) return;
  const auto nest = kernels::make_loop_nest<sizeof...(A) + 1>(
      out.shape(), {out.strides(), kernels::broadcast_strides(in.shape(), in.strides(), out.shape())...});
  kernels::map(nest, grain, f, reinterpret_cast<Element<R>*>(out.template mutable_data<R>()),
               reinterpret_cast<const Element<A>*>(in.template data<A>())...);
}

}  // namespace saw
