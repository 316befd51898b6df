#include "saw/autograd/ops/view.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "saw/autograd/check.h"
#include "saw/autograd/dispatch.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/op_info.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/families.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/record.h"

namespace saw {
namespace {

Tensor view_of(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset) {
  return Tensor(x.storage(), shape, strides, offset, x.dtype());
}

/// Records y as made from x by something linear; `backward` maps the gradient of y to that of x in recorded ops.
template <class F>
Tensor record_linear(const OpInfo& info, const Tensor& x, const Tensor& y, const F& backward) {
  return record(info, {x}, y, [&] {
    Gradient gradient;
    gradient.backward = [backward](const BackwardContext& context) -> TensorList {
      return {backward(context.grad_output())};
    };
    gradient.plain = true;
    return gradient;
  });
}

/// A contiguous copy without history.
Tensor copy_of(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), y.mutable_data(x.dtype()), y.strides(), x.shape());
  return y;
}

// ---- view_backward: what slice, select and diagonal have in common ----

using View = std::function<Tensor(const Tensor&)>;

std::vector<Sample> view_backward_samples(SampleMaker& make);
std::vector<ErrorSample> no_errors() { return {}; }
const OpInfo view_backward_info{"view_backward", "0, but x in one view of the result", true, view_backward_samples,
                                no_errors};

/// Zeros of `shape` whose `view` holds x. The gradient of a view; and the view is the gradient of it.
Tensor view_backward(const Tensor& x, const Shape& shape, const View& view) {
  Tensor y = zeros(shape, x.dtype());
  const Tensor target = view(y);
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
    } else {
      known *= shape[axis];
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

std::vector<Sample> reshape_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& shape, const Shape& expected) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [shape](const TensorList& in) { return TensorList{reshape(in[0], shape)}; },
                  .reference =
                      [expected](const TensorList& in) {
                        return TensorList{rearranged(in[0], expected, [&](const Shape& i) {
                          return unravel(ravel(i, expected), in[0].shape());
                        })};
                      }};
  };
  return {sample("merge", make.normal({2, 3, 4}), {6, 4}, {6, 4}),
          sample("split", make.normal({6, 4}), {2, 3, -1}, {2, 3, 4}),
          sample("regroup", make.normal({4, 6}), {3, 8}, {3, 8}),
          sample("to scalar", make.normal({1, 1}), {}, {}),
          sample("from scalar", make.normal({}), {1, 1}, {1, 1}),
          sample("same", make.normal({2, 2}), {2, 2}, {2, 2}),
          sample("empty", make.normal({0, 3}), {3, 0, 2}, {3, 0, 2}),
          sample("integers", make.integers({2, 3}, 0, 9), {3, 2}, {3, 2})};
}

std::vector<ErrorSample> reshape_errors() {
  return {{"wrong count",
           [] {
             reshape(zeros({2, 3}), {4, 2});
           },
           ErrorKind::shape, "reshape: the number of elements"},
          {"two open",
           [] {
             reshape(zeros({2, 3}), {-1, -1});
           },
           ErrorKind::shape, "only one size may be -1"},
          {"does not divide",
           [] {
             reshape(zeros({2, 3}), {4, -1});
           },
           ErrorKind::shape, "reshape: the size for -1"},
          {"open beside 0",
           [] {
             reshape(zeros({0, 3}), {0, -1});
           },
           ErrorKind::shape, "reshape: the size for -1"},
          {"negative",
           [] {
             reshape(zeros({2, 3}), {-2, 3});
           },
           ErrorKind::shape, "reshape: sizes must be"}};
}

const OpInfo reshape_info{"reshape", "the elements of x, in row-major order, in another shape", true, reshape_samples,
                          reshape_errors};

// ---- transpose, permute ----

std::vector<Sample> transpose_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
    const std::size_t a = normalize_axis("transpose", axis0, x.rank()),
                      b = normalize_axis("transpose", axis1, x.rank());
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axis0, axis1](const TensorList& in) { return TensorList{transpose(in[0], axis0, axis1)}; },
                  .reference =
                      [a, b](const TensorList& in) {
                        Shape shape = in[0].shape();
                        std::swap(shape[a], shape[b]);
                        return TensorList{rearranged(in[0], shape, [a, b](Shape i) {
                          std::swap(i[a], i[b]);
                          return i;
                        })};
                      }};
  };
  return {sample("matrix", make.normal({2, 3}), 0, 1), sample("outer axes", make.normal({2, 3, 4}), 0, -1),
          sample("same axis", make.normal({2, 3}), 1, 1), sample("empty", make.normal({0, 3}), 0, 1)};
}

