#pragma once

// For sources of autograd/, not for users: what ops that move elements around have in common.

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/record.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Records y as made from x by something linear; `backward` maps the gradient of y to that of x in recorded ops.
template <class F>
Tensor record_linear(const OpInfo& info, const Tensor& x, const Tensor& y, const F& backward) {
  return record(info, {x}, y, [&] {
    return Gradient::of_ops(
        {}, [backward](const BackwardContext& context) -> TensorList { return {backward(context.grad_output())}; });
  });
}

/// The mistake that ops without arguments can meet.
inline void check_defined(const char* op, const Tensor& x) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", op);
}

/// The same memory seen otherwise, without history.
inline Tensor view_of(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset) {
  return Tensor(x.storage(), shape, strides, offset, x.dtype());
}

/// A contiguous tensor around one axis: (outer, size, inner).
struct Around {
  std::int64_t outer = 1, size, inner = 1;
  Around(const Shape& shape, std::size_t axis) : size(shape[axis]) {
    for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

}  // namespace saw
