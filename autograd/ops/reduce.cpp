#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

/// Which axes go, and the shapes of what stays.
struct Plan {
  std::array<bool, Shape::max_rank> reduced{};
  Shape kept;              // reduced axes have size 1
  Shape result;            // kept, or without the reduced axes
  std::int64_t count = 1;  // elements per result
};

Plan plan_reduction(const char* op, const Shape& shape, const Axes& axes, bool keepdim) {
  Plan plan;
  if (axes.empty()) std::fill_n(plan.reduced.begin(), shape.size(), true);
  for (const std::int64_t axis : axes) {
    const std::size_t a = normalize_axis(op, axis, shape.size());
    if (plan.reduced[a])
      fail(ErrorKind::argument, "{}: axis {} is named twice; got axes {} for a tensor of {} dimensions", op, a, axes,
           shape.size());
    plan.reduced[a] = true;
  }
  plan.kept = shape;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (!plan.reduced[a]) {
      plan.result.push_back(shape[a]);
      continue;
    }
    plan.count *= shape[a];
    plan.kept[a] = 1;
    if (keepdim) plan.result.push_back(1);
  }
  return plan;
}

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
Tensor reduce(const Tensor& x, const Plan& plan, const Kernel& kernel) {
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

/// The oracle: one element after the other, in double.
Tensor naive(const Tensor& x, const Axes& axes, bool keepdim, double start,
             const std::function<double(double, double)>& step, double factor = 1.0) {
  const Plan plan = plan_reduction("naive", x.shape(), axes, keepdim);
  const std::vector<double> values = to(x.detach(), float64).to_vector<double>();
  std::vector<double> results(static_cast<std::size_t>(plan.kept.numel()), start);
  for (std::size_t i = 0; i < values.size(); ++i) {
    Shape index = unravel(static_cast<std::int64_t>(i), x.shape());
    for (std::size_t a = 0; a < index.size(); ++a)
      if (plan.reduced[a]) index[a] = 0;
    double& result = results[static_cast<std::size_t>(ravel(index, plan.kept))];
    result = step(result, values[i]);
  }
  for (double& result : results) result *= factor;
  return to(tensor(results, plan.result), x.dtype());
}

using Reduction = Tensor (*)(const Tensor& x, const Axes& axes, bool keepdim);

/// The samples of a reduction: every layout of reduced and kept axes that the driver tells apart.
std::vector<Sample> reduction_samples(Reduction op, const Reduction oracle,
                                      const std::function<Tensor(const Shape&)>& make, bool empty_allowed) {
  struct Case {
    const char* name;
    Shape shape;
    Axes axes;
    bool keepdim;
  };
  std::vector<Case> cases = {
      {"all axes", {3, 4}, {}, false},
      {"last axis", {3, 5}, {-1}, false},
      {"leading axis", {4, 3}, {0}, false},
      {"middle axis", {2, 3, 4}, {1}, false},
      {"outer and inner axes", {2, 3, 4}, {0, 2}, true},
      {"axes in any order", {2, 3, 2, 2}, {3, 1}, false},
      {"kept dimension", {2, 3}, {1}, true},
      {"all axes kept", {2, 3}, {}, true},
      {"size-1 axes", {1, 3, 1}, {0, 2}, false},
      {"scalar", {}, {}, false},
      {"one-dimensional", {7}, {0}, false},
      {"no rows kept", {0, 3}, {1}, false},
  };
  if (empty_allowed) cases.push_back({"over nothing", {0, 3}, {0}, false});
  std::vector<Sample> samples;
  for (const Case& c : cases)
    samples.push_back(
        {.name = c.name,
         .inputs = {make(c.shape)},
         .run = [op, c](const TensorList& in) { return TensorList{op(in[0], c.axes, c.keepdim)}; },
         .reference = [oracle, c](const TensorList& in) { return TensorList{oracle(in[0], c.axes, c.keepdim)}; }});
  return samples;
}

std::vector<ErrorSample> axis_errors(const char* name, Reduction op, DType dtype) {
  const std::string op_name = name;
  return {
      {"axis out of range",
       [=] {
         op(zeros({2, 3}, dtype), {2}, false);
       },
       ErrorKind::argument, op_name + ": axis"},
      {"axis named twice",
       [=] {
         op(zeros({2, 3}, dtype), {1, -1}, false);
       },
       ErrorKind::argument, op_name + ": axis 1 is named twice"},
  };
}

ErrorSample dtype_error(const char* name, Reduction op, DType dtype) {
  return {"wrong dtype", [=] { op(zeros({2, 3}, dtype), {}, false); }, ErrorKind::dtype, std::string(name) + ": "};
}

Gradient plain_gradient(TensorList saved, BackwardFunction backward) {
  Gradient gradient;
  gradient.saved = std::move(saved);
  gradient.backward = std::move(backward);
  gradient.plain = true;
  return gradient;
}

// ---- sum ----

Tensor naive_sum(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(x, axes, keepdim, 0, [](double a, double b) { return a + b; });
}

std::vector<Sample> sum_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      sum, naive_sum, [&](const Shape& shape) { return make.normal(shape); }, true);
  samples.push_back({.name = "int64",
                     .inputs = {make.integers({3, 4}, -5, 5)},
                     .run = [](const TensorList& in) { return TensorList{sum(in[0], {0})}; },
                     .reference = [](const TensorList& in) { return TensorList{naive_sum(in[0], {0}, false)}; }});
  return samples;
}
std::vector<ErrorSample> sum_errors() {
  std::vector<ErrorSample> errors = axis_errors("sum", sum, float32);
  errors.push_back(dtype_error("sum", sum, boolean));
  return errors;
}
const OpInfo sum_info{"sum", "Σ x", true, sum_samples, sum_errors};

