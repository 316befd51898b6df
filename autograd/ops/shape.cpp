#include "saw/autograd/ops/shape.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

/// Copies x into the positions first, first + 1, … of an axis of y.
void copy_into(const Tensor& x, const Tensor& y, std::size_t axis, std::int64_t first) {
  char* destination = static_cast<char*>(y.mutable_data(y.dtype()));
  destination += static_cast<std::size_t>(first * y.strides()[axis]) * size_of(y.dtype());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), destination, y.strides(), x.shape());
}

Sample one_input(const char* name, const Tensor& x, Sample::Function run, Sample::Function reference) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = std::move(reference)};
}

// ---- cat, stack ----

/// Checks what cat and stack need of their tensors; axis `free` may differ in size.
void check_together(const char* op, const TensorList& tensors, std::size_t free) {
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const Tensor &first = tensors[0], &other = tensors[i];
    if (other.dtype() != first.dtype())
      fail(ErrorKind::dtype, "{}: dtypes differ; got {} and {} (tensor {})", op, first.dtype(), other.dtype(), i);
    bool fits = other.rank() == first.rank();
    for (std::size_t axis = 0; axis < first.rank() && fits; ++axis)
      fits = axis == free || other.shape()[axis] == first.shape()[axis];
    if (!fits)
      fail(ErrorKind::shape, "{}: shapes do not fit together; got {} and {} (tensor {}){}", op, first.shape(),
           other.shape(), i,
           free < first.rank() ? fmt::format("; expected equal sizes except along axis {}", free)
                               : "; expected equal ones");
  }
}

void check_some(const char* op, const TensorList& tensors) {
  if (tensors.empty()) fail(ErrorKind::argument, "{}: needs at least one tensor; got none", op);
}

Tensor cat_reference(const TensorList& tensors, std::size_t axis) {
  Shape shape = tensors[0].shape();
  shape[axis] = 0;
  for (const Tensor& tensor : tensors) shape[axis] += tensor.shape()[axis];
  Tensor y = Tensor::empty(shape, tensors[0].dtype());
  dispatch_all(y.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    std::int64_t first = 0;
    for (const Tensor& tensor : tensors) {
      const std::vector<T> values = tensor.to_vector<T>();
      for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        Shape at = unravel(i, tensor.shape());
        at[axis] += first;
        out[ravel(at, shape)] = values[static_cast<std::size_t>(i)];
      }
      first += tensor.shape()[axis];
    }
  });
  return y;
}

std::vector<Sample> cat_samples(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, std::int64_t axis) {
    const std::size_t a = normalize_axis("cat", axis, inputs[0].rank());
    return Sample{.name = name,
                  .inputs = std::move(inputs),
                  .run = [axis](const TensorList& in) { return TensorList{cat(in, axis)}; },
                  .reference = [a](const TensorList& in) { return TensorList{cat_reference(in, a)}; }};
  };
  return {sample("rows", {make.normal({2, 3}), make.normal({4, 3}), make.normal({1, 3})}, 0),
          sample("columns", {make.normal({3, 2}), make.normal({3, 20})}, -1),
          sample("middle axis", {make.normal({2, 1, 3}), make.normal({2, 2, 3})}, 1),
          sample("one tensor", {make.normal({4})}, 0),
          sample("empty piece", {make.normal({2, 3}), make.normal({0, 3})}, 0),
          sample("integers", {make.integers({2}, 0, 9), make.integers({3}, 0, 9)}, 0)};
}

std::vector<ErrorSample> cat_errors() {
  return {{"nothing", [] { cat({}); }, ErrorKind::argument, "cat: needs at least one tensor"},
          {"sizes",
           [] {
             cat({zeros({2, 3}), zeros({2, 4})});
           },
           ErrorKind::shape, "cat: shapes do not fit"},
          {"ranks",
           [] {
             cat({zeros({2, 3}), zeros({3})});
           },
           ErrorKind::shape, "cat: shapes do not fit"},
          {"dtypes",
           [] {
             cat({zeros({2}), zeros({2}, float64)});
           },
           ErrorKind::dtype, "float32 and float64"},
          {"axis out of range", [] { cat({zeros({2})}, 1); }, ErrorKind::argument, "cat: axis"}};
}

const OpInfo cat_info{"cat", "tensors one after the other along an axis", true, cat_samples, cat_errors};

