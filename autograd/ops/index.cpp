#include "saw/autograd/ops/index.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/index.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/indices.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/rearranged.h"
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

std::vector<std::int64_t> indices_of(const Tensor& index) { return index.to_vector<std::int64_t>(); }

/// x with f(element of x, element of source) applied where `place` sends the elements of source; the oracle of
/// scattering.
template <class F>
Tensor added(const Tensor& x, const Tensor& source, const F& place) {
  Tensor y = clone(x.detach());
  dispatch_numeric("add", x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const std::vector<T> values = source.to_vector<T>();
    for (std::int64_t i = 0; i < source.numel(); ++i)
      out[ravel(place(i, unravel(i, source.shape())), x.shape())] += values[static_cast<std::size_t>(i)];
  });
  return y;
}

/// Adds source to y, which holds x's values already, and records that as scatter_add or index_add of x. When y is a
/// fresh tensor of zeros, x may be y itself: then only source has a gradient, and nothing was copied.
Tensor scatter_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source);
Tensor add_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source);

// ---- gather, scatter_add ----

std::vector<Sample> gather_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index) {
    const std::size_t a = normalize_axis("gather", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index},
                  .run = [axis](const TensorList& in) { return TensorList{gather(in[0], axis, in[1])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        const Shape shape = in[1].shape();
                        return TensorList{rearranged(in[0], shape, [&](Shape i) {
                          i[a] = at[static_cast<std::size_t>(ravel(i, shape))];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({5, 3}, 0, 4)),
          sample("columns", make.normal({4, 5}), 1, make.integers({4, 2}, 0, 5)),
          sample("smaller index", make.normal({3, 4, 2}), 1, make.integers({2, 5, 1}, 0, 4)),
          sample("one dimension", make.normal({4}), -1, make.integers({6}, 0, 4)),
          sample("empty index", make.normal({3, 2}), 0, make.integers({0, 2}, 0, 3))};
}

std::vector<ErrorSample> gather_errors() {
  return {
      {"out of range",
       [] {
         gather(zeros({2, 3}), 1, tensor({{0, 3}}, int64));
       },
       ErrorKind::index, "gather: index out of range; got 3 at position (0, 1)"},
      {"negative", [] { gather(zeros({2}), 0, tensor({-1}, int64)); }, ErrorKind::index, "gather: index out of range"},
      {"rank",
       [] {
         gather(zeros({2, 3}), 0, tensor({1}, int64));
       },
       ErrorKind::shape, "gather: the index does not fit"},
      {"too wide",
       [] {
         gather(zeros({2, 1}), 0, tensor({{0, 1}}, int64));
       },
       ErrorKind::shape, "gather: the index does not fit"},
      {"dtype", [] { gather(zeros({2}), 0, tensor({1.0})); }, ErrorKind::dtype, "gather: the index must be int64"},
      {"axis", [] { gather(zeros({2}), 1, tensor({1}, int64)); }, ErrorKind::argument, "gather: axis"}};
}

const OpInfo gather_info{"gather", "y[i, j] = x[index[i, j], j] along axis 0", true, gather_samples, gather_errors};

std::vector<Sample> scatter_add_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index,
                         const Tensor& source) {
    const std::size_t a = normalize_axis("scatter_add", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index, source},
                  .run = [axis](const TensorList& in) { return TensorList{scatter_add(in[0], axis, in[1], in[2])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        return TensorList{added(in[0], in[2], [&](std::int64_t element, Shape i) {
                          i[a] = at[static_cast<std::size_t>(element)];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6, 3}, 0, 4), make.normal({6, 3})),
          sample("columns", make.normal({3, 4}), 1, make.integers({3, 7}, 0, 4), make.normal({3, 7})),
          sample("smaller index", make.normal({3, 4, 2}), -2, make.integers({2, 5, 1}, 0, 4), make.normal({2, 5, 1})),
          sample("one dimension", make.normal({3}), 0, make.integers({8}, 0, 3), make.normal({8})),
          sample("nothing to add", make.normal({3, 2}), 0, make.integers({0, 2}, 0, 3), make.normal({0, 2})),
          sample("integers", make.integers({3}, 0, 9), 0, make.integers({5}, 0, 3), make.integers({5}, 0, 9))};
}

std::vector<ErrorSample> scatter_add_errors() {
  return {{"out of range", [] { scatter_add(zeros({2}), 0, tensor({2}, int64), zeros({1})); }, ErrorKind::index,
           "scatter_add: index out of range; got 2 at position (0,)"},
          {"source shape", [] { scatter_add(zeros({2}), 0, tensor({1}, int64), zeros({2})); }, ErrorKind::shape,
           "scatter_add: index and source"},
          {"rank",
           [] {
             scatter_add(zeros({2, 2}), 0, tensor({1}, int64), zeros({1}));
           },
           ErrorKind::shape, "scatter_add: the index does not fit"},
          {"dtype", [] { scatter_add(zeros({2}), 0, tensor({1}, int64), zeros({1}, float64)); }, ErrorKind::dtype,
           "float32 and float64"},
          {"index dtype", [] { scatter_add(zeros({2}), 0, zeros({1}), zeros({1})); }, ErrorKind::dtype,
           "scatter_add: the index must be int64"},
          {"axis", [] { scatter_add(zeros({2}), 3, tensor({1}, int64), zeros({1})); }, ErrorKind::argument,
           "scatter_add: axis"}};
}

const OpInfo scatter_add_info{"scatter_add", "y = x; y[index[i, j], j] += source[i, j] along axis 0", true,
                              scatter_add_samples, scatter_add_errors};

// ---- index_select, index_add ----

std::vector<Sample> index_select_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index) {
    const std::size_t a = normalize_axis("index_select", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index},
                  .run = [axis](const TensorList& in) { return TensorList{index_select(in[0], axis, in[1])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        Shape shape = in[0].shape();
                        shape[a] = in[1].numel();
                        return TensorList{rearranged(in[0], shape, [&](Shape i) {
                          i[a] = at[static_cast<std::size_t>(i[a])];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6}, 0, 4)),
          sample("columns", make.normal({3, 4}), -1, make.integers({5}, 0, 4)),
          sample("middle axis", make.normal({2, 3, 4}), 1, make.integers({2}, 0, 3)),
          sample("nothing chosen", make.normal({3, 2}), 0, make.integers({0}, 0, 3)),
          sample("of empty rows", make.normal({3, 0}), 0, make.integers({2}, 0, 3)),
          sample("bools", make.conditions({5}), 0, make.integers({7}, 0, 5))};
}

std::vector<ErrorSample> index_select_errors() {
  return {{"out of range",
           [] {
             index_select(zeros({2, 3}), 0, tensor({0, 5}, int64));
           },
           ErrorKind::index, "index_select: index out of range; got 5 at position (1,); expected 0 … 1"},
          {"of nothing",
           [] {
             index_select(zeros({0, 3}), 0, tensor({0}, int64));
           },
           ErrorKind::index, "there is nothing to choose from"},
          {"index rank",
           [] {
             index_select(zeros({2}), 0, tensor({{0, 0}}, int64));
           },
           ErrorKind::shape, "index_select: the index must have one dimension"},
          {"index dtype", [] { index_select(zeros({2}), 0, zeros({1})); }, ErrorKind::dtype,
           "index_select: the index must be int64"},
          {"axis", [] { index_select(zeros({2}), 1, tensor({0}, int64)); }, ErrorKind::argument, "index_select: axis"}};
}

const OpInfo index_select_info{"index_select", "y[i, …] = x[index[i], …] along axis 0", true, index_select_samples,
                               index_select_errors};

std::vector<Sample> index_add_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index,
                         const Tensor& source) {
    const std::size_t a = normalize_axis("index_add", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index, source},
                  .run = [axis](const TensorList& in) { return TensorList{index_add(in[0], axis, in[1], in[2])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        return TensorList{added(in[0], in[2], [&](std::int64_t, Shape i) {
                          i[a] = at[static_cast<std::size_t>(i[a])];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6}, 0, 4), make.normal({6, 3})),
          sample("columns", make.normal({2, 3}), 1, make.integers({5}, 0, 3), make.normal({2, 5})),
          sample("middle axis", make.normal({2, 3, 4}), -2, make.integers({4}, 0, 3), make.normal({2, 4, 4})),
          sample("one dimension", make.normal({3}), 0, make.integers({7}, 0, 3), make.normal({7})),
          sample("nothing to add", make.normal({3, 2}), 0, make.integers({0}, 0, 3), make.normal({0, 2}))};
}

std::vector<ErrorSample> index_add_errors() {
  return {{"out of range", [] { index_add(zeros({2}), 0, tensor({-3}, int64), zeros({1})); }, ErrorKind::index,
           "index_add: index out of range; got -3"},
          {"source shape",
           [] {
             index_add(zeros({2, 3}), 0, tensor({1}, int64), zeros({1, 2}));
           },
           ErrorKind::shape, "index_add: the source has the wrong shape; got (1, 2); expected (1, 3)"},
          {"index rank",
           [] {
             index_add(zeros({2}), 0, tensor({{0, 0}}, int64), zeros({1}));
           },
           ErrorKind::shape, "index_add: the index must have one dimension"},
          {"bools", [] { index_add(zeros({2}, boolean), 0, tensor({1}, int64), zeros({1}, boolean)); },
           ErrorKind::dtype, "index_add: cannot add bools"},
          {"dtype", [] { index_add(zeros({2}), 0, tensor({1}, int64), zeros({1}, int64)); }, ErrorKind::dtype,
           "float32 and int64"},
          {"axis", [] { index_add(zeros({2}), -2, tensor({1}, int64), zeros({1})); }, ErrorKind::argument,
           "index_add: axis"}};
}

const OpInfo index_add_info{"index_add", "y = x; y[index[i], …] += source[i, …] along axis 0", true, index_add_samples,
                            index_add_errors};

// ---- masked_select ----

/// The row-major element numbers at which the mask holds.
Tensor positions_of(const Tensor& mask) {
  const Tensor row_major = contiguous(mask);
  const bool* holds = row_major.data<bool>();
  Tensor positions = Tensor::empty({std::count(holds, holds + mask.numel(), true)}, int64);
  std::int64_t* next = positions.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < mask.numel(); ++i)
    if (holds[i]) *next++ = i;
  return positions;
}

std::vector<Sample> masked_select_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Tensor& mask) {
    return Sample{
        .name = name,
        .inputs = {x, mask},
        .run = [](const TensorList& in) { return TensorList{masked_select(in[0], in[1])}; },
        .reference =
            [](const TensorList& in) {
              const std::vector<bool> holds = in[1].to_vector<bool>();
              std::vector<std::int64_t> at;
              for (std::size_t i = 0; i < holds.size(); ++i)
                if (holds[i]) at.push_back(static_cast<std::int64_t>(i));
              return TensorList{rearranged(in[0], {static_cast<std::int64_t>(at.size())}, [&](const Shape& i) {
                return unravel(at[static_cast<std::size_t>(i[0])], in[0].shape());
              })};
            }};
  };
  return {sample("matrix", make.normal({4, 5}), make.conditions({4, 5})),
          sample("nothing", make.normal({3}), zeros({3}, boolean)),
          sample("everything", make.normal({2, 3}), ones({2, 3}, boolean)),
          sample("scalar", make.normal({}), ones({}, boolean)),
          sample("empty", make.normal({0, 2}), zeros({0, 2}, boolean))};
}