// ---- mean ----

Tensor naive_mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const Plan plan = plan_reduction("mean", x.shape(), axes, keepdim);
  return naive(
      x, axes, keepdim, 0, [](double a, double b) { return a + b; }, 1.0 / static_cast<double>(plan.count));
}

std::vector<Sample> mean_samples(SampleMaker& make) {
  return reduction_samples(
      mean, naive_mean, [&](const Shape& shape) { return make.normal(shape); }, false);
}
std::vector<ErrorSample> mean_errors() {
  std::vector<ErrorSample> errors = axis_errors("mean", mean, float32);
  errors.push_back(dtype_error("mean", mean, int64));
  return errors;
}
const OpInfo mean_info{"mean", "Σ x / n", true, mean_samples, mean_errors};

// ---- prod ----

Tensor naive_prod(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(x, axes, keepdim, 1, [](double a, double b) { return a * b; });
}

/// The order of axes in which the reduced ones come last.
Shape reduced_last(const Plan& plan, std::size_t rank) {
  Shape order;
  for (const bool reduced : {false, true})
    for (std::size_t a = 0; a < rank; ++a)
      if (plan.reduced[a] == reduced) order.push_back(static_cast<std::int64_t>(a));
  return order;
}

/// Pairs are multiplied until one is left: ⌈log₂ n⌉ recorded products, whose derivatives of any order are exact at
/// zeros.
Tensor prod_reference(const Tensor& x, const Plan& plan) {
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

Tensor prod_gradient(const Tensor& x, const Tensor& grad_output, const Plan& plan) {
  const Shape order = reduced_last(plan, x.rank());
  const Tensor rows = x.permute(order).contiguous();
  const Tensor dy = grad_output.contiguous();
  Tensor dx = Tensor::empty(rows.shape(), x.dtype());
  dispatch_floating("prod", x.dtype(), [&]<class T>() {
    kernels::prod_backward(rows.data<T>(), dy.data<T>(), plan.kept.numel(), plan.count, 1, dx.mutable_data<T>());
  });
  Shape inverse = order;
  for (std::size_t a = 0; a < order.size(); ++a)
    inverse[static_cast<std::size_t>(order[a])] = static_cast<std::int64_t>(a);
  return dx.permute(inverse);
}

std::vector<Sample> prod_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      prod, naive_prod, [&](const Shape& shape) { return make.normal(shape); }, true);
  const Tensor one_zero = make.normal({3, 4});
  const Tensor two_zeros = make.normal({3, 4});
  one_zero.select(1, 2).fill_(0.0);
  two_zeros.slice(1, 1, 3).fill_(0.0);
  for (const auto& [name, x] : {std::pair{"one zero per row", one_zero}, std::pair{"two zeros per row", two_zeros}})
    samples.push_back({.name = name,
                       .inputs = {x},
                       .run = [](const TensorList& in) { return TensorList{prod(in[0], {1})}; },
                       .reference = [](const TensorList& in) { return TensorList{naive_prod(in[0], {1}, false)}; }});
  return samples;
}
std::vector<ErrorSample> prod_errors() {
  std::vector<ErrorSample> errors = axis_errors("prod", prod, float32);
  errors.push_back(dtype_error("prod", prod, boolean));
  return errors;
}
const OpInfo prod_info{"prod", "Π x", true, prod_samples, prod_errors};

