#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"

#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

/// A contiguous copy without history.
Tensor copy_of(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), y.mutable_data(x.dtype()), y.strides(), x.shape());
  return y;
}

const OpInfo contiguous_info{"contiguous", "x, with row-major memory", true};
const OpInfo clone_info{"clone", "x, with memory of its own", true};
const OpInfo to_info{"to", "x in another dtype", true};

}  // namespace

Tensor contiguous(const Tensor& x) {
  check_defined("contiguous", x);
  if (x.is_contiguous()) return x;
  return record_linear(contiguous_info, x, copy_of(x), [](const Tensor& g) { return g; });
}

Tensor clone(const Tensor& x) {
  check_defined("clone", x);
  return record_linear(clone_info, x, copy_of(x), [](const Tensor& g) { return g; });
}

Tensor to(const Tensor& x, DType dtype) {
  check_defined("to", x);
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype);
  strided_convert(x.dtype(), x.data(x.dtype()), x.strides(), dtype, y.mutable_data(dtype), y.strides(), x.shape());
  if (!is_floating(dtype)) return record_constant(to_info, y);
  return record_linear(to_info, x, y, [original = x.dtype()](const Tensor& g) { return to(g, original); });
}

OpList copy_ops() { return {&contiguous_info, &clone_info, &to_info}; }

}  // namespace saw
