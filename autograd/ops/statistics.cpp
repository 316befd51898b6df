// Sums of squares, of powers and of exponentials: var, stddev, logsumexp, norm.

#include "saw/autograd/ops/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/moments.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/reduction.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

const OpInfo var_info{"var", "Σ(x − mean)² / (n − correction)", true};
const OpInfo stddev_info{"stddev", "√var", true};
const OpInfo logsumexp_info{"logsumexp", "log Σ exp(x)", true};
const OpInfo norm_info{"norm", "(Σ|x|ᵖ)^(1/p)", true};

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op, x.dtype());
}

/// Σ term, in double, one for each result.
Tensor wide_sums(kernels::Term term, const ReductionLines& lines, const Tensor& centre) {
  Tensor sums = Tensor::empty({lines.outer, lines.inner}, float64);
  dispatch_floating("wide_sums", lines.x.dtype(), [&]<class T>() {
    kernels::wide_sums(term, lines.x.data<T>(), lines.outer, lines.size, lines.inner,
                       centre.defined() ? centre.data<double>() : nullptr, sums.mutable_data<double>());
  });
  return sums;
}

/// f of every result's number in double, as the result.
template <class F>
Tensor rounded(const Tensor& wide, const Shape& shape, DType dtype, const F& f) {
  const Tensor y = Tensor::empty(shape, dtype);
  dispatch_floating("rounded", dtype, [&]<class T>() {
    const double* from = wide.data<double>();
    T* to = y.mutable_data<T>();
    for (std::int64_t i = 0, n = y.numel(); i < n; ++i) to[i] = static_cast<T>(f(from[i]));
  });
  return y;
}

/// f(dy, y) of every result in double: what the elements behind it are scaled by.
template <class F>
Tensor scales(const Tensor& dy, const Tensor& y, const F& f) {
  const NoGradGuard no_grad;
  const Tensor scale = to(dy, float64).clone(), results = to(y, float64).contiguous();
  double* to = scale.mutable_data<double>();
  const double* result = results.data<double>();
  for (std::int64_t i = 0, n = scale.numel(); i < n; ++i) to[i] = f(to[i], result[i]);
  return scale;
}

// ---- var, stddev ----

struct Variance {
  Tensor mean;     ///< double
  Tensor squares;  ///< Σ(x − mean)², double
  double divisor = 0;
};

Variance variance(const char* op, const Tensor& x, const ReductionPlan& plan, std::int64_t correction) {
  check_floating(op, x);
  if (correction < 0)
    fail(ErrorKind::argument, "{}: correction must not be negative; got {}; expected 0 or 1, as a rule", op,
         correction);
  const NoGradGuard no_grad;
  const ReductionLines lines = reduction_lines(x, plan);
  Variance result;
  result.divisor = static_cast<double>(std::max<std::int64_t>(0, plan.count - correction));
  // The first elements are subtracted before: an offset that all elements share costs no digits then, and equal
  // elements give exactly 0.
  const Tensor view = lines.x.reshape({lines.outer, lines.size, lines.inner});
  if (lines.size == 0) {
    result.mean = full({lines.outer, lines.inner}, std::numeric_limits<double>::quiet_NaN(), float64);
    result.squares = zeros({lines.outer, lines.inner}, float64);
    return result;
  }
  const Tensor first = to(view.select(1, 0), float64).contiguous();
  result.mean = wide_sums(kernels::Term::difference, lines, first);
  double* mean = result.mean.mutable_data<double>();
  const double* start = first.data<double>();
  for (std::int64_t i = 0, n = result.mean.numel(); i < n; ++i)
    mean[i] = start[i] + mean[i] / static_cast<double>(lines.size);
  result.squares = wide_sums(kernels::Term::square, lines, result.mean);
  return result;
}

/// x − mean in recorded ops, less the first elements as above.
Tensor centred(const Tensor& x, const Axes& axes) {
  Tensor first = x.detach();
  if (axes.empty())
    for (std::size_t a = 0; a < x.rank(); ++a) first = first.slice(static_cast<std::int64_t>(a), 0, 1);
  for (const std::int64_t axis : axes) first = first.slice(axis, 0, 1);
  const Tensor shifted = x.numel() == 0 ? x : x - first;
  return shifted - mean(shifted, axes, true);
}

