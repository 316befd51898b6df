#include "saw/autograd/ops/view.h"
#include "saw/autograd/ops/copy.h"

#include <array>
#include <optional>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

// ---- reshape ----

/// Strides under which memory laid out by (shape, strides) reads as `target`; nothing if there are none.
std::optional<Strides> reshaped_strides(const Shape& shape, const Strides& strides, const Shape& target) {
  if (shape.numel() == 0) return contiguous_strides(target);
  struct Run {  // neighbouring axes that memory holds as one
    std::int64_t size = 1, stride = 1;
  };
  std::array<Run, Shape::max_rank> runs;  // the last axes first
  std::size_t count = 0;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    if (count > 0 && strides[axis] == runs[count - 1].size * runs[count - 1].stride)
      runs[count - 1].size *= shape[axis];
    else
      runs[count++] = {shape[axis], strides[axis]};
  }
  Strides result = Strides::filled(target.size(), 1);
  std::size_t next = 0;
  Run left;  // what the target's axes have not yet used of the run before `next`
  for (std::size_t axis = target.size(); axis-- > 0;) {
    if (target[axis] != 1) {
      if (left.size == 1) left = runs[next++];
      if (left.size % target[axis] != 0) return std::nullopt;
    }
    result[axis] = left.stride;
    left.stride *= target[axis];
    left.size /= target[axis];
  }
  return result;
}

/// `shape` with its −1, if any, worked out.
Shape completed_shape(const Tensor& x, const Shape& shape) {
  Shape result = shape;
  std::int64_t known = 1;
  std::optional<std::size_t> open;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == -1) {
      if (open) fail(ErrorKind::shape, "reshape: only one size may be -1; got {}", shape);
      open = axis;
    } else if (shape[axis] < 0) {
      fail(ErrorKind::shape, "reshape: sizes must be at least 0, or -1 once; got {}", shape);
    } else if (__builtin_mul_overflow(known, shape[axis], &known)) {
      fail(ErrorKind::shape, "reshape: too many elements; got {} for a tensor of shape {}", shape, x.shape());
    }
  }
  if (open) {
    if (known == 0 || x.numel() % known != 0)
      fail(ErrorKind::shape, "reshape: the size for -1 cannot be worked out; got {} for a tensor of shape {}", shape,
           x.shape());
    result[*open] = x.numel() / known;
  }
  if (result.numel() != x.numel())
    fail(ErrorKind::shape,
         "reshape: the number of elements changes; got {} ({} elements); expected {} elements as in {}", shape,
         result.numel(), x.numel(), x.shape());
  return result;
}

const OpInfo flatten_info{"flatten", "x with the axes first … last as one", true};
const OpInfo reshape_info{"reshape", "the elements of x, in row-major order, in another shape", true};

/// x in a shape of as many elements: a view where the strides allow it, else a copy.
Tensor reshaped(const OpInfo& info, const Tensor& x, const Shape& target) {
  const std::optional<Strides> strides =
      x.is_contiguous() ? contiguous_strides(target) : reshaped_strides(x.shape(), x.strides(), target);
  const Tensor y = strides ? view_of(x, target, *strides, x.offset())
                           : view_of(clone(x.detach()), target, contiguous_strides(target), 0);
  return record_linear(info, x, y, [original = x.shape()](const Tensor& g) { return reshape(g, original); });
}

// ---- transpose, permute ----

const OpInfo transpose_info{"transpose", "y[…, j, …, i, …] = x[…, i, …, j, …]", true};
const OpInfo swapaxes_info{"swapaxes", "transpose under its other name", true};
const OpInfo movedim_info{"movedim", "axis source[k] of x is axis destination[k] of the result", true};
const OpInfo permute_info{"permute", "axis i of the result is axis axes[i] of x", true};

Tensor transposed(const OpInfo& info, const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
  const std::size_t a = normalize_axis(info.name, axis0, x.rank());
  const std::size_t b = normalize_axis(info.name, axis1, x.rank());
  Shape shape = x.shape();
  Strides strides = x.strides();
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return record_linear(info, x, view_of(x, shape, strides, x.offset()),
                       [axis0, axis1](const Tensor& g) { return transpose(g, axis0, axis1); });
}

/// Axis i of the result is axis order[i] of x; every axis once, counted from the front.
Tensor permuted(const OpInfo& info, const Tensor& x, const Shape& order) {
  Shape shape = x.shape(), inverse = x.shape();
  Strides strides = x.strides();
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto axis = static_cast<std::size_t>(order[i]);
    shape[i] = x.shape()[axis];
    strides[i] = x.strides()[axis];
    inverse[axis] = static_cast<std::int64_t>(i);
  }
  return record_linear(info, x, view_of(x, shape, strides, x.offset()),
                       [inverse](const Tensor& g) { return permute(g, inverse); });
}

// ---- squeeze, unsqueeze, expand ----

const OpInfo squeeze_info{"squeeze", "x without axes of size 1", true};
const OpInfo unsqueeze_info{"unsqueeze", "x with one more axis, of size 1", true};
const OpInfo expand_info{"expand", "x repeated along axes of size 1, by stride 0", true};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const Shape target = completed_shape(x, shape);
  return target == x.shape() ? x : reshaped(reshape_info, x, target);
}

