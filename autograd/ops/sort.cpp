// Order along one axis: argmax, argmin, max, min, sort, topk, median.

#include "saw/autograd/ops/sort.h"

#include <algorithm>
#include <cstdint>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/order.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/lines.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo argmax_info{"argmax", "argmax x", false};
const OpInfo argmin_info{"argmin", "argmin x", false};
const OpInfo max_info{"max", "max x and where", true};
const OpInfo min_info{"min", "min x and where", true};
const OpInfo sort_info{"sort", "x in order", true};
const OpInfo topk_info{"topk", "the k largest of x", true};
const OpInfo median_info{"median", "the middle of x in order, and where", true};

void check_not_empty(const OpInfo& info, const Tensor& x, std::size_t axis) {
  if (x.shape()[axis] == 0)
    fail(ErrorKind::shape, "{}: the axis is empty; got shape {} and axis {}; expected at least one element", info.name,
         x.shape(), axis);
}

/// x with `size` elements along the axis.
Shape resized(const Tensor& x, std::size_t axis, std::int64_t size) {
  Shape shape = x.shape();
  shape[axis] = size;
  return shape;
}

/// Positions along the axis, which is kept.
Tensor extreme_places(const OpInfo& info, const Tensor& x, std::size_t axis, bool largest) {
  const Tensor y = Tensor::empty(resized(x, axis, 1), int64);
  dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    if (y.numel() == 0) return;
    check_not_empty(info, x, axis);
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    const Lines lines = lines_along(x.shape(), axis);
    kernels::arg_extreme(largest, input.data<T>(), lines.outer, lines.size, lines.inner,
                         y.mutable_data<std::int64_t>());
  });
  return y;
}

Tensor arg_extreme(const OpInfo& info, const Tensor& x, std::int64_t axis, bool keepdim, bool largest) {
  if (is_number(x, axis)) return arg_extreme(info, x.reshape({1}), 0, false, largest);
  const std::size_t a = normalize_axis(info.name, axis, x.rank());
  const Tensor places = extreme_places(info, x, a, largest);
  return record_constant(info, keepdim ? places : places.squeeze(axis));
}

/// The elements at `places`, which have one place along the axis for each line; the gradient goes back there.
ValuesAndIndices picked(const OpInfo& info, const Tensor& x, std::size_t axis, bool keepdim, const Tensor& places) {
  const auto along = static_cast<std::int64_t>(axis);
  Tensor values, indices;
  {
    const NoGradGuard no_grad;
    values = gather(x, along, places);
    if (!keepdim) values = values.squeeze(along);
    indices = keepdim ? places : places.squeeze(along);
  }
  const TensorList outputs = record(info, {x}, TensorList{values, indices}, [&] {
    return Gradient::of_ops({places}, [along, shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor at = context.saved(0), dy = context.grad_output().reshape(at.shape());
      return {scatter_add(zeros(shape, dy.dtype()), along, at, dy)};
    });
  });
  return {outputs[0], outputs[1]};
}

ValuesAndIndices extreme(const OpInfo& info, const Tensor& x, std::int64_t axis, bool keepdim, bool largest) {
  if (is_number(x, axis)) return extreme(info, x.reshape({1}), 0, false, largest);
  const std::size_t a = normalize_axis(info.name, axis, x.rank());
  return picked(info, x, a, keepdim, extreme_places(info, x, a, largest));
}

/// The first k of a stable sort of every line, without history.
Sorted first_of_sort(const OpInfo& info, const Tensor& x, std::size_t axis, std::int64_t k, bool descending) {
  const Shape shape = resized(x, axis, k);
  const Sorted result{Tensor::empty(shape, x.dtype()), Tensor::empty(shape, int64)};
  dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    if (shape.numel() == 0) return;
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    const Lines lines = lines_along(x.shape(), axis);
    kernels::sort_lines(input.data<T>(), lines.outer, lines.size, lines.inner, k, descending,
                        result.values.mutable_data<T>(), result.indices.mutable_data<std::int64_t>());
  });
  return result;
}

