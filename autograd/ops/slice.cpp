#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

// ---- view_backward: what slice, select and diagonal have in common ----

using View = std::function<Tensor(const Tensor&)>;

std::vector<Sample> view_backward_samples(SampleMaker& make);
std::vector<ErrorSample> view_backward_errors();
const OpInfo view_backward_info{"view_backward", "0, but x in one view of the result", true, view_backward_samples,
                                view_backward_errors};

/// Zeros of `shape` whose `view` holds x. The gradient of a view; and the view is the gradient of it.
Tensor view_backward(const Tensor& x, const Shape& shape, const View& view) {
  Tensor y = zeros(shape, x.dtype());
  const Tensor target = view(y);
  if (target.shape() != x.shape())
    fail(ErrorKind::shape, "view_backward: the gradient does not fit the view; got {}; expected {}", x.shape(),
         target.shape());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), target.mutable_data(x.dtype()), target.strides(), x.shape());
  return record_linear(view_backward_info, x, y, view);
}

std::vector<Sample> view_backward_samples(SampleMaker& make) {
  const View every_other = [](const Tensor& t) { return slice(t, 1, 1, 5, 2); };
  return {{.name = "slice",
           .inputs = {make.normal({3, 2})},
           .run =
               [every_other](const TensorList& in) {
                 return TensorList{view_backward(in[0], {3, 5}, every_other)};
               },
           .reference =
               [](const TensorList& in) {
                 return TensorList{rearranged(in[0], {3, 5}, [](const Shape& i) {
                   return i[1] % 2 == 1 ? Shape{i[0], i[1] / 2} : Shape{-1, -1};
                 })};
               }}};
}

std::vector<ErrorSample> view_backward_errors() {
  return {{"shape", [] { view_backward(zeros({2}), {3}, [](const Tensor& whole) { return slice(whole, 0, 0, 1); }); },
           ErrorKind::shape, "view_backward: the gradient does not fit"}};
}

// ---- slice, select, diagonal ----

std::vector<Sample> slice_samples(SampleMaker& make) {
  struct Range {
    std::int64_t axis, begin, end, step;
  };
  // first and size: what the range comes to after negative positions and clamping
  const auto sample = [](const char* name, const Tensor& x, Range range, std::int64_t first, std::int64_t size) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [range](const TensorList& in) {
                        return TensorList{slice(in[0], range.axis, range.begin, range.end, range.step)};
                      },
                  .reference =
                      [range, first, size](const TensorList& in) {
                        Shape shape = in[0].shape();
                        const std::size_t axis = normalize_axis("slice", range.axis, shape.size());
                        shape[axis] = size;
                        return TensorList{rearranged(in[0], shape, [axis, first, step = range.step](Shape i) {
                          i[axis] = first + step * i[axis];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({5, 3}), {0, 1, 4, 1}, 1, 3),
          sample("columns by two", make.normal({2, 5}), {1, 0, 5, 2}, 0, 3),
          sample("from the end", make.normal({5, 2}), {0, -3, -1, 1}, 2, 2),
          sample("clamped", make.normal({4}), {0, -9, 9, 3}, 0, 2),
          sample("middle axis", make.normal({2, 4, 3}), {-2, 1, 4, 2}, 1, 2),
          sample("empty result", make.normal({4, 2}), {0, 3, 1, 1}, 3, 0),
          sample("beyond the end", make.normal({4, 2}), {0, 7, 9, 1}, 4, 0),
          sample("empty input", make.normal({0, 2}), {0, 0, 3, 1}, 0, 0),
          sample("all", make.normal({3}), {0, 0, 3, 1}, 0, 3)};
}

std::vector<ErrorSample> slice_errors() {
  return {{"axis out of range",
           [] {
             slice(zeros({2, 3}), 2, 0, 1);
           },
           ErrorKind::argument, "slice: axis"},
          {"scalar", [] { slice(zeros({}), 0, 0, 1); }, ErrorKind::argument, "slice: axis"},
          {"step 0", [] { slice(zeros({3}), 0, 0, 3, 0); }, ErrorKind::argument, "slice: the step"},
          {"negative step", [] { slice(zeros({3}), 0, 3, 0, -1); }, ErrorKind::argument, "flip"}};
}

const OpInfo slice_info{"slice", "x[…, begin : end : step, …]", true, slice_samples, slice_errors};

std::vector<Sample> select_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, std::int64_t index) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axis, index](const TensorList& in) { return TensorList{select(in[0], axis, index)}; },
                  .reference =
                      [axis, index](const TensorList& in) {
                        const std::size_t a = normalize_axis("select", axis, in[0].rank());
                        Shape shape = in[0].shape();
                        const std::int64_t at = index < 0 ? index + shape[a] : index;
                        shape.erase(a);
                        return TensorList{rearranged(in[0], shape, [a, at](Shape i) {
                          i.insert(a, at);
                          return i;
                        })};
                      }};
  };
  return {sample("row", make.normal({3, 4}), 0, 1), sample("column", make.normal({3, 4}), 1, 3),
          sample("from the end", make.normal({2, 3, 4}), -2, -1), sample("to scalar", make.normal({3}), 0, 2),
          sample("of empty rows", make.normal({2, 0}), 0, 1)};
}

