// Reductions made of other ops: var, std, logsumexp, norm.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op, x.dtype());
}

/// The shape of a result whose reduced axes are kept with size 1.
Shape kept_shape(const char* op, const Tensor& x, const Axes& axes) {
  if (axes.empty()) return Shape::filled(x.rank(), 1);
  Shape kept = x.shape();
  for (const std::int64_t axis : axes) kept[normalize_axis(op, axis, x.rank())] = 1;
  return kept;
}

/// Elements per result.
std::int64_t reduced_count(const char* op, const Tensor& x, const Axes& axes) {
  if (axes.empty()) return x.numel();
  std::int64_t count = 1;
  for (const std::int64_t axis : axes) count *= x.shape()[normalize_axis(op, axis, x.rank())];
  return count;
}

/// Throws for axes out of range or named twice, in the name of `op`.
void check_axes(const char* op, const Tensor& x, const Axes& axes) {
  Shape seen = Shape::filled(x.rank(), 0);
  for (const std::int64_t axis : axes) {
    const std::size_t a = normalize_axis(op, axis, x.rank());
    if (seen[a]++ > 0)
      fail(ErrorKind::argument, "{}: axis {} is named twice; got axes {} for a tensor of {} dimensions", op, a, axes,
           x.rank());
  }
}

/// The shape of the result: kept, or without the reduced axes.
Shape result_shape(const Tensor& x, const Axes& axes, const Shape& kept, bool keepdim) {
  if (keepdim) return kept;
  if (axes.empty()) return {};
  Shape shape;
  Shape reduced = Shape::filled(x.rank(), 0);
  for (const std::int64_t axis : axes) reduced[normalize_axis("reduction", axis, x.rank())] = 1;
  for (std::size_t a = 0; a < x.rank(); ++a)
    if (reduced[a] == 0) shape.push_back(x.shape()[a]);
  return shape;
}

/// The same values, off the tape, in another shape.
Tensor reshaped(const Tensor& values, const Shape& shape) {
  const NoGradGuard no_grad;
  return values.contiguous().reshape(shape);
}

Gradient plain_gradient(TensorList saved, BackwardFunction backward) {
  Gradient gradient;
  gradient.saved = std::move(saved);
  gradient.backward = std::move(backward);
  gradient.plain = true;
  return gradient;
}

// ---- samples ----

using Values = std::vector<double>;

/// The oracle: collects the elements behind each result and reduces them in double.
Tensor naive(const Tensor& x, const Axes& axes, bool keepdim, const std::function<double(const Values&)>& reduce) {
  const Shape kept = kept_shape("naive", x, axes);
  const Values values = to(x.detach(), float64).to_vector<double>();
  std::vector<Values> groups(static_cast<std::size_t>(kept.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Shape index = unravel(static_cast<std::int64_t>(i), x.shape());
    for (std::size_t a = 0; a < index.size(); ++a)
      if (kept[a] == 1) index[a] = 0;
    groups[static_cast<std::size_t>(ravel(index, kept))].push_back(values[i]);
  }
  Values results;
  for (const Values& group : groups) results.push_back(reduce(group));
  return to(tensor(results, result_shape(x, axes, kept, keepdim)), x.dtype());
}

using Call = std::function<Tensor(const Tensor& x, const Axes& axes, bool keepdim)>;

std::vector<Sample> samples_of(const Call& op, const std::function<double(const Values&)>& oracle,
                               const std::function<Tensor(const Shape&)>& make) {
  struct Case {
    const char* name;
    Shape shape;
    Axes axes;
    bool keepdim;
  };
  const Case cases[] = {
      {"all axes", {3, 4}, {}, false},      {"last axis", {3, 5}, {-1}, false},
      {"leading axis", {4, 3}, {0}, false}, {"outer and inner axes", {2, 3, 4}, {2, 0}, false},
      {"kept", {3, 4}, {0}, true},          {"one dimension", {6}, {}, true},
      {"no rows", {0, 4}, {1}, false},
  };
  std::vector<Sample> samples;
  for (const Case& c : cases)
    samples.push_back(
        {.name = c.name,
         .inputs = {make(c.shape)},
         .run = [op, c](const TensorList& in) { return TensorList{op(in[0], c.axes, c.keepdim)}; },
         .reference = [oracle,
                       c](const TensorList& in) { return TensorList{naive(in[0], c.axes, c.keepdim, oracle)}; }});
  return samples;
}

void append(std::vector<Sample>& samples, std::vector<Sample> more, const std::string& prefix) {
  for (Sample& sample : more) {
    sample.name = prefix + sample.name;
    samples.push_back(std::move(sample));
  }
}

std::vector<ErrorSample> errors_of(const std::string& name, const Call& op) {
  return {{"axis out of range",
           [=] {
             op(zeros({2, 3}), {2}, false);
           },
           ErrorKind::argument, name + ": axis"},
          {"axis named twice",
           [=] {
             op(zeros({2, 3}), {0, -2}, false);
           },
           ErrorKind::argument, name + ": axis 0 is named twice"},
          {"integers",
           [=] {
             op(zeros({2, 3}, int64), {}, false);
           },
           ErrorKind::dtype, name + ": "}};
}

double naive_var(const Values& values, std::int64_t correction) {
  const double n = static_cast<double>(values.size());
  double mean = 0, total = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) total += (value - mean) * (value - mean);
  return total / std::max(0.0, n - static_cast<double>(correction));
}

