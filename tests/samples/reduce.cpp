#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "samples/families.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/ops/internal/rearranged.h"

namespace samples {
namespace {

using namespace saw;

/// Where the indices of the results of a reduction lie.
struct Reduced {
  Shape kept;    // reduced axes have size 1
  Shape result;  // kept, or without the reduced axes
};

Reduced reduced_shape(const Shape& shape, const Axes& axes, bool keepdim) {
  Reduced reduced{shape, {}};
  for (std::size_t a = 0; a < shape.size(); ++a) {
    const auto front = static_cast<std::int64_t>(a), back = front - static_cast<std::int64_t>(shape.size());
    const bool gone = axes.empty() || std::count(axes.begin(), axes.end(), front) > 0 ||
                      std::count(axes.begin(), axes.end(), back) > 0;
    if (gone) reduced.kept[a] = 1;
    if (!gone || keepdim) reduced.result.push_back(reduced.kept[a]);
  }
  return reduced;
}

/// The oracle: one element after the other, in double.
Tensor naive(const Tensor& x, const Axes& axes, bool keepdim, double start,
             const std::function<double(double, double)>& step, DType result_dtype, double factor = 1.0) {
  const Reduced shape = reduced_shape(x.shape(), axes, keepdim);
  const std::vector<double> values = to(x.detach(), float64).to_vector<double>();
  std::vector<double> results(static_cast<std::size_t>(shape.kept.numel()), start);
  for (std::size_t i = 0; i < values.size(); ++i) {
    Shape index = saw::unravel(static_cast<std::int64_t>(i), x.shape());
    for (std::size_t a = 0; a < index.size(); ++a)
      if (shape.kept[a] == 1) index[a] = 0;
    double& result = results[static_cast<std::size_t>(saw::ravel(index, shape.kept))];
    result = step(result, values[i]);
  }
  for (double& result : results) result *= factor;
  return to(tensor(results, shape.result), result_dtype);
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

void add(std::vector<Sample>& samples, const char* name, Reduction op, Reduction oracle, const Tensor& x,
         const Axes& axes) {
  samples.push_back({.name = name,
                     .inputs = {x},
                     .run = [=](const TensorList& in) { return TensorList{op(in[0], axes, false)}; },
                     .reference = [=](const TensorList& in) { return TensorList{oracle(in[0], axes, false)}; }});
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

// ---- sum ----

Tensor naive_sum(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(
      x, axes, keepdim, 0, [](double a, double b) { return a + b; }, x.dtype() == boolean ? int64 : x.dtype());
}

std::vector<Sample> sum_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      sum, naive_sum, [&](const Shape& shape) { return make.normal(shape); }, true);
  samples.push_back({.name = "int64",
                     .inputs = {make.integers({3, 4}, -5, 5)},
                     .run = [](const TensorList& in) { return TensorList{sum(in[0], {0})}; },
                     .reference = [](const TensorList& in) { return TensorList{naive_sum(in[0], {0}, false)}; }});
  add(samples, "of conditions", sum, naive_sum, make.conditions({5, 7}), {1});
  return samples;
}
std::vector<ErrorSample> sum_errors() { return axis_errors("sum", sum, float32); }

// ---- mean ----

Tensor naive_mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const double count =
      static_cast<double>(x.numel()) / static_cast<double>(reduced_shape(x.shape(), axes, keepdim).kept.numel());
  return naive(
      x, axes, keepdim, 0, [](double a, double b) { return a + b; }, is_floating(x.dtype()) ? x.dtype() : float32,
      1.0 / count);
}

std::vector<Sample> mean_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      mean, naive_mean, [&](const Shape& shape) { return make.normal(shape); }, false);
  add(samples, "of conditions", mean, naive_mean, make.conditions({5, 7}), {1});
  return samples;
}
std::vector<ErrorSample> mean_errors() {
  std::vector<ErrorSample> errors = axis_errors("mean", mean, float32);
  errors.push_back(dtype_error("mean", mean, int64));
  return errors;
}

// ---- prod ----

Tensor naive_prod(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(
      x, axes, keepdim, 1, [](double a, double b) { return a * b; }, x.dtype());
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

// ---- amax, amin ----

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor naive_amax(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(
      x, axes, keepdim, -infinity, [](double a, double b) { return std::max(a, b); }, x.dtype());
}
Tensor naive_amin(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(
      x, axes, keepdim, infinity, [](double a, double b) { return std::min(a, b); }, x.dtype());
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

// ---- any, all ----

Tensor naive_any(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(
      x, axes, keepdim, 0, [](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; }, boolean);
}
Tensor naive_all(const Tensor& x, const Axes& axes, bool keepdim) {
  return naive(
      x, axes, keepdim, 1, [](double a, double b) { return a != 0 && b != 0 ? 1.0 : 0.0; }, boolean);
}
std::vector<Sample> any_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      any, naive_any, [&](const Shape& shape) { return make.conditions(shape); }, true);
  add(samples, "of int64", any, naive_any, make.integers({6, 3}, -1, 2), {1});
  const Tensor numbers = make.normal({3, 4});
  numbers.slice(0, 0, 2).slice(1, 0, 3).fill_(0.0);
  numbers.select(0, 1).fill_(0.0);
  numbers.slice(0, 0, 1).slice(1, 1, 2).fill_(std::numeric_limits<double>::quiet_NaN());
  add(samples, "of floating point numbers, NaN among them", any, naive_any, numbers, {1});
  return samples;
}
std::vector<Sample> all_samples(SampleMaker& make) {
  std::vector<Sample> samples = reduction_samples(
      saw::all, naive_all, [&](const Shape& shape) { return make.conditions(shape); }, true);
  add(samples, "of int64", saw::all, naive_all, make.integers({6, 3}, -1, 2), {1});
  const Tensor numbers = make.normal({3, 4});
  numbers.slice(0, 0, 2).slice(1, 0, 3).fill_(0.0);
  numbers.select(0, 1).fill_(0.0);
  numbers.slice(0, 0, 1).slice(1, 1, 2).fill_(std::numeric_limits<double>::quiet_NaN());
  add(samples, "of floating point numbers, NaN among them", saw::all, naive_all, numbers, {1});
  return samples;
}
std::vector<ErrorSample> any_errors() { return axis_errors("any", any, boolean); }
std::vector<ErrorSample> all_errors() { return axis_errors("all", saw::all, boolean); }

}  // namespace

SampleList reduce_samples() {
  return {{"sum", sum_samples, sum_errors},
          {"mean", mean_samples, mean_errors},
          {"prod", prod_samples, prod_errors},
          {"amax", extreme_samples<amax, naive_amax>, amax_errors},
          {"amin", extreme_samples<amin, naive_amin>, amin_errors},
          {"any", any_samples, any_errors},
          {"all", all_samples, all_errors}};
}

}  // namespace samples