std::vector<ErrorSample> select_errors() {
  return {{"axis out of range",
           [] {
             select(zeros({2, 3}), -3, 0);
           },
           ErrorKind::argument, "select: axis"},
          {"index too large",
           [] {
             select(zeros({2, 3}), 1, 3);
           },
           ErrorKind::index, "select: index"},
          {"index too small",
           [] {
             select(zeros({2, 3}), 0, -3);
           },
           ErrorKind::index, "select: index"},
          {"of nothing",
           [] {
             select(zeros({0, 3}), 0, 0);
           },
           ErrorKind::index, "select: index"}};
}

const OpInfo select_info{"select", "x[…, index, …]", true, select_samples, select_errors};

std::vector<Sample> diagonal_samples(SampleMaker& make) {
  struct Where {
    std::int64_t offset, axis0, axis1;
  };
  const auto sample = [](const char* name, const Tensor& x, Where where, std::int64_t length) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [where](const TensorList& in) {
                        return TensorList{diagonal(in[0], where.offset, where.axis0, where.axis1)};
                      },
                  .reference =
                      [where, length](const TensorList& in) {
                        const std::size_t a = normalize_axis("diagonal", where.axis0, in[0].rank());
                        const std::size_t b = normalize_axis("diagonal", where.axis1, in[0].rank());
                        Shape shape;
                        for (std::size_t axis = 0; axis < in[0].rank(); ++axis)
                          if (axis != a && axis != b) shape.push_back(in[0].shape()[axis]);
                        shape.push_back(length);
                        return TensorList{rearranged(in[0], shape, [&](const Shape& i) {
                          Shape from;
                          std::size_t next = 0;
                          for (std::size_t axis = 0; axis < in[0].rank(); ++axis)
                            from.push_back(axis == a   ? i.back() - std::min<std::int64_t>(where.offset, 0)
                                           : axis == b ? i.back() + std::max<std::int64_t>(where.offset, 0)
                                                       : i[next++]);
                          return from;
                        })};
                      }};
  };
  return {sample("square", make.normal({3, 3}), {0, 0, 1}, 3),
          sample("above", make.normal({3, 4}), {1, 0, 1}, 3),
          sample("below", make.normal({3, 4}), {-2, 0, 1}, 1),
          sample("outside", make.normal({2, 2}), {5, 0, 1}, 0),
          sample("far outside", make.normal({2, 2}), {std::numeric_limits<std::int64_t>::min(), 0, 1}, 0),
          sample("batch", make.normal({2, 3, 2}), {0, 1, 2}, 2),
          sample("swapped axes", make.normal({3, 2, 4}), {1, -1, 0}, 2)};
}

std::vector<ErrorSample> diagonal_errors() {
  return {{"one axis", [] { diagonal(zeros({3})); }, ErrorKind::argument, "diagonal: axis"},
          {"same axis",
           [] {
             diagonal(zeros({3, 3}), 0, 1, -1);
           },
           ErrorKind::argument, "diagonal: the axes"}};
}

const OpInfo diagonal_info{"diagonal", "y[…, i] = x[…, i, …, i + offset, …]", true, diagonal_samples, diagonal_errors};

}  // namespace

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