// ---- var, std ----

std::vector<Sample> var_samples(SampleMaker& make) {
  const auto normal = [&](const Shape& shape) { return make.normal(shape); };
  std::vector<Sample> samples;
  for (const std::int64_t correction : {0, 1})
    append(
        samples,
        samples_of([=](const Tensor& x, const Axes& axes, bool keepdim) { return var(x, axes, correction, keepdim); },
                   [=](const Values& values) { return naive_var(values, correction); }, normal),
        "correction " + std::to_string(correction) + ", ");
  return samples;
}
std::vector<Sample> std_samples(SampleMaker& make) {
  return samples_of([](const Tensor& x, const Axes& axes, bool keepdim) { return saw::std(x, axes, 1, keepdim); },
                    [](const Values& values) { return std::sqrt(naive_var(values, 1)); },
                    [&](const Shape& shape) { return make.normal(shape); });
}
std::vector<ErrorSample> var_errors() {
  std::vector<ErrorSample> errors =
      errors_of("var", [](const Tensor& x, const Axes& axes, bool keepdim) { return var(x, axes, 1, keepdim); });
  errors.push_back({"negative correction", [] { var(zeros({3}), {}, -1); }, ErrorKind::argument, "var: correction"});
  return errors;
}
std::vector<ErrorSample> std_errors() {
  std::vector<ErrorSample> errors =
      errors_of("std", [](const Tensor& x, const Axes& axes, bool keepdim) { return saw::std(x, axes, 1, keepdim); });
  errors.push_back(
      {"negative correction", [] { saw::std(zeros({3}), {}, -1); }, ErrorKind::argument, "std: correction"});
  return errors;
}
const OpInfo var_info{"var", "Σ(x − mean)² / (n − correction)", true, var_samples, var_errors};
const OpInfo std_info{"std", "√var", true, std_samples, std_errors};

void check_var(const char* op, const Tensor& x, const Axes& axes, std::int64_t correction) {
  check_floating(op, x);
  check_axes(op, x, axes);
  if (correction < 0)
    fail(ErrorKind::argument, "{}: correction must not be negative; got {}; expected 0 or 1, as a rule", op,
         correction);
}

/// x − mean. The first elements are subtracted before: an offset that all elements share costs no digits then, and
/// equal elements give exactly 0.
Tensor centred(const Tensor& x, const Axes& axes) {
  Tensor first = x.detach();
  if (axes.empty())
    for (std::size_t a = 0; a < x.rank(); ++a) first = first.slice(static_cast<std::int64_t>(a), 0, 1);
  for (const std::int64_t axis : axes) first = first.slice(axis, 0, 1);
  const Tensor shifted = x.numel() == 0 ? x : x - first;
  return shifted - mean(shifted, axes, true);
}

