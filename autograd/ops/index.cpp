#include "saw/autograd/ops/index.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/index.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
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

// ---- scatter, scatter_reduce ----

const OpInfo scatter_info{"scatter", "y = x; y[index[i, j], j] = source[i, j] along axis 0", true};
const OpInfo scatter_reduce_info{"scatter_reduce", "y = x; y[index[i, j], j] ⊕= source[i, j] along axis 0", true};

void check_source(const char* op, const Tensor& index, const Tensor& source) {
  if (source.shape() != index.shape())
    fail(ErrorKind::shape, "{}: index and source differ in shape; got {} and {}", op, index.shape(), source.shape());
}

kernels::IndexedWalk walk_of(const Tensor& table, std::size_t axis, const Tensor& index, const Tensor& values) {
  return {.shape = index.shape(),
          .axis = axis,
          .table = table.strides(),
          .index = index.strides(),
          .values = values.strides()};
}

/// table[index] = values, without history.
void place(const Tensor& table, std::size_t axis, const Tensor& index, const Tensor& values) {
  kernels::place_elements(size_of(table.dtype()), walk_of(table, axis, index, values),
                          table.mutable_data(table.dtype()), index.data<std::int64_t>(), values.data(values.dtype()));
}

/// Where source elements are overwritten by later ones.
Tensor overwritten(const Shape& shape, std::size_t axis, const Tensor& index) {
  const Tensor numbers = reshape(arange(index.numel()), index.shape());
  const Tensor last = zeros(shape, int64);
  place(last, axis, index, numbers);
  return not_equal(gather(last, static_cast<std::int64_t>(axis), index), numbers);
}

/// What the backward functions of scatter_reduce know.
struct Scattering {
  std::int64_t axis;
  bool include_self;

  /// `of_x` with zeros where x takes no part in the result.
  Tensor taking_part(const Tensor& of_x, const Tensor& index) const {
    return include_self ? of_x : scatter(of_x, axis, index, 0.0);
  }
  /// How many elements of source, and of x where it takes part, have their mask set, by the place they go to.
  Tensor counted(const Tensor& of_x, const Tensor& index, const Tensor& of_source, DType dtype) const {
    return scatter_add(taking_part(to(of_x, dtype), index), axis, index, to(of_source, dtype));
  }
};

Gradient scatter_sum_gradient(const Scattering& scattering, const Tensor& index) {
  return Gradient::of_ops({index}, [scattering](const BackwardContext& context) -> TensorList {
    const Tensor at = context.saved(0);
    const Tensor& g = context.grad_output();
    return {scattering.taking_part(g, at), gather(g, scattering.axis, at)};
  });
}

Gradient scatter_mean_gradient(const Scattering& scattering, const Tensor& index, const Tensor& counts) {
  return Gradient::of_ops({index, counts}, [scattering](const BackwardContext& context) -> TensorList {
    const Tensor at = context.saved(0), share = context.grad_output() / context.saved(1);
    return {scattering.taking_part(share, at), gather(share, scattering.axis, at)};
  });
}

Gradient scatter_extremum_gradient(const Scattering& scattering, const Tensor& x, const Tensor& index,
                                   const Tensor& source, const Tensor& result) {
  enum Saved : std::size_t { saved_x, saved_index, saved_source, saved_result };
  return Gradient::of_ops({x, index, source, result}, [scattering](const BackwardContext& context) -> TensorList {
    const Tensor at = context.saved(saved_index), best = context.saved(saved_result).detach();
    const Tensor x_wins = equal(context.saved(saved_x).detach(), best);
    const Tensor source_wins = equal(context.saved(saved_source).detach(), gather(best, scattering.axis, at));
    const Tensor& g = context.grad_output();
    const Tensor winners = scattering.counted(x_wins, at, source_wins, g.dtype());
    const Tensor share = g / masked_fill(winners, equal(winners, 0.0), 1.0);
    return {scattering.taking_part(share * to(x_wins, g.dtype()), at),
            gather(share, scattering.axis, at) * to(source_wins, g.dtype())};
  });
}

/// A factor's derivative is the product of the others: of all factors over this one, but for zeros. Beside one zero
/// only that one has a derivative, beside two none has.
Gradient scatter_prod_gradient(const Scattering& scattering, const Tensor& x, const Tensor& index,
                               const Tensor& source) {
  enum Saved : std::size_t { saved_x, saved_index, saved_source };
  return Gradient::of_ops({x, index, source}, [scattering](const BackwardContext& context) -> TensorList {
    const Tensor at = context.saved(saved_index), self = context.saved(saved_x), other = context.saved(saved_source);
    const Tensor& g = context.grad_output();
    const Tensor self_is_zero = equal(self, 0.0), other_is_zero = equal(other, 0.0);
    const Tensor zeros_there = scattering.counted(self_is_zero, at, other_is_zero, g.dtype());
    const Tensor own_factor = masked_fill(self, self_is_zero, 1.0), factor = masked_fill(other, other_is_zero, 1.0);
    const Tensor first = scattering.include_self ? own_factor : scatter(own_factor, scattering.axis, at, 1.0);
    const Tensor product = g * scatter_reduce(first, scattering.axis, at, factor, ScatterReduction::prod);
    const Tensor self_gradient =
        masked_fill(product / own_factor, not_equal(zeros_there, to(self_is_zero, g.dtype())), 0.0);
    const Tensor other_gradient =
        masked_fill(gather(product, scattering.axis, at) / factor,
                    not_equal(gather(zeros_there, scattering.axis, at), to(other_is_zero, g.dtype())), 0.0);
    return {scattering.taking_part(self_gradient, at), other_gradient};
  });
}

