#include "saw/autograd/ops/rearrange.h"
#include "saw/autograd/ops/shape.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/index.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

/// x with the slices of an axis in another order, without history: position(i) is where slice i comes from.
template <class F>
Tensor reordered(const Tensor& x, std::size_t axis, const F& position) {
  const Tensor source = contiguous(x.detach());
  const Around around(x.shape(), axis);
  Scratch<std::int64_t> index(static_cast<std::size_t>(around.size));
  for (std::int64_t i = 0; i < around.size; ++i) index[static_cast<std::size_t>(i)] = position(i);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  kernels::take_slices(size_of(x.dtype()), source.data(x.dtype()), around.outer, around.size, around.inner,
                       index.data(), around.size, y.mutable_data(x.dtype()));
  return y;
}

// ---- repeat ----

const OpInfo repeat_info{"repeat", "the whole of x, that many times along each axis", true};

// ---- repeat_interleave ----

const OpInfo repeat_interleave_info{"repeat_interleave", "each position of an axis that many times in a row", true};

/// x with position i of an axis repeated counts[i] times.
Tensor interleaved(const Tensor& x, const std::vector<std::int64_t>& counts, std::size_t axis) {
  Shape shape = x.shape();
  shape[axis] = 0;
  for (const std::int64_t count : counts) {
    if (count < 0) fail(ErrorKind::argument, "repeat_interleave: a count must not be negative; got {}", count);
    if (__builtin_add_overflow(shape[axis], count, &shape[axis]))
      shape[axis] = std::numeric_limits<std::int64_t>::max();
  }
  element_count("repeat_interleave", shape);
  Tensor index = Tensor::empty({shape[axis]}, int64);
  std::int64_t* next = index.mutable_data<std::int64_t>();
  for (std::size_t i = 0; i < counts.size(); ++i) next = std::fill_n(next, counts[i], static_cast<std::int64_t>(i));
  const Tensor source = contiguous(x.detach());
  const Around around(x.shape(), axis);
  Tensor y = Tensor::empty(shape, x.dtype());
  kernels::take_slices(size_of(x.dtype()), source.data(x.dtype()), around.outer, around.size, around.inner,
                       index.data<std::int64_t>(), index.numel(), y.mutable_data(x.dtype()));
  return record(repeat_interleave_info, {x}, y, [&] {
    return Gradient::of_ops({index}, [original = x.shape(), axis](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      return {index_add(zeros(original, g.dtype()), static_cast<std::int64_t>(axis), context.saved(0), g)};
    });
  });
}

// ---- flip, roll ----

const OpInfo flip_info{"flip", "y[…, i, …] = x[…, size − 1 − i, …]", true};
const OpInfo roll_info{"roll", "y[…, (i + shift) mod size, …] = x[…, i, …]", true};

// ---- tril, triu ----

const OpInfo tril_info{"tril", "x[…, i, j] where j − i ≤ diagonal, else 0", true};
const OpInfo triu_info{"triu", "x[…, i, j] where j − i ≥ diagonal, else 0", true};

/// x with the columns [begin(row), end(row)) of every row kept and 0 elsewhere, without history.
template <class F>
Tensor keep_columns(const char* op, const Tensor& x, const F& kept) {
  if (x.rank() < 2) fail(ErrorKind::shape, "{}: needs at least two axes; got shape {}", op, x.shape());
  const Tensor source = contiguous(x.detach());
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  if (x.numel() == 0) return y;
  const std::size_t bytes = size_of(x.dtype());
  const auto* in = static_cast<const char*>(source.data(x.dtype()));
  auto* out = static_cast<char*>(y.mutable_data(x.dtype()));
  parallel_for(0, x.numel() / columns, std::max<std::int64_t>(1, 32768 / columns), [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t row = b; row < e; ++row) {
      const auto [first, last] = kept(row % rows);
      const auto begin = static_cast<std::size_t>(std::clamp<std::int64_t>(first, 0, columns)) * bytes;
      const auto end = static_cast<std::size_t>(std::clamp<std::int64_t>(last, 0, columns)) * bytes;
      const std::size_t start = static_cast<std::size_t>(row * columns) * bytes;
      const std::size_t width = static_cast<std::size_t>(columns) * bytes;
      std::memset(out + start, 0, begin);
      std::memcpy(out + start + begin, in + start + begin, end - begin);
      std::memset(out + start + end, 0, width - end);
    }
  });
  return y;
}

/// The diagonal, no further outside the matrix than matters, so that sums with rows do not overflow.
std::int64_t placed(const Tensor& x, std::int64_t diagonal) {
  return x.rank() < 2 ? 0 : std::clamp(diagonal, -x.size(-2), x.size(-1));
}

// With an axis of size 1 before it, an axis is repeated by a stride of 0.

/// All axes in one copy.
Tensor repeated_at_once(const Tensor& x, const Shape& times) {
  Shape spread, repeated, total;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    spread.push_back(1), spread.push_back(x.shape()[axis]);
    repeated.push_back(times[axis]), repeated.push_back(x.shape()[axis]);
    total.push_back(times[axis] * x.shape()[axis]);
  }
  return reshape(expand(reshape(x, spread), repeated), total);
}

/// A copy for each axis, the last first, as (outer, 1, inner).
Tensor repeated_by_axes(const Tensor& x, const Shape& times) {
  Tensor y = x;
  Shape shape = x.shape();
  for (std::size_t axis = x.rank(); axis-- > 0;) {
    if (times[axis] == 1) continue;
    std::int64_t inner = 1;
    for (std::size_t i = axis; i < x.rank(); ++i) inner *= shape[i];
    const std::int64_t outer = inner == 0 ? 0 : y.numel() / inner;
    shape[axis] *= times[axis];
    y = reshape(expand(reshape(y, {outer, 1, inner}), {outer, times[axis], inner}), shape);
  }
  return y;
}

}  // namespace