std::vector<ErrorSample> transpose_errors() {
  return {{"axis out of range",
           [] {
             transpose(zeros({2, 3}), 0, 2);
           },
           ErrorKind::argument, "transpose: axis"},
          {"scalar", [] { transpose(zeros({}), 0, 1); }, ErrorKind::argument, "transpose: axis"}};
}

const OpInfo transpose_info{"transpose", "y[…, j, …, i, …] = x[…, i, …, j, …]", true, transpose_samples,
                            transpose_errors};

std::vector<Sample> permute_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& axes) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [axes](const TensorList& in) { return TensorList{permute(in[0], axes)}; },
                  .reference =
                      [axes](const TensorList& in) {
                        Shape shape = in[0].shape(), order = axes;
                        for (std::size_t i = 0; i < axes.size(); ++i) {
                          order[i] = static_cast<std::int64_t>(normalize_axis("permute", axes[i], axes.size()));
                          shape[i] = in[0].shape()[static_cast<std::size_t>(order[i])];
                        }
                        return TensorList{rearranged(in[0], shape, [order](const Shape& i) {
                          Shape from = i;
                          for (std::size_t k = 0; k < i.size(); ++k) from[static_cast<std::size_t>(order[k])] = i[k];
                          return from;
                        })};
                      }};
  };
  return {sample("rotation", make.normal({2, 3, 4}), {2, 0, 1}), sample("identity", make.normal({2, 3}), {0, 1}),
          sample("negative axes", make.normal({2, 3, 1, 2}), {-1, 0, -2, 1}), sample("scalar", make.normal({}), {})};
}

std::vector<ErrorSample> permute_errors() {
  return {{"too few axes",
           [] {
             permute(zeros({2, 3}), {0});
           },
           ErrorKind::argument, "permute: needs every axis once"},
          {"axis twice",
           [] {
             permute(zeros({2, 3}), {1, -1});
           },
           ErrorKind::argument, "permute: needs every axis once"},
          {"axis out of range",
           [] {
             permute(zeros({2, 3}), {0, 2});
           },
           ErrorKind::argument, "permute: axis"}};
}

const OpInfo permute_info{"permute", "axis i of the result is axis axes[i] of x", true, permute_samples,
                          permute_errors};

// ---- squeeze, unsqueeze, expand ----

Sample same_elements(const char* name, const Tensor& x, const Shape& expected, Sample::Function run) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = [expected](const TensorList& in) {
            return TensorList{rearranged(in[0], expected,
                                         [&](const Shape& i) { return unravel(ravel(i, expected), in[0].shape()); })};
          }};
}

std::vector<Sample> squeeze_samples(SampleMaker& make) {
  const auto all = [](const TensorList& in) { return TensorList{squeeze(in[0])}; };
  const auto last = [](const TensorList& in) { return TensorList{squeeze(in[0], -1)}; };
  return {same_elements("all", make.normal({1, 3, 1, 2}), {3, 2}, all),
          same_elements("to scalar", make.normal({1, 1}), {}, all),
          same_elements("scalar", make.normal({}), {}, all),
          same_elements("empty", make.normal({1, 0}), {0}, all),
          same_elements("one axis", make.normal({1, 3, 1}), {1, 3}, last),
          same_elements("axis of another size", make.normal({1, 3}), {1, 3}, last)};
}

std::vector<ErrorSample> squeeze_errors() {
  return {{"axis out of range", [] { squeeze(zeros({1, 3}), 2); }, ErrorKind::argument, "squeeze: axis"}};
}

const OpInfo squeeze_info{"squeeze", "x without axes of size 1", true, squeeze_samples, squeeze_errors};