kernels::Combine combine_of(ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::prod:
      return kernels::Combine::multiply;
    case ScatterReduction::amax:
      return kernels::Combine::largest;
    case ScatterReduction::amin:
      return kernels::Combine::smallest;
    default:
      return kernels::Combine::add;
  }
}

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
  // Without a branch on the mask, which nobody can predict; the last position that holds ends it.
  const std::int64_t* end = next + positions.numel();
  for (std::int64_t i = 0; next != end; ++i) {
    *next = i;
    next += holds[i] ? 1 : 0;
  }
  return positions;
}

const OpInfo masked_select_info{"masked_select", "the elements of x where the mask holds", true};

Tensor scatter_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source) {
  dispatch_numeric("scatter_add", y.dtype(), [&]<class T>() {
    kernels::scatter_elements(kernels::Combine::add, walk_of(y, axis, index, source), y.mutable_data<T>(),
                              index.data<std::int64_t>(), source.data<T>());
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
  kernels::gather_elements(size_of(x.dtype()), walk_of(x, a, positions, y), x.data(x.dtype()),
                           positions.data<std::int64_t>(), y.mutable_data(x.dtype()));
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
  check_source("scatter_add", index, source);
  return scatter_onto(x, clone(x.detach()), a, checked_indices("scatter_add", index, x.shape()[a]), source);
}

Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source) {
  const std::size_t a = normalize_axis("scatter", axis, x.rank());
  if (x.dtype() != source.dtype())
    fail(ErrorKind::dtype, "scatter: dtypes differ; got {} and {}", x.dtype(), source.dtype());
  check_walk("scatter", x, a, index);
  check_source("scatter", index, source);
  const Tensor at = checked_indices("scatter", index, x.shape()[a]);
  const Tensor y = clone(x.detach());
  place(y, a, at, source);
  return record(scatter_info, {x, source}, y, [&] {
    const Tensor lost = source.requires_grad() ? overwritten(x.shape(), a, at) : Tensor();
    return Gradient::of_ops({at, lost}, [axis](const BackwardContext& context) -> TensorList {
      const Tensor positions = context.saved(0);
      const Tensor& g = context.grad_output();
      return {context.needs_grad(0) ? scatter(g, axis, positions, 0.0) : Tensor(),
              context.needs_grad(1) ? masked_fill(gather(g, axis, positions), context.saved(1), 0.0) : Tensor()};
    });
  });
}

Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, double value) {
  return scatter(x, axis, index, expand(scalar(value, x.dtype()), index.shape()));
}

Tensor scatter_reduce(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source,
                      ScatterReduction reduction, bool include_self) {
  const std::size_t a = normalize_axis("scatter_reduce", axis, x.rank());
  check_same_dtype("scatter_reduce", x, source);
  check_walk("scatter_reduce", x, a, index);
  check_source("scatter_reduce", index, source);
  const bool mean = reduction == ScatterReduction::mean;
  if (mean && !is_floating(x.dtype()))
    fail(ErrorKind::dtype, "scatter_reduce: mean needs floating point elements; got {}", x.dtype());
  const Tensor at = checked_indices("scatter_reduce", index, x.shape()[a]);
  const Scattering scattering{axis, include_self};
  const Tensor own = source.detach(), y = clone(x.detach());
  if (!include_self) {
    // Something that leaves the result to the source: among candidates for the largest, any of them.
    const bool extremum = reduction == ScatterReduction::amax || reduction == ScatterReduction::amin;
    const double neutral = reduction == ScatterReduction::prod ? 1.0 : 0.0;
    place(y, a, at, extremum ? own : expand(scalar(neutral, x.dtype()), at.shape()));
  }
  dispatch_numeric("scatter_reduce", y.dtype(), [&]<class T>() {
    kernels::scatter_elements(combine_of(reduction), walk_of(y, a, at, own), y.mutable_data<T>(),
                              at.data<std::int64_t>(), own.data<T>());
  });
  Tensor result = y, counts;
  if (mean) {
    const Tensor met = scattering.counted(ones(x.shape(), boolean), at, ones(at.shape(), boolean), x.dtype());
    counts = masked_fill(met, equal(met, 0.0), 1.0);
    result = y / counts;
  }
  return record(scatter_reduce_info, {x, source}, result, [&] {
    switch (reduction) {
      case ScatterReduction::sum:
        return scatter_sum_gradient(scattering, at);
      case ScatterReduction::mean:
        return scatter_mean_gradient(scattering, at, counts);
      case ScatterReduction::prod:
        return scatter_prod_gradient(scattering, x, at, source);
      default:
        return scatter_extremum_gradient(scattering, x, at, source, result);
    }
  });
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
  return {&gather_info,       &scatter_info,   &scatter_add_info,  &scatter_reduce_info,
          &index_select_info, &index_add_info, &masked_select_info};
}

}  // namespace saw