Tensor repeat(const Tensor& x, const Shape& counts) {
  for (const std::int64_t count : counts)
    if (count < 0) fail(ErrorKind::argument, "repeat: counts must not be negative; got {}", counts);
  const std::size_t rank = std::max(counts.size(), x.rank());
  Shape shape = x.shape(), times = counts;
  while (shape.size() < rank) shape.insert(0, 1);
  while (times.size() < rank) times.insert(0, 1);
  for (std::size_t axis = 0; axis < rank; ++axis)
    if (std::int64_t size = 0; __builtin_mul_overflow(shape[axis], times[axis], &size))
      fail(ErrorKind::shape, "repeat: too many elements; got counts {} for a tensor of shape {}", counts, x.shape());
  Shape total = shape;
  for (std::size_t axis = 0; axis < rank; ++axis) total[axis] *= times[axis];
  element_count("repeat", total);
  Tensor y = reshape(x.detach(), shape);
  // Twice as many axes do not always fit into a shape.
  y = 2 * rank <= Shape::max_rank ? repeated_at_once(y, times) : repeated_by_axes(y, times);
  if (y.storage() == x.storage()) y = clone(y);
  return record_linear(repeat_info, x, y, [original = x.shape(), times](const Tensor& g) {
    Shape left = original;
    while (left.size() < times.size()) left.insert(0, 1);
    Tensor result = g;
    for (std::size_t axis = 0; axis < times.size(); ++axis) {
      if (times[axis] == 1) continue;
      std::int64_t outer = 1, inner = 1;
      for (std::size_t i = 0; i < axis; ++i) outer *= left[i];
      for (std::size_t i = axis; i < left.size(); ++i) inner *= left[i] * (i > axis ? times[i] : 1);
      result = sum(reshape(result, {outer, times[axis], inner}), {1});
    }
    return reshape(result, original);
  });
}

Tensor repeat_interleave(const Tensor& x, std::int64_t count) { return repeat_interleave(flatten(x), count, 0); }

Tensor repeat_interleave(const Tensor& x, std::int64_t count, std::int64_t axis) {
  const std::size_t a = normalize_axis("repeat_interleave", axis, x.rank());
  return interleaved(x, std::vector<std::int64_t>(static_cast<std::size_t>(x.shape()[a]), count), a);
}

Tensor repeat_interleave(const Tensor& x, const Tensor& counts) { return repeat_interleave(flatten(x), counts, 0); }

Tensor repeat_interleave(const Tensor& x, const Tensor& counts, std::int64_t axis) {
  const std::size_t a = normalize_axis("repeat_interleave", axis, x.rank());
  if (counts.dtype() != int64)
    fail(ErrorKind::dtype, "repeat_interleave: the counts must be int64; got {}", counts.dtype());
  if (counts.shape() != Shape{x.shape()[a]})
    fail(ErrorKind::shape, "repeat_interleave: needs one count for each position; got counts {} for axis {} of {}",
         counts.shape(), axis, x.shape());
  return interleaved(x, counts.to_vector<std::int64_t>(), a);
}

Tensor flip(const Tensor& x, const Shape& axes) {
  std::array<bool, Shape::max_rank> seen{};
  Tensor y = x.detach();
  for (const std::int64_t axis : axes) {
    const std::size_t a = normalize_axis("flip", axis, x.rank());
    if (std::exchange(seen[a], true)) fail(ErrorKind::argument, "flip: an axis appears twice; got {}", axes);
    y = reordered(y, a, [last = x.shape()[a] - 1](std::int64_t i) { return last - i; });
  }
  if (axes.empty()) y = clone(y);
  return record_linear(flip_info, x, y, [axes](const Tensor& g) { return flip(g, axes); });
}

Tensor roll(const Tensor& x, const Shape& shifts, const Shape& axes) {
  if (shifts.size() != axes.size())
    fail(ErrorKind::argument, "roll: needs one shift for each axis; got shifts {} and axes {}", shifts, axes);
  Tensor y = x.detach();
  Shape back = shifts;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const std::size_t a = normalize_axis("roll", axes[k], x.rank());
    const std::int64_t size = x.shape()[a];
    if (size == 0) continue;
    const std::int64_t shift = (shifts[k] % size + size) % size;
    back[k] = -shift;
    y = reordered(y, a, [size, shift](std::int64_t i) { return i < shift ? i - shift + size : i - shift; });
  }
  if (y.storage() == x.storage()) y = clone(y);
  return record_linear(roll_info, x, y, [back, axes](const Tensor& g) { return roll(g, back, axes); });
}

Tensor tril(const Tensor& x, std::int64_t diagonal) {
  const Tensor y = keep_columns("tril", x, [place = placed(x, diagonal)](std::int64_t row) {
    return std::pair<std::int64_t, std::int64_t>{0, row + place + 1};
  });
  return record_linear(tril_info, x, y, [diagonal](const Tensor& g) { return tril(g, diagonal); });
}

Tensor triu(const Tensor& x, std::int64_t diagonal) {
  const Tensor y =
      keep_columns("triu", x, [place = placed(x, diagonal), columns = x.rank() > 0 ? x.size(-1) : 0](std::int64_t row) {
        return std::pair<std::int64_t, std::int64_t>{std::min(row + place, columns), columns};
      });
  return record_linear(triu_info, x, y, [diagonal](const Tensor& g) { return triu(g, diagonal); });
}

OpList rearrange_ops() {
  return {&repeat_info, &repeat_interleave_info, &flip_info, &roll_info, &tril_info, &triu_info};
}

}  // namespace saw