Tensor flatten(const Tensor& x, std::int64_t first, std::int64_t last) {
  if (x.rank() == 0) return reshaped(flatten_info, x, {1});
  const std::size_t begin = normalize_axis("flatten", first, x.rank()), end = normalize_axis("flatten", last, x.rank());
  if (begin > end)
    fail(ErrorKind::argument, "flatten: the first axis lies behind the last; got {} and {} for a tensor of shape {}",
         first, last, x.shape());
  if (begin == end) return x;
  Shape target;
  for (std::size_t axis = 0; axis < x.rank(); ++axis)
    if (axis > begin && axis <= end)
      target.back() *= x.shape()[axis];
    else
      target.push_back(x.shape()[axis]);
  return reshaped(flatten_info, x, target);
}

Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
  return transposed(transpose_info, x, axis0, axis1);
}

Tensor swapaxes(const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
  return transposed(swapaxes_info, x, axis0, axis1);
}

Tensor movedim(const Tensor& x, const Shape& source, const Shape& destination) {
  constexpr std::int64_t open = -1;
  Shape order = Shape::filled(x.rank(), open);
  std::array<bool, Shape::max_rank> moved{};
  bool fits = source.size() == destination.size();
  for (std::size_t k = 0; k < source.size() && fits; ++k) {
    const std::size_t from = normalize_axis("movedim", source[k], x.rank());
    const std::size_t to = normalize_axis("movedim", destination[k], x.rank());
    fits = !std::exchange(moved[from], true) && order[to] == open;
    order[to] = static_cast<std::int64_t>(from);
  }
  if (!fits)
    fail(ErrorKind::argument,
         "movedim: needs one destination for each source, and no axis twice; got {} and {} for a tensor of shape {}",
         source, destination, x.shape());
  std::size_t next = 0;
  for (std::int64_t& axis : order) {
    if (axis != open) continue;
    while (moved[next]) ++next;
    axis = static_cast<std::int64_t>(next++);
  }
  return permuted(movedim_info, x, order);
}

Tensor permute(const Tensor& x, const Shape& axes) {
  std::array<bool, Shape::max_rank> seen{};
  Shape order = axes;
  bool every_axis_once = axes.size() == x.rank();
  for (std::size_t i = 0; i < axes.size() && every_axis_once; ++i) {
    const std::size_t axis = normalize_axis("permute", axes[i], x.rank());
    every_axis_once = !std::exchange(seen[axis], true);
    order[i] = static_cast<std::int64_t>(axis);
  }
  if (!every_axis_once)
    fail(ErrorKind::argument, "permute: needs every axis once; got {} for a tensor of shape {}", axes, x.shape());
  return permuted(permute_info, x, order);
}

Tensor squeeze(const Tensor& x) {
  Shape shape;
  Strides strides;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    if (x.shape()[axis] == 1) continue;
    shape.push_back(x.shape()[axis]);
    strides.push_back(x.strides()[axis]);
  }
  return record_linear(squeeze_info, x, view_of(x, shape, strides, x.offset()),
                       [original = x.shape()](const Tensor& g) { return reshape(g, original); });
}

Tensor squeeze(const Tensor& x, std::int64_t axis) {
  const std::size_t a = normalize_axis("squeeze", axis, x.rank());
  if (x.shape()[a] != 1) return x;
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape.erase(a);
  strides.erase(a);
  return record_linear(squeeze_info, x, view_of(x, shape, strides, x.offset()),
                       [a](const Tensor& g) { return unsqueeze(g, static_cast<std::int64_t>(a)); });
}

Tensor unsqueeze(const Tensor& x, std::int64_t axis) {
  const std::size_t a = normalize_axis("unsqueeze", axis, x.rank() + 1);
  if (x.rank() == Shape::max_rank)
    fail(ErrorKind::argument, "unsqueeze: too many dimensions; got shape {}; expected at most {} after it", x.shape(),
         Shape::max_rank);
  Shape shape = x.shape();
  Strides strides = x.strides();
  strides.insert(a, a < shape.size() ? shape[a] * strides[a] : 1);
  shape.insert(a, 1);
  return record_linear(unsqueeze_info, x, view_of(x, shape, strides, x.offset()),
                       [a](const Tensor& g) { return squeeze(g, static_cast<std::int64_t>(a)); });
}

Tensor expand(const Tensor& x, const Shape& shape) {
  if (shape.size() < x.rank())
    fail(ErrorKind::shape, "expand: the shape has fewer axes than the tensor; got {} for a tensor of shape {}", shape,
         x.shape());
  const std::size_t added = shape.size() - x.rank();
  Shape target = shape;
  Strides strides = Strides::filled(shape.size(), 0);
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t size = axis < added ? 1 : x.shape()[axis - added];
    if (shape[axis] == -1 && axis >= added) target[axis] = size;
    if (target[axis] < 0 || (size != 1 && target[axis] != size))
      fail(ErrorKind::shape,
           "expand: axis {} cannot become {}; got {} for a tensor of shape {}; only axes of size 1 repeat", axis,
           shape[axis], shape, x.shape());
    if (target[axis] == size && axis >= added) strides[axis] = x.strides()[axis - added];
  }
  if (target == x.shape()) return x;
  element_count("expand", target);
  // The gradient goes back in the large shape: the engine sums over what was repeated.
  return record_linear(expand_info, x, view_of(x, target, strides, x.offset()), [](const Tensor& g) { return g; });
}

OpList view_ops() {
  return {&reshape_info, &flatten_info, &transpose_info, &swapaxes_info, &permute_info,
          &movedim_info, &squeeze_info, &unsqueeze_info, &expand_info};
}

}  // namespace saw
