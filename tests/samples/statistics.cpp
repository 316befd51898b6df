#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "samples/families.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/ops/internal/rearranged.h"

namespace samples {
namespace {

using namespace saw;

constexpr double infinity = std::numeric_limits<double>::infinity();

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

using Values = std::vector<double>;

/// The oracle: collects the elements behind each result and reduces them in double.
Tensor naive(const Tensor& x, const Axes& axes, bool keepdim, const std::function<double(const Values&)>& reduce) {
  const Reduced shape = reduced_shape(x.shape(), axes, keepdim);
  const Values values = to(x.detach(), float64).to_vector<double>();
  std::vector<Values> groups(static_cast<std::size_t>(shape.kept.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Shape index = saw::unravel(static_cast<std::int64_t>(i), x.shape());
    for (std::size_t a = 0; a < index.size(); ++a)
      if (shape.kept[a] == 1) index[a] = 0;
    groups[static_cast<std::size_t>(saw::ravel(index, shape.kept))].push_back(values[i]);
  }
  Values results;
  for (const Values& group : groups) results.push_back(reduce(group));
  return to(tensor(results, shape.result), x.dtype());
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

// ---- var, stddev ----

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
std::vector<Sample> stddev_samples(SampleMaker& make) {
  return samples_of([](const Tensor& x, const Axes& axes, bool keepdim) { return stddev(x, axes, 1, keepdim); },
                    [](const Values& values) { return std::sqrt(naive_var(values, 1)); },
                    [&](const Shape& shape) { return make.normal(shape); });
}
std::vector<ErrorSample> var_errors() {
  std::vector<ErrorSample> errors =
      errors_of("var", [](const Tensor& x, const Axes& axes, bool keepdim) { return var(x, axes, 1, keepdim); });
  errors.push_back({"negative correction", [] { var(zeros({3}), {}, -1); }, ErrorKind::argument, "var: correction"});
  return errors;
}
std::vector<ErrorSample> stddev_errors() {
  std::vector<ErrorSample> errors =
      errors_of("stddev", [](const Tensor& x, const Axes& axes, bool keepdim) { return stddev(x, axes, 1, keepdim); });
  errors.push_back(
      {"negative correction", [] { stddev(zeros({3}), {}, -1); }, ErrorKind::argument, "stddev: correction"});
  return errors;
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

}  // namespace

SampleList statistics_samples() {
  return {{"var", var_samples, var_errors},
          {"stddev", stddev_samples, stddev_errors},
          {"logsumexp", logsumexp_samples, logsumexp_errors},
          {"norm", norm_samples, norm_errors}};
}

}  // namespace samples
