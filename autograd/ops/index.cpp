#include "saw/autograd/ops/index.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/index.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/indices.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

void check_same_dtype(const char* op, const Tensor& x, const Tensor& source) {
  if (x.dtype() != source.dtype())
    fail(ErrorKind::dtype, "{}: dtypes differ; got {} and {}", op, x.dtype(), source.dtype());
  if (x.dtype() == boolean) fail(ErrorKind::dtype, "{}: cannot add bools; got bool; convert with to()", op);
}

void check_index_list(const char* op, const Tensor& index) {
  if (index.rank() != 1)
    fail(ErrorKind::shape, "{}: the index must have one dimension; got shape {}", op, index.shape());
}

/// Checks that index (of gather and scatter_add) has x's rank and fits into x along the other axes.
void check_walk(const char* op, const Tensor& x, std::size_t axis, const Tensor& index) {
  bool fits = index.rank() == x.rank();
  for (std::size_t i = 0; i < x.rank() && fits; ++i) fits = i == axis || index.shape()[i] <= x.shape()[i];
  if (!fits)
    fail(ErrorKind::shape,
         "{}: the index does not fit; got index {} for x {}; expected the same rank and, except along axis "
         "{}, no larger sizes",
         op, index.shape(), x.shape(), axis);
}

/// Adds source to y, which holds x's values already, and records that as scatter_add or index_add of x. When y is a
/// fresh tensor of zeros, x may be y itself: then only source has a gradient, and nothing was copied.
Tensor scatter_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source);
Tensor add_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source);

// ---- gather, scatter_add ----

const OpInfo gather_info{"gather", "y[i, j] = x[index[i, j], j] along axis 0", true};
const OpInfo scatter_add_info{"scatter_add", "y = x; y[index[i, j], j] += source[i, j] along axis 0", true};

// ---- index_select, index_add ----

const OpInfo index_select_info{"index_select", "y[i, …] = x[index[i], …] along axis 0", true};
const OpInfo index_add_info{"index_add", "y = x; y[index[i], …] += source[i, …] along axis 0", true};

// ---- masked_select ----

/// The row-major element numbers at which the mask holds.
Tensor positions_of(const Tensor& mask) {
  const Tensor row_major = contiguous(mask);
  const bool* holds = row_major.data<bool>();
  Tensor positions = Tensor::empty({std::count(holds, holds + mask.numel(), true)}, int64);
  std::int64_t* next = positions.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < mask.numel(); ++i)
    if (holds[i]) *next++ = i;
  return positions;
}

const OpInfo masked_select_info{"masked_select", "the elements of x where the mask holds", true};

Tensor scatter_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source) {
  dispatch_numeric("scatter_add", y.dtype(), [&]<class T>() {
    kernels::scatter_elements({.shape = index.shape(),
                               .axis = axis,
                               .table = y.strides(),
                               .index = index.strides(),
                               .values = source.strides()},
                              y.mutable_data<T>(), index.data<std::int64_t>(), source.data<T>());
  });
  return record(scatter_add_info, {x, source}, y, [&] {
    return Gradient::of_ops({index}, [axis](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      return {context.needs_grad(0) ? g : Tensor(),
              context.needs_grad(1) ? gather(g, static_cast<std::int64_t>(axis), context.saved(0)) : Tensor()};
    });
  });
}

