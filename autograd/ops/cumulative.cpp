#include "saw/autograd/ops/cumulative.h"

#include <algorithm>
#include <cstdint>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/cumulative.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/lines.h"
#include "saw/autograd/ops/rearrange.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo cumsum_info{"cumsum", "yᵢ = x₀ + … + xᵢ", true};
const OpInfo cumprod_info{"cumprod", "yᵢ = x₀ · … · xᵢ", true};
const OpInfo cummax_info{"cummax", "yᵢ = max(x₀, …, xᵢ)", true};
const OpInfo cummin_info{"cummin", "yᵢ = min(x₀, …, xᵢ)", true};
const OpInfo diff_info{"diff", "yᵢ = xᵢ₊₁ − xᵢ", true};

Tensor sums_along(const Tensor& x, std::size_t axis, bool reverse) {
  const NoGradGuard no_grad;
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_numeric("cumsum", x.dtype(), [&]<class T>() {
    const Tensor input = x.contiguous();
    const Lines lines = lines_along(x.shape(), axis);
    kernels::cumsum(input.data<T>(), lines.outer, lines.size, lines.inner, reverse, y.mutable_data<T>());
  });
  return y;
}

/// Elements 2ʲ apart are multiplied for j = 0, 1, …: ⌈log₂ n⌉ recorded products, whose derivatives of any order are
/// exact at zeros.
Tensor cumprod_reference(const Tensor& x, std::int64_t axis) {
  const std::int64_t size = x.size(axis);
  Tensor y = x;
  for (std::int64_t step = 1; step < size; step *= 2)
    y = cat({y.slice(axis, 0, step), y.slice(axis, step, size) * y.slice(axis, 0, size - step)}, axis);
  return y;
}

ValuesAndIndices cumulative_extreme(const OpInfo& info, const Tensor& x, std::int64_t axis, bool largest) {
  if (is_number(x, axis)) {
    const ValuesAndIndices of_one = cumulative_extreme(info, x.reshape({1}), 0, largest);
    return {of_one.values.reshape({}), of_one.indices.reshape({})};
  }
  const std::size_t a = normalize_axis(info.name, axis, x.rank());
  const Tensor values = Tensor::empty(x.shape(), x.dtype()), places = Tensor::empty(x.shape(), int64);
  dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    const Lines lines = lines_along(x.shape(), a);
    kernels::cumulative_extreme(largest, input.data<T>(), lines.outer, lines.size, lines.inner,
                                values.mutable_data<T>(), places.mutable_data<std::int64_t>());
  });
  const TensorList outputs = record(info, {x}, TensorList{values, places}, [&] {
    return Gradient::of_ops({places}, [a, shape = x.shape()](const BackwardContext& context) -> TensorList {
      const Tensor dy = context.grad_output();
      return {scatter_add(zeros(shape, dy.dtype()), static_cast<std::int64_t>(a), context.saved(0), dy)};
    });
  });
  return {outputs[0], outputs[1]};
}

}  // namespace

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  if (is_number(x, axis)) return cumsum(x.reshape({1}), 0).reshape({});
  const std::size_t a = normalize_axis("cumsum", axis, x.rank());
  return record(cumsum_info, {x}, sums_along(x, a, false), [&] {
    return Gradient::with_twin(
        {}, [a](const BackwardContext& context) -> TensorList { return {sums_along(context.grad_output(), a, true)}; },
        [along = static_cast<std::int64_t>(a)](const BackwardContext& context) -> TensorList {
          return {flip(cumsum(flip(context.grad_output(), {along}), along), {along})};
        });
  });
}

Tensor cumprod(const Tensor& x, std::int64_t axis) {
  if (is_number(x, axis)) return cumprod(x.reshape({1}), 0).reshape({});
  const std::size_t a = normalize_axis("cumprod", axis, x.rank());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Lines lines = lines_along(x.shape(), a);
  dispatch_numeric("cumprod", x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    kernels::cumprod(input.data<T>(), lines.outer, lines.size, lines.inner, y.mutable_data<T>());
  });
  return record(cumprod_info, {x}, y, [&] {
    return Gradient::with_reference(
        {x},
        [lines](const BackwardContext& context) -> TensorList {
          const Tensor input = context.saved(0).contiguous(), dy = context.grad_output().contiguous();
          const Tensor dx = Tensor::empty(input.shape(), input.dtype());
          dispatch_floating("cumprod", input.dtype(), [&]<class T>() {
            kernels::cumprod_backward(input.data<T>(), dy.data<T>(), lines.outer, lines.size, lines.inner,
                                      dx.mutable_data<T>());
          });
          return {dx};
        },
        [along = static_cast<std::int64_t>(a)](const TensorList& in) {
          return TensorList{cumprod_reference(in[0], along)};
        });
  });
}

ValuesAndIndices cummax(const Tensor& x, std::int64_t axis) { return cumulative_extreme(cummax_info, x, axis, true); }
ValuesAndIndices cummin(const Tensor& x, std::int64_t axis) { return cumulative_extreme(cummin_info, x, axis, false); }

Tensor diff(const Tensor& x, std::int64_t n, std::int64_t axis) {
  const std::size_t a = normalize_axis("diff", axis, x.rank());
  if (n < 0) fail(ErrorKind::argument, "diff: n must not be negative; got {}; expected 0, 1, …", n);
  if (x.dtype() == boolean)
    fail(ErrorKind::dtype, "diff: needs numbers; got bool; expected float32, float64 or int64; convert with to()");
  if (n == 0) return x;
  const auto along = static_cast<std::int64_t>(a);
  const std::int64_t size = x.shape()[a];
  Tensor y;
  {
    const NoGradGuard no_grad;
    const std::int64_t front = std::min<std::int64_t>(1, size);
    y = x.slice(along, front, size) - x.slice(along, 0, std::max<std::int64_t>(0, size - 1));
  }
  y = record(diff_info, {x}, y, [&] {
    // dxᵢ = dyᵢ₋₁ − dyᵢ: the differences of dy between two zeros, with the other sign.
    return Gradient::of_ops({}, [along, size](const BackwardContext& context) -> TensorList {
      const Tensor dy = context.grad_output();
      Shape shape = dy.shape();
      shape[static_cast<std::size_t>(along)] = size == 0 ? 0 : 1;
      const Tensor none = zeros(shape, dy.dtype());
      return {neg(diff(cat({none, dy, none}, along), 1, along))};
    });
  });
  return n == 1 ? y : diff(y, n - 1, axis);
}

OpList cumulative_ops() { return {&cumsum_info, &cumprod_info, &cummax_info, &cummin_info, &diff_info}; }

}  // namespace saw