/// var without history, with the reduced axes kept, and what it is divided by.
Tensor var_values(const Tensor& x, const Axes& axes, double divisor) {
  const NoGradGuard no_grad;
  return sum(square(centred(x, axes)), axes, true) / divisor;
}

double var_divisor(const char* op, const Tensor& x, const Axes& axes, std::int64_t correction) {
  return static_cast<double>(std::max<std::int64_t>(0, reduced_count(op, x, axes) - correction));
}

// ---- logsumexp ----

double naive_logsumexp(const Values& values) {
  double maximum = -infinity, total = 0;
  for (const double value : values) maximum = std::max(maximum, value);
  if (maximum == -infinity) return maximum;
  for (const double value : values) total += std::exp(value - maximum);
  return maximum + std::log(total);
}

std::vector<Sample> logsumexp_samples(SampleMaker& make) {
  std::vector<Sample> samples =
      samples_of(logsumexp, naive_logsumexp, [&](const Shape& shape) { return make.normal(shape); });
  append(samples,
         samples_of(logsumexp, naive_logsumexp, [&](const Shape& shape) { return make.uniform(shape, 700.0, 710.0); }),
         "large numbers, ");
  const Tensor with_infinities = make.normal({3, 4});
  with_infinities.slice(0, 0, 2).slice(1, 0, 2).fill_(-infinity);
  with_infinities.select(0, 1).fill_(-infinity);
  samples.push_back(
      {.name = "minus infinity in part of a row and in all of one",
       .inputs = {with_infinities},
       .run = [](const TensorList& in) { return TensorList{logsumexp(in[0], {1})}; },
       .reference = [](const TensorList& in) { return TensorList{naive(in[0], {1}, false, naive_logsumexp)}; },
       .constants = {0}});
  samples.push_back(
      {.name = "over nothing",
       .inputs = {make.normal({0, 3})},
       .run = [](const TensorList& in) { return TensorList{logsumexp(in[0], {0})}; },
       .reference = [](const TensorList& in) { return TensorList{naive(in[0], {0}, false, naive_logsumexp)}; }});
  return samples;
}
std::vector<ErrorSample> logsumexp_errors() { return errors_of("logsumexp", logsumexp); }
const OpInfo logsumexp_info{"logsumexp", "log Σ exp(x)", true, logsumexp_samples, logsumexp_errors};

Tensor logsumexp_values(const Tensor& x, const Axes& axes, const Shape& kept) {
  const NoGradGuard no_grad;
  if (x.numel() == 0) return full(kept, -infinity, x.dtype());
  const Tensor maximum = amax(x, axes, true);
  const Tensor shift = masked_fill(maximum, logical_not(isfinite(maximum)), 0.0);
  return log(sum(exp(x - shift), axes, true)) + shift;
}

// ---- norm ----

double naive_norm(const Values& values, double p) {
  double total = 0;
  for (const double value : values)
    total = std::isinf(p) ? std::max(total, std::abs(value)) : total + std::pow(std::abs(value), p);
  return std::isinf(p) ? total : std::pow(total, 1 / p);
}