std::vector<ErrorSample> masked_select_errors() {
  return {
      {"shape", [] { masked_select(zeros({2}), zeros({3}, boolean)); }, ErrorKind::shape, "masked_select: the mask"},
      {"dtype", [] { masked_select(zeros({2}), zeros({2})); }, ErrorKind::dtype,
       "masked_select: the mask must be bool"}};
}

const OpInfo masked_select_info{"masked_select", "the elements of x where the mask holds", true, masked_select_samples,
                                masked_select_errors};

Tensor scatter_onto(const Tensor& x, const Tensor& y, std::size_t axis, const Tensor& index, const Tensor& source) {
  dispatch_numeric("scatter_add", y.dtype(), [&]<class T>() {
    kernels::scatter_elements({.shape = index.shape(),
                               .axis = axis,
                               .table = y.strides(),
                               .index = index.strides(),
                               .values = source.strides()},
                              y.mutable_data<T>(), index.data<std::int64_t>(), source.data<T>());
  });
  return record(scatter_add_info, {x, source}, y, [&] {
    Gradient gradient;
    gradient.saved = {index};
    gradient.backward = [axis](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      return {context.needs_grad(0) ? g : Tensor(),
              context.needs_grad(1) ? gather(g, static_cast<std::int64_t>(axis), context.saved(0)) : Tensor()};
    };
    gradient.plain = true;
    return gradient;
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
    Gradient gradient;
    gradient.saved = {index};
    gradient.backward = [axis](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      return {context.needs_grad(0) ? g : Tensor(),
              context.needs_grad(1) ? index_select(g, static_cast<std::int64_t>(axis), context.saved(0)) : Tensor()};
    };
    gradient.plain = true;
    return gradient;
  });
}

}  // namespace

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index) {
  const std::size_t a = normalize_axis("gather", axis, x.rank());
  check_walk("gather", x, a, index);
  const Tensor positions = checked_indices("gather", index, x.shape()[a]);
  Tensor y = Tensor::empty(index.shape(), x.dtype());
  kernels::gather_elements(
      size_of(x.dtype()),
      {.shape = index.shape(), .axis = a, .table = x.strides(), .index = positions.strides(), .values = y.strides()},
      x.data(x.dtype()), positions.data<std::int64_t>(), y.mutable_data(x.dtype()));
  return record(gather_info, {x}, y, [&] {
    Gradient gradient;
    gradient.saved = {positions};
    gradient.backward = [a, shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor sum = zeros(shape, context.grad_output().dtype());
      return {scatter_onto(sum, sum, a, context.saved(0), context.grad_output())};
    };
    gradient.plain = true;
    return gradient;
  });
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& source) {
  const std::size_t a = normalize_axis("scatter_add", axis, x.rank());
  check_same_dtype("scatter_add", x, source);
  check_walk("scatter_add", x, a, index);
  if (source.shape() != index.shape())
    fail(ErrorKind::shape, "scatter_add: index and source differ in shape; got {} and {}", index.shape(),
         source.shape());
  return scatter_onto(x, clone(x.detach()), a, checked_indices("scatter_add", index, x.shape()[a]), source);
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
    Gradient gradient;
    gradient.saved = {positions};
    gradient.backward = [a, original = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor sum = zeros(original, context.grad_output().dtype());
      return {add_onto(sum, sum, a, context.saved(0), context.grad_output())};
    };
    gradient.plain = true;
    return gradient;
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
    Gradient gradient;
    gradient.saved = {positions};
    gradient.backward = [shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor sum = zeros({shape.numel()}, context.grad_output().dtype());
      return {reshape(add_onto(sum, sum, 0, context.saved(0), context.grad_output()), shape)};
    };
    gradient.plain = true;
    return gradient;
  });
}

OpList index_ops() {
  return {&gather_info, &scatter_add_info, &index_select_info, &index_add_info, &masked_select_info};
}

}  // namespace saw
