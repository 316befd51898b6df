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
#include "saw/autograd/ops/internal/rearranged.h"
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
          {"too many elements",
           [] {
             reshape(zeros({2, 3}), {std::int64_t{1} << 40, std::int64_t{1} << 40});
           },
           ErrorKind::shape, "reshape: too many elements"},
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
           ErrorKind::argument, "unsqueeze: too many dimensions"}};
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
          {"too many elements",
           [] {
             expand(zeros({1, 1}), {std::int64_t{1} << 40, std::int64_t{1} << 40});
           },
           ErrorKind::shape, "expand: too many elements"},
          {"negative", [] { expand(zeros({1}), {-2}); }, ErrorKind::shape, "expand: axis 0"}};
}

const OpInfo expand_info{"expand", "x repeated along axes of size 1, by stride 0", true, expand_samples, expand_errors};

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
    y = view_of(clone(x.detach()), target, contiguous_strides(target), 0);
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
  return {&reshape_info, &transpose_info, &permute_info, &squeeze_info, &unsqueeze_info, &expand_info};
}

}  // namespace saw