std::vector<Sample> norm_samples(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const double p : {1.0, 2.0, 3.0, 2.5, 0.5, infinity}) {
    const auto values = [&](const Shape& shape) {
      return std::isinf(p) ? make.distinct(shape) + 0.01 : make.away_from(shape, {0.0});
    };
    append(samples,
           samples_of([=](const Tensor& x, const Axes& axes, bool keepdim) { return norm(x, p, axes, keepdim); },
                      [=](const Values& v) { return naive_norm(v, p); }, values),
           fmt::format("p = {}, ", p));
  }
  return samples;
}
std::vector<ErrorSample> norm_errors() {
  std::vector<ErrorSample> errors =
      errors_of("norm", [](const Tensor& x, const Axes& axes, bool keepdim) { return norm(x, 2.0, axes, keepdim); });
  for (const double p : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
    errors.push_back({fmt::format("p = {}", p), [p] { norm(zeros({3}), p); }, ErrorKind::argument, "norm: p must be"});
  errors.push_back(
      {"largest of nothing", [] { norm(zeros({0}), infinity); }, ErrorKind::shape, "norm: the reduced axes are empty"});
  return errors;
}
const OpInfo norm_info{"norm", "(Σ|x|ᵖ)^(1/p)", true, norm_samples, norm_errors};

Tensor norm_values(const Tensor& x, double p, const Axes& axes) {
  const NoGradGuard no_grad;
  if (p == 1.0) return sum(abs(x), axes, true);
  if (p == 2.0) return sqrt(sum(square(x), axes, true));
  if (std::isinf(p)) return amax(abs(x), axes, true);
  return pow(sum(pow(abs(x), p), axes, true), 1.0 / p);
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
  check_var("var", x, axes, correction);
  const Shape kept = kept_shape("var", x, axes);
  const double divisor = var_divisor("var", x, axes, correction);
  const Tensor y = reshaped(var_values(x, axes, divisor), result_shape(x, axes, kept, keepdim));
  return record(var_info, {x}, y, [&] {
    return plain_gradient({x}, [axes, kept, divisor](const BackwardContext& context) -> TensorList {
      const Tensor input = context.saved(0);
      return {centred(input, axes) * (context.grad_output().reshape(kept) * (2.0 / divisor))};
    });
  });
}

Tensor std(const Tensor& x, const Axes& axes, std::int64_t correction, bool keepdim) {
  check_var("std", x, axes, correction);
  const Shape kept = kept_shape("std", x, axes);
  const double divisor = var_divisor("std", x, axes, correction);
  Tensor y;
  {
    const NoGradGuard no_grad;
    y = sqrt(reshaped(var_values(x, axes, divisor), result_shape(x, axes, kept, keepdim)));
  }
  return record(std_info, {x}, y, [&] {
    return plain_gradient({x, y}, [axes, kept, divisor](const BackwardContext& context) -> TensorList {
      const Tensor input = context.saved(0), deviation = context.saved(1).reshape(kept);
      // All elements equal: the gradient is taken as 0, like that of norm at 0.
      const Tensor safe = masked_fill(deviation, equal(deviation, 0.0), 1.0);
      return {centred(input, axes) * (context.grad_output().reshape(kept) / (safe * divisor))};
    });
  });
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim) {
  check_floating("logsumexp", x);
  check_axes("logsumexp", x, axes);
  const Shape kept = kept_shape("logsumexp", x, axes);
  const Tensor y = reshaped(logsumexp_values(x, axes, kept), result_shape(x, axes, kept, keepdim));
  return record(logsumexp_info, {x}, y, [&] {
    return plain_gradient({x, y}, [kept](const BackwardContext& context) -> TensorList {
      const Tensor total = context.saved(1).reshape(kept);
      const Tensor safe = masked_fill(total, equal(total, -infinity), 0.0);
      return {exp(context.saved(0) - safe) * context.grad_output().reshape(kept)};
    });
  });
}

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim) {
  check_floating("norm", x);
  check_axes("norm", x, axes);
  if (!(p > 0)) fail(ErrorKind::argument, "norm: p must be positive; got {}; expected 1, 2, infinity or another", p);
  const Shape kept = kept_shape("norm", x, axes);
  if (std::isinf(p) && x.numel() == 0 && kept.numel() > 0)
    fail(ErrorKind::shape, "norm: the reduced axes are empty; got shape {} and axes {}; expected at least one element",
         x.shape(), axes);
  const Tensor y = reshaped(norm_values(x, p, axes), result_shape(x, axes, kept, keepdim));
  return record(norm_info, {x}, y, [&] {
    return plain_gradient({x, y}, [p, axes, kept](const BackwardContext& context) -> TensorList {
      return {norm_gradient(context.saved(0), context.saved(1).reshape(kept), context.grad_output().reshape(kept), p,
                            axes)};
    });
  });
}

OpList statistics_ops() { return {&var_info, &std_info, &logsumexp_info, &norm_info}; }

}  // namespace saw
