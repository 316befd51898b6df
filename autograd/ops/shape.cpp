#include "saw/autograd/ops/shape.h"

#include <algorithm>
#include <string>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
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

const OpInfo cat_info{"cat", "tensors one after the other along an axis", true};
const OpInfo stack_info{"stack", "tensors side by side along a new axis", true};

// ---- split, chunk ----

/// The sizes that equal pieces of `size` have.
std::vector<std::int64_t> equal_sizes(std::int64_t total, std::int64_t size) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t first = 0; first == 0 || first < total; first += size)
    sizes.push_back(std::min(size, total - first));
  return sizes;
}

const OpInfo split_info{"split", "consecutive pieces of an axis", true};
const OpInfo chunk_info{"chunk", "an axis in that many pieces of ceil(size / count)", true};

/// The first of many sizes, for a message.
std::string cut_list(const std::vector<std::int64_t>& sizes) {
  constexpr std::size_t most = 8;
  const std::vector<std::int64_t> shown(sizes.begin(),
                                        sizes.begin() + std::min<std::ptrdiff_t>(most, std::ssize(sizes)));
  const auto left = sizes.size() - shown.size();
  return fmt::format("({}{})", fmt::join(shown, ", "), left > 0 ? fmt::format(", … {} more", left) : "");
}

TensorList split_views(const OpInfo& info, const Tensor& x, std::vector<std::int64_t> sizes, std::size_t axis) {
  const Tensor source = x.detach();
  TensorList pieces;
  std::int64_t first = 0;
  for (const std::int64_t size : sizes) {
    pieces.push_back(slice(source, static_cast<std::int64_t>(axis), first, first + size));
    first += size;
  }
  return record(info, {x}, pieces, [&] {
    return Gradient::of_ops(
        {}, [shape = x.shape(), dtype = x.dtype(), sizes, axis](const BackwardContext& context) -> TensorList {
          TensorList gradients;
          for (std::size_t i = 0; i < sizes.size(); ++i) {
            Shape piece = shape;
            piece[axis] = sizes[i];
            gradients.push_back(context.grad_output(i).defined() ? context.grad_output(i) : zeros(piece, dtype));
          }
          return {cat(gradients, static_cast<std::int64_t>(axis))};
        });
  });
}

Shape without_axis(const Shape& shape, std::size_t axis) {
  Shape result = shape;
  result.erase(axis);
  return result;
}

const OpInfo unbind_info{"unbind", "the positions of an axis, one tensor each", true};

// ---- pad ----

const OpInfo pad_info{"pad", "x with a border of one value", true};

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
    return Gradient::of_ops({}, [firsts, a](const BackwardContext& context) {
      TensorList gradients(firsts.size() - 1);
      for (std::size_t i = 0; i < gradients.size(); ++i)
        if (context.needs_grad(i))
          gradients[i] = slice(context.grad_output(), static_cast<std::int64_t>(a), firsts[i], firsts[i + 1]);
      return gradients;
    });
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
    return Gradient::of_ops({}, [count = tensors.size(), a](const BackwardContext& context) {
      TensorList gradients(count);
      for (std::size_t i = 0; i < count; ++i)
        if (context.needs_grad(i))
          gradients[i] = select(context.grad_output(), static_cast<std::int64_t>(a), static_cast<std::int64_t>(i));
      return gradients;
    });
  });
}

TensorList split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis) {
  const std::size_t a = normalize_axis("split", axis, x.rank());
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0) fail(ErrorKind::argument, "split: sizes must not be negative; got {}", size);
    if (__builtin_add_overflow(total, size, &total)) total = -1;  // fits no axis
    if (total < 0) break;
  }
  if (total != x.shape()[a])
    fail(ErrorKind::shape,
         "split: the sizes do not add up; got {}, together {}; expected {}, the size of axis {} of {}", cut_list(sizes),
         total < 0 ? "too many" : std::to_string(total), x.shape()[a], axis, x.shape());
  return split_views(split_info, x, sizes, a);
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

TensorList unbind(const Tensor& x, std::int64_t axis) {
  const std::size_t a = normalize_axis("unbind", axis, x.rank());
  const Tensor source = x.detach();
  TensorList pieces;
  for (std::int64_t i = 0; i < x.shape()[a]; ++i) pieces.push_back(select(source, static_cast<std::int64_t>(a), i));
  return record(unbind_info, {x}, pieces, [&] {
    return Gradient::of_ops(
        {},
        [piece = without_axis(x.shape(), a), dtype = x.dtype(), count = pieces.size(),
         a](const BackwardContext& context) -> TensorList {
          TensorList gradients;
          for (std::size_t i = 0; i < count; ++i)
            gradients.push_back(context.grad_output(i).defined() ? context.grad_output(i) : zeros(piece, dtype));
          return {stack(gradients, static_cast<std::int64_t>(a))};
        });
  });
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

OpList shape_ops() { return {&cat_info, &stack_info, &split_info, &chunk_info, &unbind_info, &pad_info}; }

}  // namespace saw
