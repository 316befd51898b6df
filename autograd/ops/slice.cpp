#include "saw/autograd/ops/slice.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/view_backward.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

const OpInfo view_backward_info{"view_backward", "0, but x in one view of the result", true};
const OpInfo slice_info{"slice", "x[…, begin : end : step, …]", true};
const OpInfo select_info{"select", "x[…, index, …]", true};
const OpInfo diagonal_info{"diagonal", "y[…, i] = x[…, i, …, i + offset, …]", true};

}  // namespace

Tensor view_backward(const Tensor& x, const Shape& shape, const View& view) {
  Tensor y = zeros(shape, x.dtype());
  const Tensor target = view(y);
  if (target.shape() != x.shape())
    fail(ErrorKind::shape, "view_backward: the gradient does not fit the view; got {}; expected {}", x.shape(),
         target.shape());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), target.mutable_data(x.dtype()), target.strides(), x.shape());
  return record_linear(view_backward_info, x, y, view);
}

Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  const std::size_t a = normalize_axis("slice", axis, x.rank());
  if (step <= 0)
    fail(ErrorKind::argument, "slice: the step must be positive; got {}; use flip for the other way", step);
  const std::int64_t size = x.shape()[a];
  const std::int64_t first = std::clamp<std::int64_t>(begin < 0 ? begin + size : begin, 0, size);
  const std::int64_t last = std::clamp<std::int64_t>(end < 0 ? end + size : end, first, size);
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape[a] = (last - first) / step + ((last - first) % step != 0);
  const std::int64_t offset = shape[a] > 0 ? x.offset() + first * strides[a] : x.offset();
  if (shape[a] > 1) strides[a] *= step;
  return record_linear(slice_info, x, view_of(x, shape, strides, offset),
                       [original = x.shape(), a = static_cast<std::int64_t>(a), first, last, step](const Tensor& g) {
                         return view_backward(g, original,
                                              [=](const Tensor& whole) { return slice(whole, a, first, last, step); });
                       });
}

Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index) {
  const std::size_t a = normalize_axis("select", axis, x.rank());
  const std::int64_t size = x.shape()[a];
  const std::int64_t position = index < 0 ? index + size : index;
  if (position < 0 || position >= size)
    fail(ErrorKind::index, "select: index out of range; got {} for axis {} of a tensor of shape {}; expected {} to {}",
         index, axis, x.shape(), -size, size - 1);
  Shape shape = x.shape();
  Strides strides = x.strides();
  const std::int64_t offset = x.offset() + position * strides[a];
  shape.erase(a);
  strides.erase(a);
  return record_linear(select_info, x, view_of(x, shape, strides, offset),
                       [original = x.shape(), a = static_cast<std::int64_t>(a), position](const Tensor& g) {
                         return view_backward(g, original,
                                              [=](const Tensor& whole) { return select(whole, a, position); });
                       });
}

Tensor diagonal(const Tensor& x, std::int64_t offset, std::int64_t axis0, std::int64_t axis1) {
  const std::size_t a = normalize_axis("diagonal", axis0, x.rank());
  const std::size_t b = normalize_axis("diagonal", axis1, x.rank());
  if (a == b)
    fail(ErrorKind::argument, "diagonal: the axes must differ; got {} and {} for a tensor of shape {}", axis0, axis1,
         x.shape());
  // Further out there is nothing more, however large the offset.
  const std::int64_t place = std::clamp(offset, -x.shape()[a], x.shape()[b]);
  const std::int64_t below = std::max<std::int64_t>(-place, 0), right = std::max<std::int64_t>(place, 0);
  const std::int64_t length = std::max<std::int64_t>(std::min(x.shape()[a] - below, x.shape()[b] - right), 0);
  Shape shape = x.shape();
  Strides strides = x.strides();
  const std::int64_t stride = strides[a] + strides[b];
  const std::int64_t start = length > 0 ? x.offset() + below * strides[a] + right * strides[b] : x.offset();
  for (const std::size_t axis : {std::max(a, b), std::min(a, b)}) {
    shape.erase(axis);
    strides.erase(axis);
  }
  shape.push_back(length);
  strides.push_back(stride);
  return record_linear(diagonal_info, x, view_of(x, shape, strides, start),
                       [original = x.shape(), offset, axis0, axis1](const Tensor& g) {
                         return view_backward(
                             g, original, [=](const Tensor& whole) { return diagonal(whole, offset, axis0, axis1); });
                       });
}

OpList slice_ops() { return {&slice_info, &select_info, &diagonal_info, &view_backward_info}; }

}  // namespace saw