// ---- amax, amin ----

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor naive_amax(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(x, axes, keepdim, -infinity, [](double a, double b) { return std::max(a, b); });
}
Tensor naive_amin(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(x, axes, keepdim, infinity, [](double a, double b) { return std::min(a, b); });
}

template <Reduction op, Reduction oracle>
std::vector<Sample> extreme_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      op, oracle, [&](const Shape& shape) { return make.distinct(shape); }, false);
  samples.push_back({.name = "int64 with ties",
                     .inputs = {make.integers({3, 8}, -2, 2)},
                     .run = [](const TensorList& in) { return TensorList{op(in[0], {1}, false)}; },
                     .reference = [](const TensorList& in) { return TensorList{oracle(in[0], {1}, false)}; }});
  return samples;
}

std::vector<ErrorSample> extreme_errors(const char* name, Reduction op) {
  std::vector<ErrorSample> errors = axis_errors(name, op, float32);
  errors.push_back(dtype_error(name, op, boolean));
  errors.push_back({"empty axis",
                    [=] {
                      op(zeros({3, 0}), {1}, false);
                    },
                    ErrorKind::shape, std::string(name) + ": the reduced axes are empty"});
  return errors;
}
std::vector<ErrorSample> amax_errors() { return extreme_errors("amax", amax); }
std::vector<ErrorSample> amin_errors() { return extreme_errors("amin", amin); }
const OpInfo amax_info{"amax", "max x", true, extreme_samples<amax, naive_amax>, amax_errors};
const OpInfo amin_info{"amin", "min x", true, extreme_samples<amin, naive_amin>, amin_errors};

template <class Kernel>
Tensor extreme(const OpInfo& info, const Tensor& x, const Axes& axes, bool keepdim, const Kernel& kernel) {
  const Plan plan = plan_reduction(info.name, x.shape(), axes, keepdim);
  if (plan.count == 0 && plan.result.numel() > 0)
    fail(ErrorKind::shape, "{}: the reduced axes are empty; got shape {} and axes {}; expected at least one element",
         info.name, x.shape(), axes);
  const Tensor y = dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    return reduce<T>(x, plan, [&](const T* in, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
      kernel(in, outer, size, inner, out);
    });
  });
  return record(info, {x}, y, [&] {
    return plain_gradient({x, y}, [plan, axes](const BackwardContext& context) -> TensorList {
      const Tensor input = context.saved(0);
      const Tensor chosen = to(equal(input, context.saved(1).reshape(plan.kept)), input.dtype());
      return {chosen * (context.grad_output().reshape(plan.kept) / sum(chosen, axes, true))};
    });
  });
}