// ---- logsumexp ----

Tensor logsumexp_gradient(const Tensor& x, const Tensor& y, const Tensor& grad_output, const ReductionPlan& plan) {
  const ReductionLines lines = reduction_lines(x, plan);
  const Tensor total = y.contiguous(), dy = grad_output.contiguous();
  const Tensor dx = Tensor::empty(lines.x.shape(), x.dtype());
  dispatch_floating("logsumexp", x.dtype(), [&]<class T>() {
    kernels::logsumexp_backward(lines.x.data<T>(), total.data<T>(), dy.data<T>(), lines.outer, lines.size, lines.inner,
                                dx.mutable_data<T>());
  });
  return original_order(dx, lines);
}

// ---- norm ----

/// The norm of |x| over its largest element, times that: no power overflows or vanishes.
Tensor scaled_norm(const Tensor& x, double p, const Axes& axes) {
  const Tensor magnitude = abs(x), largest = amax(magnitude, axes, true);
  const Tensor unit = masked_fill(largest, logical_or(equal(largest, 0.0), logical_not(isfinite(largest))), 1.0);
  return unit * pow(sum(pow(magnitude / unit, p), axes, true), 1.0 / p);
}

Tensor norm_values(const Tensor& x, double p, const Axes& axes, const ReductionPlan& plan) {
  const NoGradGuard no_grad;
  if (p == 1.0)
    return rounded(wide_sums(kernels::Term::magnitude, reduction_lines(x, plan), {}), plan.result, x.dtype(),
                   [](double sum) { return sum; });
  if (p == 2.0)
    return rounded(wide_sums(kernels::Term::square, reduction_lines(x, plan), {}), plan.result, x.dtype(),
                   [](double sum) { return std::sqrt(sum); });
  if (x.numel() == 0) return zeros(plan.result, x.dtype());
  const Tensor y = std::isinf(p) ? amax(abs(x), axes, true) : scaled_norm(x, p, axes);
  return y.reshape(plan.result);
}

/// d norm / dx in recorded ops; y and dy have the reduced axes kept.
Tensor norm_gradient(const Tensor& x, const Tensor& y, const Tensor& dy, double p, const Axes& axes) {
  if (p == 1.0) return dy * sign(x);
  const Tensor nonzero_y = masked_fill(y, equal(y, 0.0), 1.0);
  if (p == 2.0) return x * (dy / nonzero_y);
  if (std::isinf(p)) {
    const Tensor chosen = to(equal(abs(x), y), x.dtype());
    return sign(x) * chosen * (dy / sum(chosen, axes, true));
  }
  // |x|ᵖ⁻¹ / yᵖ⁻¹ as one power: the two alone may overflow. At 0 the sign makes it 0, if only the power is finite.
  const Tensor ratio = masked_fill(abs(x) / nonzero_y, equal(x, 0.0), 1.0);
  return sign(x) * pow(ratio, p - 1.0) * dy;
}

}  // namespace

Tensor var(const Tensor& x, const Axes& axes, std::int64_t correction, bool keepdim) {
  const ReductionPlan plan = plan_reduction("var", x.shape(), axes, keepdim);
  const Variance variance_of = variance("var", x, plan, correction);
  const double divisor = variance_of.divisor;
  const Tensor y =
      rounded(variance_of.squares, plan.result, x.dtype(), [=](double squares) { return squares / divisor; });
  return record(var_info, {x}, y, [&] {
    return Gradient::with_twin(
        {x, variance_of.mean},
        [plan, divisor](const BackwardContext& context) -> TensorList {
          const Tensor mean = context.saved(1), dy = context.grad_output();
          return {spread_gradient(kernels::Slope::centred, reduction_lines(context.saved(0), plan), mean,
                                  scales(dy, dy, [=](double g, double) { return g * 2.0 / divisor; }))};
        },
        [axes, plan, divisor](const BackwardContext& context) -> TensorList {
          return {centred(context.saved(0), axes) * (context.grad_output().reshape(plan.kept) * (2.0 / divisor))};
        });
  });
}