std::vector<Sample> unsqueeze_samples(SampleMaker& make) {
  const auto at = [](std::int64_t axis) {
    return [axis](const TensorList& in) { return TensorList{unsqueeze(in[0], axis)}; };
  };
  return {same_elements("front", make.normal({2, 3}), {1, 2, 3}, at(0)),
          same_elements("middle", make.normal({2, 3}), {2, 1, 3}, at(1)),
          same_elements("end", make.normal({2, 3}), {2, 3, 1}, at(-1)),
          same_elements("scalar", make.normal({}), {1}, at(0)),
          same_elements("empty", make.normal({0}), {1, 0}, at(-2))};
}

std::vector<ErrorSample> unsqueeze_errors() {
  return {{"axis out of range",
           [] {
             unsqueeze(zeros({2, 3}), 3);
           },
           ErrorKind::argument, "unsqueeze: axis"},
          {"too many axes",
           [] {
             unsqueeze(zeros({1, 1, 1, 1, 1, 1, 1, 1}), 0);
           },
           ErrorKind::argument, "8"}};
}

const OpInfo unsqueeze_info{"unsqueeze", "x with one more axis, of size 1", true, unsqueeze_samples, unsqueeze_errors};

std::vector<Sample> expand_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& shape, const Shape& expected) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [shape](const TensorList& in) { return TensorList{expand(in[0], shape)}; },
                  .reference =
                      [expected](const TensorList& in) {
                        return TensorList{rearranged(in[0], expected, [&](const Shape& i) {
                          Shape from = in[0].shape();
                          const std::size_t added = i.size() - from.size();
                          for (std::size_t axis = 0; axis < from.size(); ++axis)
                            from[axis] = from[axis] == 1 ? 0 : i[axis + added];
                          return from;
                        })};
                      }};
  };
  return {sample("rows", make.normal({1, 3}), {4, 3}, {4, 3}),
          sample("columns", make.normal({3, 1}), {-1, 2}, {3, 2}),
          sample("new axes", make.normal({3, 1}), {2, 3, 4}, {2, 3, 4}),
          sample("scalar", make.normal({}), {2, 2}, {2, 2}),
          sample("same", make.normal({2, 3}), {2, 3}, {2, 3}),
          sample("to nothing", make.normal({1, 3}), {0, 3}, {0, 3})};
}

std::vector<ErrorSample> expand_errors() {
  return {{"size not 1",
           [] {
             expand(zeros({2, 3}), {4, 3});
           },
           ErrorKind::shape, "expand: axis 0"},
          {"too few axes",
           [] {
             expand(zeros({2, 3}), {3});
           },
           ErrorKind::shape, "expand: the shape has fewer axes"},
          {"open new axis",
           [] {
             expand(zeros({3}), {-1, 3});
           },
           ErrorKind::shape, "expand: axis 0"},
          {"negative", [] { expand(zeros({1}), {-2}); }, ErrorKind::shape, "expand: axis 0"}};
}

const OpInfo expand_info{"expand", "x repeated along axes of size 1, by stride 0", true, expand_samples, expand_errors};

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

// ---- contiguous, clone, to ----

std::vector<Sample> copy_samples(SampleMaker& make, Tensor (*copy)(const Tensor&)) {
  const auto run = [copy](const TensorList& in) { return TensorList{copy(in[0])}; };
  return {same_elements("matrix", make.normal({3, 4}), {3, 4}, run),
          same_elements("three axes", make.normal({2, 3, 4}), {2, 3, 4}, run),
          same_elements("scalar", make.normal({}), {}, run), same_elements("empty", make.normal({2, 0}), {2, 0}, run),
          same_elements("bool", make.conditions({2, 3}), {2, 3}, run)};
}

std::vector<Sample> contiguous_samples(SampleMaker& make) { return copy_samples(make, contiguous); }
std::vector<Sample> clone_samples(SampleMaker& make) { return copy_samples(make, clone); }

const OpInfo contiguous_info{"contiguous", "x, with row-major memory", true, contiguous_samples, no_errors};
const OpInfo clone_info{"clone", "x, with memory of its own", true, clone_samples, no_errors};

Tensor to_reference(const Tensor& x, DType dtype) {
  Tensor y = Tensor::empty(x.shape(), dtype);
  dispatch_all(x.dtype(), [&]<class From>() {
    const std::vector<From> values = x.to_vector<From>();
    dispatch_all(dtype, [&]<class To>() {
      To* out = y.mutable_data<To>();
      for (std::size_t i = 0; i < values.size(); ++i)
        out[i] = std::is_same_v<To, bool> ? static_cast<To>(values[i] != From{}) : static_cast<To>(values[i]);
    });
  });
  return y;
}