// ---- any, all ----

Tensor naive_any(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(x, axes, keepdim, 0, [](double a, double b) { return std::max(a, b); });
}
Tensor naive_all(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(x, axes, keepdim, 1, [](double a, double b) { return std::min(a, b); });
}
std::vector<Sample> any_samples(SampleMaker& make) {
  return reduction_samples(
      any, naive_any, [&](const Shape& shape) { return make.conditions(shape); }, true);
}
std::vector<Sample> all_samples(SampleMaker& make) {
  return reduction_samples(
      all, naive_all, [&](const Shape& shape) { return make.conditions(shape); }, true);
}
std::vector<ErrorSample> any_errors() {
  std::vector<ErrorSample> errors = axis_errors("any", any, boolean);
  errors.push_back(dtype_error("any", any, float32));
  return errors;
}
std::vector<ErrorSample> all_errors() {
  std::vector<ErrorSample> errors = axis_errors("all", all, boolean);
  errors.push_back(dtype_error("all", all, int64));
  return errors;
}
const OpInfo any_info{"any", "x₁ ∨ x₂ ∨ …", false, any_samples, any_errors};
const OpInfo all_info{"all", "x₁ ∧ x₂ ∧ …", false, all_samples, all_errors};

template <class Kernel>
Tensor quantify(const OpInfo& info, const Tensor& x, const Axes& axes, bool keepdim, const Kernel& kernel) {
  if (x.dtype() != boolean)
    fail(ErrorKind::dtype, "{}: needs conditions; got {}; expected bool; hint: compare first", info.name, x.dtype());
  return record_constant(info, reduce<bool>(x, plan_reduction(info.name, x.shape(), axes, keepdim), kernel));
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  const Plan plan = plan_reduction("sum", x.shape(), axes, keepdim);
  const Tensor y = dispatch_numeric("sum", x.dtype(), [&]<class T>() {
    return reduce<T>(x, plan, [](const T* in, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
      kernels::sum(in, outer, size, inner, out);
    });
  });
  return record(sum_info, {x}, y, [&] {
    return plain_gradient({}, [kept = plan.kept, shape = x.shape()](const BackwardContext& context) -> TensorList {
      return {context.grad_output().reshape(kept).expand(shape)};
    });
  });
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const Plan plan = plan_reduction("mean", x.shape(), axes, keepdim);
  const Tensor y = dispatch_floating("mean", x.dtype(), [&]<class T>() {
    const T divisor = static_cast<T>(plan.count);
    Tensor total =
        reduce<T>(x, plan, [](const T* in, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
          kernels::sum(in, outer, size, inner, out);
        });
    T* values = total.mutable_data<T>();
    for (std::int64_t i = 0, n = total.numel(); i < n; ++i) values[i] /= divisor;
    return total;
  });
  return record(mean_info, {x}, y, [&] {
    return plain_gradient({}, [plan, shape = x.shape()](const BackwardContext& context) -> TensorList {
      return {(context.grad_output().reshape(plan.kept) / static_cast<double>(plan.count)).expand(shape)};
    });
  });
}

Tensor prod(const Tensor& x, const Axes& axes, bool keepdim) {
  const Plan plan = plan_reduction("prod", x.shape(), axes, keepdim);
  const Tensor y = dispatch_numeric("prod", x.dtype(), [&]<class T>() {
    return reduce<T>(x, plan, [](const T* in, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out) {
      kernels::prod(in, outer, size, inner, out);
    });
  });
  return record(prod_info, {x}, y, [&] {
    Gradient gradient;
    gradient.saved = {x};
    gradient.backward = [plan](const BackwardContext& context) -> TensorList {
      return {prod_gradient(context.saved(0), context.grad_output(), plan)};
    };
    gradient.reference = [plan](const TensorList& in) { return TensorList{prod_reference(in[0], plan)}; };
    return gradient;
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
