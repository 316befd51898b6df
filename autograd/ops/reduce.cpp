#include "saw/autograd/ops/reduce.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/moments.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/reduction.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo sum_info{"sum", "Σ x", true};
const OpInfo mean_info{"mean", "Σ x / n", true};
const OpInfo prod_info{"prod", "Π x", true};
const OpInfo amax_info{"amax", "max x", true};
const OpInfo amin_info{"amin", "min x", true};
const OpInfo any_info{"any", "x₁ ∨ x₂ ∨ …", false};
const OpInfo all_info{"all", "x₁ ∧ x₂ ∧ …", false};

/// Reduces contiguous memory of `shape` with kernel(x, outer, size, inner, out), one run of neighbouring reduced axes
/// after the other, from the back.
template <class T, class Kernel>
void reduce_contiguous(const T* x, const Shape& shape, const std::array<bool, Shape::max_rank>& reduced, T* out,
                       const Kernel& kernel) {
  struct Run {
    std::int64_t size;
    bool reduced;
  };
  std::array<Run, Shape::max_rank + 1> runs{};
  std::size_t count = 0;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] == 1) continue;
    if (count > 0 && runs[count - 1].reduced == reduced[a])
      runs[count - 1].size *= shape[a];
    else
      runs[count++] = {shape[a], reduced[a]};
  }
  const auto product = [&](std::size_t begin, std::size_t end) {
    std::int64_t result = 1;
    for (std::size_t r = begin; r < end; ++r) result *= runs[r].size;
    return result;
  };
  std::size_t last = count;  // runs from here on are kept ones, or reduced already
  const auto previous_reduced = [&](std::size_t end) {
    while (end > 0 && !runs[end - 1].reduced) --end;
    return end;
  };
  last = previous_reduced(last);
  if (last == 0) return kernel(x, 1, 1, product(0, count), out);
  Tensor holder;  // the result so far
  for (;;) {
    const std::int64_t outer = product(0, last - 1), size = runs[last - 1].size, inner = product(last, count);
    const std::size_t next = previous_reduced(last - 1);
    runs[last - 1] = {1, false};
    if (next == 0) return kernel(x, outer, size, inner, out);
    Tensor result = Tensor::empty({outer, inner}, dtype_of<T>());
    kernel(x, outer, size, inner, result.mutable_data<T>());
    holder = std::move(result);
    x = holder.data<T>();
    last = next;
  }
}

/// Reduces a tensor of any layout. Axes are taken in the order in which they lie in memory, so that a transposed tensor
/// is read as it is; only a tensor with gaps or repeats is copied first.
template <class T, class Kernel>
Tensor reduce(const Tensor& x, const ReductionPlan& plan, const Kernel& kernel) {
  const NoGradGuard no_grad;
  Tensor y = Tensor::empty(plan.result, x.dtype());
  if (y.numel() == 0) return y;
  if (x.is_contiguous()) {
    reduce_contiguous(x.data<T>(), x.shape(), plan.reduced, y.mutable_data<T>(), kernel);
    return y;
  }
  Shape order = Shape::filled(x.rank(), 0);
  std::iota(order.begin(), order.end(), 0);
  const auto stride = [&](std::int64_t a) { return x.strides()[static_cast<std::size_t>(a)]; };
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return stride(a) > stride(b); });
  const Tensor sorted = x.permute(order).contiguous();
  std::array<bool, Shape::max_rank> reduced{};
  Shape kept = plan.kept, inverse = order;
  for (std::size_t a = 0; a < order.size(); ++a) {
    const auto from = static_cast<std::size_t>(order[a]);
    reduced[a] = plan.reduced[from];
    kept[a] = plan.kept[from];
    inverse[from] = static_cast<std::int64_t>(a);
  }
  Tensor result = Tensor::empty(kept, x.dtype());
  reduce_contiguous(sorted.data<T>(), sorted.shape(), reduced, result.mutable_data<T>(), kernel);
  return result.permute(inverse).reshape(plan.result).contiguous();
}