Tensor stddev(const Tensor& x, const Axes& axes, std::int64_t correction, bool keepdim) {
  const ReductionPlan plan = plan_reduction("stddev", x.shape(), axes, keepdim);
  const Variance variance_of = variance("stddev", x, plan, correction);
  const double divisor = variance_of.divisor;
  const Tensor y = rounded(variance_of.squares, plan.result, x.dtype(),
                           [=](double squares) { return std::sqrt(squares / divisor); });
  // All elements equal: the gradient is taken as 0, like that of norm at 0.
  return record(stddev_info, {x}, y, [&] {
    return Gradient::with_twin(
        {x, y, variance_of.mean},
        [plan, divisor](const BackwardContext& context) -> TensorList {
          return {spread_gradient(kernels::Slope::centred, reduction_lines(context.saved(0), plan), context.saved(2),
                                  scales(context.grad_output(), context.saved(1), [=](double g, double deviation) {
                                    return g / ((deviation == 0.0 ? 1.0 : deviation) * divisor);
                                  }))};
        },
        [axes, plan, divisor](const BackwardContext& context) -> TensorList {
          const Tensor deviation = context.saved(1).reshape(plan.kept);
          const Tensor safe = masked_fill(deviation, equal(deviation, 0.0), 1.0);
          return {centred(context.saved(0), axes) * (context.grad_output().reshape(plan.kept) / (safe * divisor))};
        });
  });
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim) {
  check_floating("logsumexp", x);
  const ReductionPlan plan = plan_reduction("logsumexp", x.shape(), axes, keepdim);
  const Tensor y = Tensor::empty(plan.result, x.dtype());
  const ReductionLines lines = reduction_lines(x, plan);
  dispatch_floating("logsumexp", x.dtype(), [&]<class T>() {
    kernels::logsumexp(lines.x.data<T>(), lines.outer, lines.size, lines.inner, y.mutable_data<T>());
  });
  return record(logsumexp_info, {x}, y, [&] {
    return Gradient::with_twin(
        {x, y},
        [plan](const BackwardContext& context) -> TensorList {
          return {logsumexp_gradient(context.saved(0), context.saved(1), context.grad_output(), plan)};
        },
        [kept = plan.kept](const BackwardContext& context) -> TensorList {
          const Tensor total = context.saved(1).reshape(kept);
          const Tensor safe = masked_fill(total, equal(total, -infinity), 0.0);
          return {exp(context.saved(0) - safe) * context.grad_output().reshape(kept)};
        });
  });
}

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim) {
  check_floating("norm", x);
  const ReductionPlan plan = plan_reduction("norm", x.shape(), axes, keepdim);
  if (!(p > 0)) fail(ErrorKind::argument, "norm: p must be positive; got {}; expected 1, 2, infinity or another", p);
  if (std::isinf(p) && plan.count == 0 && plan.result.numel() > 0)
    fail(ErrorKind::shape, "norm: the reduced axes are empty; got shape {} and axes {}; expected at least one element",
         x.shape(), axes);
  const Tensor y = norm_values(x, p, axes, plan);
  return record(norm_info, {x}, y, [&] {
    const BackwardFunction twin = [p, axes, kept = plan.kept](const BackwardContext& context) -> TensorList {
      return {norm_gradient(context.saved(0), context.saved(1).reshape(kept), context.grad_output().reshape(kept), p,
                            axes)};
    };
    if (p != 1.0 && p != 2.0) return Gradient::of_ops({x, y}, twin);
    const auto kernel = [p, plan](const BackwardContext& context) -> TensorList {
      const ReductionLines lines = reduction_lines(context.saved(0), plan);
      const auto slope = p == 1.0 ? kernels::Slope::sign : kernels::Slope::centred;
      const Tensor scale = scales(context.grad_output(), context.saved(1),
                                  [p](double g, double length) { return p == 1.0 || length == 0.0 ? g : g / length; });
      return {spread_gradient(slope, lines, zeros({lines.outer, lines.inner}, float64), scale)};
    };
    return Gradient::with_twin({x, y}, kernel, twin);
  });
}

OpList statistics_ops() { return {&var_info, &stddev_info, &logsumexp_info, &norm_info}; }

}  // namespace saw
