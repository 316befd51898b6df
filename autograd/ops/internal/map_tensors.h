#pragma once

// For sources of autograd/, not for users: any function of elements, for ops whose operands and results differ in dtype
// (comparisons, conditions). Ops that have formulas run through elementwise_op.h.

#include <cstdint>

#include "saw/autograd/kernels/elementwise.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// out[…] = f(in[…]…) with broadcasting; `out` has the common shape and dtype R, the inputs have dtypes A.
template <class R, class... A, class F, class... Inputs>
void map_tensors(std::int64_t grain, const F& f, const Tensor& out, const Inputs&... in) {
  static_assert(sizeof...(A) == sizeof...(Inputs));
  if (out.numel() == 0) return;
  const auto nest = kernels::make_loop_nest<sizeof...(A) + 1>(
      out.shape(), {out.strides(), kernels::broadcast_strides(in.shape(), in.strides(), out.shape())...});
  kernels::map(nest, grain, f, out.template mutable_data<R>(), in.template data<A>()...);
}

}  // namespace saw