// ---- mean ----

/// The sums are kept in double, so that no mean of finite elements overflows on the way.
Tensor mean_values(const Tensor& x, const ReductionPlan& plan) {
  const ReductionLines lines = reduction_lines(x, plan);
  const Tensor y = Tensor::empty(plan.result, x.dtype()), sums = Tensor::empty(plan.result, float64);
  dispatch_floating("mean", x.dtype(), [&]<class T>() {
    double* total = sums.mutable_data<double>();
    kernels::wide_sums(kernels::Term::difference, lines.x.data<T>(), lines.outer, lines.size, lines.inner, nullptr,
                       total);
    T* values = y.mutable_data<T>();
    for (std::int64_t i = 0, n = y.numel(); i < n; ++i)
      values[i] = static_cast<T>(total[i] / static_cast<double>(plan.count));
  });
  return y;
}

// ---- prod ----

/// The order of axes in which the reduced ones come last.
Shape reduced_last(const ReductionPlan& plan, std::size_t rank) {
  Shape order;
  for (const bool reduced : {false, true})
    for (std::size_t a = 0; a < rank; ++a)
      if (plan.reduced[a] == reduced) order.push_back(static_cast<std::int64_t>(a));
  return order;
}

/// Pairs are multiplied until one is left: ⌈log₂ n⌉ recorded products, whose derivatives of any order are exact at
/// zeros.
Tensor prod_reference(const Tensor& x, const ReductionPlan& plan) {
  if (plan.count == 0) return ones(plan.result, x.dtype()) + sum(x);
  const std::int64_t rest = plan.kept.numel();
  Tensor y = x.permute(reduced_last(plan, x.rank())).reshape({rest, plan.count});
  while (y.size(1) > 1) {
    const std::int64_t half = y.size(1) / 2;
    const Tensor products = y.slice(1, 0, half) * y.slice(1, half, 2 * half);
    y = y.size(1) % 2 == 0 ? products : cat({products, y.slice(1, 2 * half, 2 * half + 1)}, 1);
  }
  return y.reshape(plan.result);
}

Tensor prod_gradient(const Tensor& x, const Tensor& grad_output, const ReductionPlan& plan) {
  const ReductionLines lines = reduction_lines(x, plan);
  const Tensor dy = grad_output.contiguous();
  const Tensor dx = Tensor::empty(lines.x.shape(), x.dtype());
  dispatch_floating("prod", x.dtype(), [&]<class T>() {
    kernels::prod_backward(lines.x.data<T>(), dy.data<T>(), lines.outer, lines.size, lines.inner, dx.mutable_data<T>());
  });
  return original_order(dx, lines);
}

// ---- amax, amin ----

/// The elements that are equal to the result share its gradient.
Tensor extreme_gradient(const Tensor& x, const Tensor& y, const Tensor& dy, const ReductionPlan& plan) {
  const ReductionLines lines = reduction_lines(x, plan);
  const Tensor centre = to(y, float64).contiguous(), scale = to(dy, float64).clone();
  const Tensor counts = Tensor::empty(centre.shape(), float64);
  double* count = counts.mutable_data<double>();
  dispatch_floating("amax", x.dtype(), [&]<class T>() {
    kernels::wide_sums(kernels::Term::equality, lines.x.data<T>(), lines.outer, lines.size, lines.inner,
                       centre.data<double>(), count);
  });
  double* share = scale.mutable_data<double>();
  for (std::int64_t i = 0, n = scale.numel(); i < n; ++i) share[i] /= count[i];
  return spread_gradient(kernels::Slope::equality, lines, centre, scale);
}