std::vector<Sample> to_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, DType dtype) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [dtype](const TensorList& in) { return TensorList{to(in[0], dtype)}; },
                  .reference = [dtype](const TensorList& in) { return TensorList{to_reference(in[0], dtype)}; }};
  };
  return {sample("same", make.normal({2, 3}), make.dtype()),
          // to float32 the differences of gradcheck would drown in rounding
          sample("to float64", make.normal({2, 3}), float64), sample("to int64", make.uniform({3, 4}, -9, 9), int64),
          sample("to bool", make.integers({3, 4}, 0, 2), boolean),
          sample("from int64", make.integers({3, 4}, -9, 9), make.dtype()),
          sample("from bool", make.conditions({5}), make.dtype()), sample("scalar", make.integers({}, 0, 9), float64),
          sample("empty", make.normal({0, 2}), int64)};
}

const OpInfo to_info{"to", "x in another dtype", true, to_samples, no_errors};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const Shape target = completed_shape(x, shape);
  if (target == x.shape()) return x;
  const std::optional<Strides> strides =
      x.is_contiguous() ? contiguous_strides(target) : reshaped_strides(x.shape(), x.strides(), target);
  Tensor y;
  if (strides) {
    y = view_of(x, target, *strides, x.offset());
  } else {
    const Tensor copy = copy_of(x);
    y = view_of(copy, target, contiguous_strides(target), 0);
  }
  return record_linear(reshape_info, x, y, [original = x.shape()](const Tensor& g) { return reshape(g, original); });
}

Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
  const std::size_t a = normalize_axis("transpose", axis0, x.rank());
  const std::size_t b = normalize_axis("transpose", axis1, x.rank());
  Shape shape = x.shape();
  Strides strides = x.strides();
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return record_linear(transpose_info, x, view_of(x, shape, strides, x.offset()),
                       [axis0, axis1](const Tensor& g) { return transpose(g, axis0, axis1); });
}

Tensor permute(const Tensor& x, const Shape& axes) {
  Shape shape = x.shape(), inverse = x.shape();
  Strides strides = x.strides();
  std::array<bool, Shape::max_rank> seen{};
  bool every_axis_once = axes.size() == x.rank();
  for (std::size_t i = 0; i < axes.size() && every_axis_once; ++i) {
    const std::size_t axis = normalize_axis("permute", axes[i], x.rank());
    every_axis_once = !std::exchange(seen[axis], true);
    shape[i] = x.shape()[axis];
    strides[i] = x.strides()[axis];
    inverse[axis] = static_cast<std::int64_t>(i);
  }
  if (!every_axis_once)
    fail(ErrorKind::argument, "permute: needs every axis once; got {} for a tensor of shape {}", axes, x.shape());
  return record_linear(permute_info, x, view_of(x, shape, strides, x.offset()),
                       [inverse](const Tensor& g) { return permute(g, inverse); });
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
  // The gradient goes back in the large shape: the engine sums over what was repeated.
  return record_linear(expand_info, x, view_of(x, target, strides, x.offset()), [](const Tensor& g) { return g; });
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
  const std::int64_t below = std::max<std::int64_t>(-offset, 0), right = std::max<std::int64_t>(offset, 0);
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

Tensor contiguous(const Tensor& x) {
  if (x.is_contiguous()) return x;
  return record_linear(contiguous_info, x, copy_of(x), [](const Tensor& g) { return g; });
}

Tensor clone(const Tensor& x) {
  return record_linear(clone_info, x, copy_of(x), [](const Tensor& g) { return g; });
}

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype);
  strided_convert(x.dtype(), x.data(x.dtype()), x.strides(), dtype, y.mutable_data(dtype), y.strides(), x.shape());
  if (!is_floating(dtype)) return record_constant(to_info, y);
  return record_linear(to_info, x, y, [original = x.dtype()](const Tensor& g) { return to(g, original); });
}

OpList view_ops() {
  return {&reshape_info, &transpose_info, &permute_info,      &squeeze_info,  &unsqueeze_info,
          &expand_info,  &slice_info,     &select_info,       &diagonal_info, &contiguous_info,
          &clone_info,   &to_info,        &view_backward_info};
}

}  // namespace saw