std::vector<Sample> stack_samples(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, std::int64_t axis) {
    const std::size_t a = normalize_axis("stack", axis, inputs[0].rank() + 1);
    return Sample{.name = name,
                  .inputs = std::move(inputs),
                  .run = [axis](const TensorList& in) { return TensorList{stack(in, axis)}; },
                  .reference =
                      [a](const TensorList& in) {
                        TensorList raised;
                        for (const Tensor& x : in) raised.push_back(unsqueeze(x, static_cast<std::int64_t>(a)));
                        return TensorList{cat_reference(raised, a)};
                      }};
  };
  return {sample("front", {make.normal({2, 3}), make.normal({2, 3})}, 0),
          sample("end", {make.normal({2, 3}), make.normal({2, 3}), make.normal({2, 3})}, -1),
          sample("scalars", {make.normal({}), make.normal({})}, 0),
          sample("empty", {make.normal({0, 2}), make.normal({0, 2})}, 1)};
}

std::vector<ErrorSample> stack_errors() {
  return {{"nothing", [] { stack({}); }, ErrorKind::argument, "stack: needs at least one tensor"},
          {"shapes",
           [] {
             stack({zeros({2}), zeros({3})});
           },
           ErrorKind::shape, "stack: shapes do not fit"},
          {"dtypes",
           [] {
             stack({zeros({2}), zeros({2}, int64)});
           },
           ErrorKind::dtype, "float32 and int64"},
          {"axis out of range", [] { stack({zeros({2})}, 2); }, ErrorKind::argument, "stack: axis"}};
}

const OpInfo stack_info{"stack", "tensors side by side along a new axis", true, stack_samples, stack_errors};

// ---- split, chunk ----

/// The sizes that equal pieces of `size` have.
std::vector<std::int64_t> equal_sizes(std::int64_t total, std::int64_t size) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t first = 0; first == 0 || first < total; first += size)
    sizes.push_back(std::min(size, total - first));
  return sizes;
}

Sample::Function split_reference(std::vector<std::int64_t> sizes, std::size_t axis) {
  return [sizes = std::move(sizes), axis](const TensorList& in) {
    TensorList pieces;
    std::int64_t first = 0;
    for (const std::int64_t size : sizes) {
      Shape shape = in[0].shape();
      shape[axis] = size;
      pieces.push_back(rearranged(in[0], shape, [axis, first](Shape i) {
        i[axis] += first;
        return i;
      }));
      first += size;
    }
    return pieces;
  };
}

std::vector<Sample> split_samples(SampleMaker& make) {
  return {
      one_input(
          "sizes", make.normal({6, 2}),
          [](const TensorList& in) {
            return split(in[0], Shape{1, 3, 2});
          },
          split_reference({1, 3, 2}, 0)),
      one_input(
          "columns", make.normal({2, 5}),
          [](const TensorList& in) {
            return split(in[0], Shape{2, 0, 3}, -1);
          },
          split_reference({2, 0, 3}, 1)),
      one_input(
          "equal, last smaller", make.normal({5, 2}), [](const TensorList& in) { return split(in[0], 2); },
          split_reference({2, 2, 1}, 0)),
      one_input(
          "size beyond", make.normal({2, 3}), [](const TensorList& in) { return split(in[0], 7, 1); },
          split_reference({3}, 1)),
      one_input(
          "empty", make.normal({0, 3}), [](const TensorList& in) { return split(in[0], 2); }, split_reference({0}, 0))};
}

std::vector<ErrorSample> split_errors() {
  return {{"sum",
           [] {
             split(zeros({5}), Shape{2, 2});
           },
           ErrorKind::shape, "split: the sizes do not add up"},
          {"negative",
           [] {
             split(zeros({5}), Shape{-1, 6});
           },
           ErrorKind::argument, "split: sizes must not be negative"},
          {"size 0", [] { split(zeros({5}), 0); }, ErrorKind::argument, "split: the size must be positive"},
          {"axis out of range", [] { split(zeros({5}), 2, 1); }, ErrorKind::argument, "split: axis"}};
}

const OpInfo split_info{"split", "consecutive pieces of an axis", true, split_samples, split_errors};

std::vector<Sample> chunk_samples(SampleMaker& make) {
  return {one_input(
              "even", make.normal({2, 6}), [](const TensorList& in) { return chunk(in[0], 3, 1); },
              split_reference({2, 2, 2}, 1)),
          one_input(
              "fewer pieces", make.normal({5}), [](const TensorList& in) { return chunk(in[0], 4); },
              split_reference({2, 2, 1}, 0)),
          one_input(
              "empty", make.normal({0, 2}), [](const TensorList& in) { return chunk(in[0], 2); },
              split_reference({0, 0}, 0))};
}