template <class Kernel>
Tensor extreme(const OpInfo& info, const Tensor& x, const Axes& axes, bool keepdim, const Kernel& kernel) {
  const ReductionPlan plan = plan_reduction(info.name, x.shape(), axes, keepdim);
  if (plan.count == 0 && plan.result.numel() > 0)
    fail(ErrorKind::shape, "{}: the reduced axes are empty; got shape {} and axes {}; expected at least one element",
         info.name, x.shape(), axes);
  const Tensor y = dispatch_numeric(info.name, x.dtype(), [&]<class T>() { return reduce<T>(x, plan, kernel); });
  return record(info, {x}, y, [&] {
    return Gradient::with_twin(
        {x, y},
        [plan](const BackwardContext& context) -> TensorList {
          return {extreme_gradient(context.saved(0), context.saved(1), context.grad_output(), plan)};
        },
        [plan, axes](const BackwardContext& context) -> TensorList {
          const Tensor input = context.saved(0);
          const Tensor chosen = to(equal(input, context.saved(1).reshape(plan.kept)), input.dtype());
          return {chosen * (context.grad_output().reshape(plan.kept) / sum(chosen, axes, true))};
        });
  });
}

// ---- any, all ----

template <class Kernel>
Tensor quantify(const OpInfo& info, const Tensor& x, const Axes& axes, bool keepdim, const Kernel& kernel) {
  const ReductionPlan plan = plan_reduction(info.name, x.shape(), axes, keepdim);
  const NoGradGuard no_grad;
  const Tensor conditions = x.dtype() == boolean ? x : not_equal(x, 0.0);
  return record_constant(info, reduce<bool>(conditions, plan, kernel));
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  if (x.dtype() == boolean) return sum(to(x, int64), axes, keepdim);
  const ReductionPlan plan = plan_reduction("sum", x.shape(), axes, keepdim);
  const Tensor y = dispatch_numeric("sum", x.dtype(), [&]<class T>() {
    return reduce<T>(x, plan, [](auto... arguments) { kernels::sum(arguments...); });
  });
  return record(sum_info, {x}, y, [&] {
    return Gradient::of_ops({}, [kept = plan.kept, shape = x.shape()](const BackwardContext& context) -> TensorList {
      return {context.grad_output().reshape(kept).expand(shape)};
    });
  });
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  if (x.dtype() == boolean) return mean(to(x, float32), axes, keepdim);
  const ReductionPlan plan = plan_reduction("mean", x.shape(), axes, keepdim);
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype,
         "mean: needs floating point elements or conditions; got {}; expected float32, float64 or bool; "
         "hint: convert with to()",
         x.dtype());
  return record(mean_info, {x}, mean_values(x, plan), [&] {
    return Gradient::of_ops({}, [plan, shape = x.shape()](const BackwardContext& context) -> TensorList {
      return {(context.grad_output().reshape(plan.kept) / static_cast<double>(plan.count)).expand(shape)};
    });
  });
}

Tensor prod(const Tensor& x, const Axes& axes, bool keepdim) {
  const ReductionPlan plan = plan_reduction("prod", x.shape(), axes, keepdim);
  const Tensor y = dispatch_numeric("prod", x.dtype(), [&]<class T>() {
    return reduce<T>(x, plan, [](auto... arguments) { kernels::prod(arguments...); });
  });
  return record(prod_info, {x}, y, [&] {
    return Gradient::with_reference(
        {x},
        [plan](const BackwardContext& context) -> TensorList {
          return {prod_gradient(context.saved(0), context.grad_output(), plan)};
        },
        [plan](const TensorList& in) { return TensorList{prod_reference(in[0], plan)}; });
  });
}

Tensor amax(const Tensor& x, const Axes& axes, bool keepdim) {
  return extreme(amax_info, x, axes, keepdim, [](auto... arguments) { kernels::amax(arguments...); });
}

Tensor amin(const Tensor& x, const Axes& axes, bool keepdim) {
  return extreme(amin_info, x, axes, keepdim, [](auto... arguments) { kernels::amin(arguments...); });
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdim) {
  return quantify(any_info, x, axes, keepdim, kernels::any);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdim) {
  return quantify(all_info, x, axes, keepdim, kernels::all);
}

OpList reduce_ops() { return {&sum_info, &mean_info, &prod_info, &amax_info, &amin_info, &any_info, &all_info}; }

}  // namespace saw