Tensor add_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source) {
  const Tensor row_major = contiguous(source.detach());
  const Around around(y.shape(), axis);
  dispatch_numeric("index_add", y.dtype(), [&]<class T>() {
    kernels::add_slices(y.mutable_data<T>(), around.outer, around.size, around.inner, index.data<std::int64_t>(),
                        index.numel(), row_major.data<T>());
  });
  return record(index_add_info, {x, source}, y, [&] {
    return Gradient::of_ops({index}, [axis](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      return {context.needs_grad(0) ? g : Tensor(),
              context.needs_grad(1) ? index_select(g, static_cast<std::int64_t>(axis), context.saved(0)) : Tensor()};
    });
  });
}

}  // namespace

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index) {
  const std::size_t a = normalize_axis("gather", axis, x.rank());
  check_walk("gather", x, a, index);
  const Tensor positions = checked_indices("gather", index, x.shape()[a]);
  Tensor y = Tensor::empty(index.shape(), x.dtype());
  kernels::gather_elements(
      size_of(x.dtype()),
      {.shape = index.shape(), .axis = a, .table = x.strides(), .index = positions.strides(), .values = y.strides()},
      x.data(x.dtype()), positions.data<std::int64_t>(), y.mutable_data(x.dtype()));
  return record(gather_info, {x}, y, [&] {
    return Gradient::of_ops({positions}, [a, shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor sum = zeros(shape, context.grad_output().dtype());
      return {scatter_onto(sum, sum, a, context.saved(0), context.grad_output())};
    });
  });
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source) {
  const std::size_t a = normalize_axis("scatter_add", axis, x.rank());
  check_same_dtype("scatter_add", x, source);
  check_walk("scatter_add", x, a, index);
  if (source.shape() != index.shape())
    fail(ErrorKind::shape, "scatter_add: index and source differ in shape; got {} and {}", index.shape(),
         source.shape());
  return scatter_onto(x, clone(x.detach()), a, checked_indices("scatter_add", index, x.shape()[a]), source);
}

Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index) {
  const std::size_t a = normalize_axis("index_select", axis, x.rank());
  check_index_list("index_select", index);
  const Tensor positions = checked_indices("index_select", index, x.shape()[a]);
  const Tensor source = contiguous(x.detach());
  const Around around(x.shape(), a);
  Shape shape = x.shape();
  shape[a] = positions.numel();
  Tensor y = Tensor::empty(shape, x.dtype());
  kernels::take_slices(size_of(x.dtype()), source.data(x.dtype()), around.outer, around.size, around.inner,
                       positions.data<std::int64_t>(), positions.numel(), y.mutable_data(x.dtype()));
  return record(index_select_info, {x}, y, [&] {
    return Gradient::of_ops({positions}, [a, original = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor sum = zeros(original, context.grad_output().dtype());
      return {add_onto(sum, sum, a, context.saved(0), context.grad_output())};
    });
  });
}

Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source) {
  const std::size_t a = normalize_axis("index_add", axis, x.rank());
  check_same_dtype("index_add", x, source);
  check_index_list("index_add", index);
  Shape expected = x.shape();
  expected[a] = index.numel();
  if (source.shape() != expected)
    fail(ErrorKind::shape, "index_add: the source has the wrong shape; got {}; expected {}", source.shape(), expected);
  return add_onto(x, clone(x.detach()), a, checked_indices("index_add", index, x.shape()[a]), source);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (mask.dtype() != boolean) fail(ErrorKind::dtype, "masked_select: the mask must be bool; got {}", mask.dtype());
  if (mask.shape() != x.shape())
    fail(ErrorKind::shape, "masked_select: the mask has another shape; got {} for x {}", mask.shape(), x.shape());
  const Tensor positions = positions_of(mask);
  const Tensor source = contiguous(x.detach());
  Tensor y = Tensor::empty(positions.shape(), x.dtype());
  kernels::take_slices(size_of(x.dtype()), source.data(x.dtype()), 1, x.numel(), 1, positions.data<std::int64_t>(),
                       positions.numel(), y.mutable_data(x.dtype()));
  return record(masked_select_info, {x}, y, [&] {
    return Gradient::of_ops({positions}, [shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor sum = zeros({shape.numel()}, context.grad_output().dtype());
      return {reshape(add_onto(sum, sum, 0, context.saved(0), context.grad_output()), shape)};
    });
  });
}

OpList index_ops() {
  return {&gather_info, &scatter_add_info, &index_select_info, &index_add_info, &masked_select_info};
}

}  // namespace saw