std::vector<ErrorSample> chunk_errors() {
  return {{"count 0", [] { chunk(zeros({5}), 0); }, ErrorKind::argument, "chunk: the count must be positive"},
          {"axis out of range", [] { chunk(zeros({5}), 2, 1); }, ErrorKind::argument, "chunk: axis"}};
}

const OpInfo chunk_info{"chunk", "an axis in that many pieces of ceil(size / count)", true, chunk_samples,
                        chunk_errors};

TensorList split_views(const OpInfo& info, const Tensor& x, std::vector<std::int64_t> sizes, std::size_t axis) {
  const Tensor source = x.detach();
  TensorList pieces;
  std::int64_t first = 0;
  for (const std::int64_t size : sizes) {
    pieces.push_back(slice(source, static_cast<std::int64_t>(axis), first, first + size));
    first += size;
  }
  return record(info, {x}, pieces, [&] {
    Gradient gradient;
    gradient.backward = [shape = x.shape(), dtype = x.dtype(), sizes,
                         axis](const BackwardContext& context) -> TensorList {
      TensorList gradients;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        Shape piece = shape;
        piece[axis] = sizes[i];
        gradients.push_back(context.grad_output(i).defined() ? context.grad_output(i) : zeros(piece, dtype));
      }
      return {cat(gradients, static_cast<std::int64_t>(axis))};
    };
    gradient.plain = true;
    return gradient;
  });
}

// ---- pad ----

Tensor pad_reference(const Tensor& x, const Shape& before, const Shape& after, double value) {
  Shape shape = x.shape();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) shape[axis] += before[axis] + after[axis];
  const auto inside = [&](Shape i) {
    bool outside = false;
    for (std::size_t axis = 0; axis < i.size(); ++axis) {
      i[axis] -= before[axis];
      outside = outside || i[axis] < 0 || i[axis] >= x.shape()[axis];
    }
    return outside ? Shape::filled(i.size(), -1) : i;
  };
  Tensor y = rearranged(x, shape, inside);
  const Tensor there = rearranged(ones(x.shape(), boolean), shape, inside);
  const std::vector<bool> kept = there.to_vector<bool>();
  dispatch_floating("pad", x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (!kept[i]) out[i] = static_cast<T>(value);
  });
  return y;
}

std::vector<Sample> pad_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Shape& before, const Shape& after, double value) {
    return one_input(
        name, x, [=](const TensorList& in) { return TensorList{pad(in[0], before, after, value)}; },
        [=](const TensorList& in) { return TensorList{pad_reference(in[0], before, after, value)}; });
  };
  return {
      sample("both axes", make.normal({2, 3}), {1, 0}, {2, 3}, 0.0), sample("value", make.normal({3}), {2}, {1}, -1.5),
      sample("nothing", make.normal({2, 2}), {0, 0}, {0, 0}, 0.0),
      sample("around empty", make.normal({0, 2}), {1, 1}, {1, 0}, 2.0), sample("scalar", make.normal({}), {}, {}, 0.0)};
}

std::vector<ErrorSample> pad_errors() {
  return {{"length",
           [] {
             pad(zeros({2, 3}), {1}, {1, 1});
           },
           ErrorKind::argument, "pad: needs one number per axis"},
          {"too many elements",
           [] {
             const std::int64_t most = std::numeric_limits<std::int64_t>::max();
             pad(zeros({2}), {most}, {most});
           },
           ErrorKind::shape, "pad: too many elements"},
          {"negative", [] { pad(zeros({2}), {-1}, {1}); }, ErrorKind::argument, "pad: numbers must not be negative"}};
}

const OpInfo pad_info{"pad", "x with a border of one value", true, pad_samples, pad_errors};

}  // namespace

Tensor cat(const TensorList& tensors, std::int64_t axis) {
  check_some("cat", tensors);
  const std::size_t a = normalize_axis("cat", axis, tensors[0].rank());
  check_together("cat", tensors, a);
  Shape shape = tensors[0].shape();
  std::vector<std::int64_t> firsts{0};
  for (const Tensor& tensor : tensors) firsts.push_back(firsts.back() + tensor.shape()[a]);
  shape[a] = firsts.back();
  Tensor y = Tensor::empty(shape, tensors[0].dtype());
  for (std::size_t i = 0; i < tensors.size(); ++i) copy_into(tensors[i], y, a, firsts[i]);
  return record(cat_info, tensors, y, [&] {
    Gradient gradient;
    gradient.backward = [firsts, a](const BackwardContext& context) {
      TensorList gradients(firsts.size() - 1);
      for (std::size_t i = 0; i < gradients.size(); ++i)
        if (context.needs_grad(i))
          gradients[i] = slice(context.grad_output(), static_cast<std::int64_t>(a), firsts[i], firsts[i + 1]);
      return gradients;
    };
    gradient.plain = true;
    return gradient;
  });
}