/// Its gradient goes back to where the values came from.
Sorted best_first(const OpInfo& info, const Tensor& x, std::size_t axis, std::int64_t k, bool descending) {
  const Sorted result = first_of_sort(info, x, axis, k, descending);
  const TensorList outputs = record(info, {x}, TensorList{result.values, result.indices}, [&] {
    return Gradient::of_ops({result.indices}, [axis, shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor dy = context.grad_output();
      return {scatter_add(zeros(shape, dy.dtype()), static_cast<std::int64_t>(axis), context.saved(0), dy)};
    });
  });
  return {outputs[0], outputs[1]};
}

}  // namespace

Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdim) {
  return arg_extreme(argmax_info, x, axis, keepdim, true);
}

Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdim) {
  return arg_extreme(argmin_info, x, axis, keepdim, false);
}

Tensor max(const Tensor& x) { return amax(x); }
Tensor min(const Tensor& x) { return amin(x); }

ValuesAndIndices max(const Tensor& x, std::int64_t axis, bool keepdim) {
  return extreme(max_info, x, axis, keepdim, true);
}

ValuesAndIndices min(const Tensor& x, std::int64_t axis, bool keepdim) {
  return extreme(min_info, x, axis, keepdim, false);
}

Sorted sort(const Tensor& x, std::int64_t axis, bool descending) {
  if (is_number(x, axis)) {
    const Sorted of_one = sort(x.reshape({1}), 0, descending);
    return {of_one.values.reshape({}), of_one.indices.reshape({})};
  }
  const std::size_t a = normalize_axis("sort", axis, x.rank());
  return best_first(sort_info, x, a, x.shape()[a], descending);
}

Sorted topk(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
  const std::size_t a = normalize_axis("topk", axis, x.rank());
  if (k < 0 || k > x.shape()[a])
    fail(ErrorKind::argument, "topk: k does not fit the axis; got {} for shape {} and axis {}; expected 0 … {}", k,
         x.shape(), axis, x.shape()[a]);
  return best_first(topk_info, x, a, k, largest);
}

ValuesAndIndices median(const Tensor& x, std::int64_t axis, bool keepdim) {
  if (is_number(x, axis)) return median(x.reshape({1}), 0, false);
  const std::size_t a = normalize_axis("median", axis, x.rank());
  const Tensor places = Tensor::empty(resized(x, a, 1), int64);
  dispatch_numeric("median", x.dtype(), [&]<class T>() {
    if (places.numel() == 0) return;
    check_not_empty(median_info, x, a);
    const NoGradGuard no_grad;
    const std::int64_t size = x.shape()[a], middle = (size - 1) / 2;
    const Sorted sorted = first_of_sort(median_info, x, a, size, false);
    const Lines lines = lines_along(x.shape(), a);
    const T* values = sorted.values.data<T>();
    const std::int64_t* indices = sorted.indices.data<std::int64_t>();
    std::int64_t* place = places.mutable_data<std::int64_t>();
    for (std::int64_t line = 0; line < lines.count(); ++line) {
      const std::int64_t first = lines.begin(line);
      std::int64_t at = middle;
      const T last = values[first + (size - 1) * lines.inner];
      if (last != last)  // NaN stands behind all numbers, the first of them first
        for (at = size - 1; at > 0;) {
          const T before = values[first + (at - 1) * lines.inner];
          if (before == before) break;
          --at;
        }
      place[line] = indices[first + at * lines.inner];
    }
  });
  return picked(median_info, x, a, keepdim, places);
}

Tensor median(const Tensor& x) { return median(x.reshape({-1}), 0).values; }

OpList sort_ops() { return {&argmax_info, &argmin_info, &max_info, &min_info, &sort_info, &topk_info, &median_info}; }

}  // namespace saw