Tensor stack(const TensorList& tensors, std::int64_t axis) {
  check_some("stack", tensors);
  const std::size_t a = normalize_axis("stack", axis, tensors[0].rank() + 1);
  check_together("stack", tensors, Shape::max_rank);
  Shape shape = tensors[0].shape();
  shape.insert(a, static_cast<std::int64_t>(tensors.size()));
  Tensor y = Tensor::empty(shape, tensors[0].dtype());
  for (std::size_t i = 0; i < tensors.size(); ++i)
    copy_into(unsqueeze(tensors[i].detach(), static_cast<std::int64_t>(a)), y, a, static_cast<std::int64_t>(i));
  return record(stack_info, tensors, y, [&] {
    Gradient gradient;
    gradient.backward = [count = tensors.size(), a](const BackwardContext& context) {
      TensorList gradients(count);
      for (std::size_t i = 0; i < count; ++i)
        if (context.needs_grad(i))
          gradients[i] = select(context.grad_output(), static_cast<std::int64_t>(a), static_cast<std::int64_t>(i));
      return gradients;
    };
    gradient.plain = true;
    return gradient;
  });
}

TensorList split(const Tensor& x, const Shape& sizes, std::int64_t axis) {
  const std::size_t a = normalize_axis("split", axis, x.rank());
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0) fail(ErrorKind::argument, "split: sizes must not be negative; got {}", sizes);
    total += size;
  }
  if (total != x.shape()[a])
    fail(ErrorKind::shape,
         "split: the sizes do not add up; got {}, together {}; expected {}, the size of axis {} of {}", sizes, total,
         x.shape()[a], axis, x.shape());
  return split_views(split_info, x, std::vector<std::int64_t>(sizes.begin(), sizes.end()), a);
}

TensorList split(const Tensor& x, std::int64_t size, std::int64_t axis) {
  const std::size_t a = normalize_axis("split", axis, x.rank());
  if (size <= 0) fail(ErrorKind::argument, "split: the size must be positive; got {}", size);
  return split_views(split_info, x, equal_sizes(x.shape()[a], size), a);
}

TensorList chunk(const Tensor& x, std::int64_t count, std::int64_t axis) {
  const std::size_t a = normalize_axis("chunk", axis, x.rank());
  if (count <= 0) fail(ErrorKind::argument, "chunk: the count must be positive; got {}", count);
  const std::int64_t total = x.shape()[a];
  if (total == 0) return split_views(chunk_info, x, std::vector<std::int64_t>(static_cast<std::size_t>(count), 0), a);
  return split_views(chunk_info, x, equal_sizes(total, (total - 1) / count + 1), a);
}

Tensor pad(const Tensor& x, const Shape& before, const Shape& after, double value) {
  if (before.size() != x.rank() || after.size() != x.rank())
    fail(ErrorKind::argument, "pad: needs one number per axis; got before {} and after {} for a tensor of shape {}",
         before, after, x.shape());
  Shape shape = x.shape();
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    if (before[axis] < 0 || after[axis] < 0)
      fail(ErrorKind::argument, "pad: numbers must not be negative; got before {} and after {}; use slice to cut",
           before, after);
    if (__builtin_add_overflow(shape[axis], before[axis], &shape[axis]) ||
        __builtin_add_overflow(shape[axis], after[axis], &shape[axis]))
      fail(ErrorKind::shape, "pad: too many elements; got before {} and after {} for a tensor of shape {}", before,
           after, x.shape());
  }
  Tensor y = full(shape, value, x.dtype());
  for (std::size_t axis = 0; axis < x.rank(); ++axis) offset += before[axis] * y.strides()[axis];
  char* destination =
      static_cast<char*>(y.mutable_data(x.dtype())) + static_cast<std::size_t>(offset) * size_of(x.dtype());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), destination, y.strides(), x.shape());
  return record_linear(pad_info, x, y, [original = x.shape(), before](const Tensor& g) {
    Tensor result = g;
    for (std::size_t axis = 0; axis < original.size(); ++axis)
      if (g.shape()[axis] != original[axis])
        result = slice(result, static_cast<std::int64_t>(axis), before[axis], before[axis] + original[axis]);
    return result;
  });
}

OpList shape_ops() { return {&cat_info, &stack_info, &split_info, &chunk_info, &pad_info}; }

}  // namespace saw
