#include <cmath>
#include <limits>
#include <numbers>

#include "samples/families.h"
#include "samples/pointwise.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

using Op = Tensor (*)(const Tensor&);

std::vector<Sample> normal(SampleMaker& make, Op op, double (*f)(double)) {
  return unary_samples([&](const Shape& shape) { return make.normal(shape); }, op, f);
}

std::vector<Sample> between(SampleMaker& make, double low, double high, Op op, double (*f)(double)) {
  return unary_samples([&](const Shape& shape) { return make.uniform(shape, low, high); }, op, f);
}

std::vector<Sample> away_from(SampleMaker& make, std::initializer_list<double> kinks, Op op, double (*f)(double)) {
  return unary_samples([&](const Shape& shape) { return make.away_from(shape, kinks); }, op, f);
}

/// `samples` and one with int64 elements.
std::vector<Sample> with_integers(std::vector<Sample> samples, SampleMaker& make, Op op, double (*f)(double)) {
  samples.push_back({.name = "int64",
                     .inputs = {make.integers({3, 5}, -4, 5)},
                     .run = [op](const TensorList& in) { return TensorList{op(in[0])}; },
                     .reference = [f](const TensorList& in) { return TensorList{naive_map(in[0], int64, f)}; }});
  return samples;
}

template <Op op>
std::vector<ErrorSample> needs_floating() {
  return {{"int64", [] { op(zeros({2}, int64)); }, ErrorKind::dtype, "needs floating point elements; got int64"},
          {"bool", [] { op(zeros({2}, boolean)); }, ErrorKind::dtype, "needs floating point elements; got bool"}};
}

template <Op op>
std::vector<ErrorSample> needs_numbers() {
  return {{"bool", [] { op(zeros({2}, boolean)); }, ErrorKind::dtype, "needs numbers; got bool"}};
}

std::vector<Sample> classified(SampleMaker& make, Op op, bool (*test)(double)) {
  const auto sample = [&](const char* name, const Tensor& x) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [op](const TensorList& in) { return TensorList{op(in[0])}; },
                  .reference =
                      [test](const TensorList& in) {
                        return TensorList{naive_map(in[0], boolean, [test](double v) { return test(v) ? 1.0 : 0.0; })};
                      }};
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {sample("special values", tensor({{0.0, nan, 1.0}, {-infinity, 2.0, infinity}}, make.dtype())),
          sample("number", make.normal({})), sample("empty", make.normal({0, 2}))};
}

std::vector<Sample> clamp_samples(SampleMaker& make) {
  std::vector<Sample> samples = away_from(
      make, {-0.5, 0.75}, [](const Tensor& x) { return clamp(x, -0.5, 0.75); },
      [](double x) { return std::min(std::max(x, -0.5), 0.75); });
  samples.push_back({.name = "one-sided",
                     .inputs = {make.away_from({7}, {0.25})},
                     .run = [](const TensorList& in) { return TensorList{clamp(in[0], 0.25)}; },
                     .reference =
                         [](const TensorList& in) {
                           return TensorList{
                               naive_map(in[0], in[0].dtype(), [](double x) { return std::max(x, 0.25); })};
                         }});
  samples.push_back({.name = "upper bound alone",
                     .inputs = {make.away_from({2, 19}, {0.25})},
                     .run = [](const TensorList& in) { return TensorList{clamp(in[0], {}, 0.25)}; },
                     .reference =
                         [](const TensorList& in) {
                           return TensorList{
                               naive_map(in[0], in[0].dtype(), [](double x) { return std::min(x, 0.25); })};
                         }});
  samples.push_back({.name = "int64",
                     .inputs = {make.integers({3, 5}, -4, 5)},
                     .run = [](const TensorList& in) { return TensorList{clamp(in[0], -2, 3)}; },
                     .reference =
                         [](const TensorList& in) {
                           return TensorList{
                               naive_map(in[0], int64, [](double x) { return std::min(std::max(x, -2.0), 3.0); })};
                         }});
  return samples;
}

std::vector<ErrorSample> clamp_errors() {
  return {{"low above high", [] { clamp(zeros({2}), 1.0, -1.0); }, ErrorKind::argument, "clamp: low"},
          {"NaN bound", [] { clamp(zeros({2}), std::nan(""), 1.0); }, ErrorKind::argument, "clamp: low"},
          {"fraction on int64", [] { clamp(zeros({2}, int64), 0.5, 1.0); }, ErrorKind::argument, "clamp: int64"},
          {"bool", [] { clamp(zeros({2}, boolean), 0.0, 1.0); }, ErrorKind::dtype, "needs numbers"}};
}

double round_reference(double x) {
  const double up = std::floor(x + 0.5);
  return up - x == 0.5 && std::fmod(up, 2.0) != 0.0 ? up - 1 : up;
}

double sign_reference(double x) { return static_cast<double>((x > 0) - (x < 0)); }

std::vector<Sample> nan_to_num_samples(SampleMaker& make) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const auto sample = [](const char* name, const Tensor& x, auto run, const std::vector<double>& expected,
                         std::vector<std::size_t> constants) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [run](const TensorList& in) { return TensorList{run(in[0])}; },
                  .reference =
                      [expected](const TensorList& in) {
                        std::size_t i = 0;
                        return TensorList{naive_map(in[0], in[0].dtype(), [&](double) { return expected[i++]; })};
                      },
                  .vary_layout = false,
                  .constants = std::move(constants)};
  };
  const Tensor special = tensor({1.5, nan, infinity, -infinity, -2.0}, make.dtype());
  std::vector<Sample> samples =
      unary_samples([&](const Shape& shape) { return make.normal(shape); },
                    [](const Tensor& x) { return nan_to_num(x); }, [](double x) { return x; });
  samples.push_back(sample("defaults", tensor({1.5, nan, -2.0}, make.dtype()),
                           [](const Tensor& x) { return nan_to_num(x); }, {1.5, 0.0, -2.0}, {0}));
  samples.push_back(sample("numbers given", special, [](const Tensor& x) { return nan_to_num(x, 7.0, 8.0, -9.0); },
                           {1.5, 7.0, 8.0, -9.0, -2.0}, {0}));
  return samples;
}

std::vector<ErrorSample> nan_to_num_errors() {
  return {{"int64", [] { nan_to_num(zeros({2}, int64)); }, ErrorKind::dtype, "nan_to_num: needs floating point"}};
}

}  // namespace

SampleList unary_samples() {
  return {
      {"neg",
       [](SampleMaker& make) {
         const auto f = [](double x) { return -x; };
         return with_integers(normal(make, neg, f), make, neg, f);
       },
       needs_numbers<neg>},
      {"abs",
       [](SampleMaker& make) {
         const auto f = [](double x) { return std::fabs(x); };
         return with_integers(away_from(make, {0.0}, abs, f), make, abs, f);
       },
       needs_numbers<abs>},
      {"sign",
       [](SampleMaker& make) {
         return with_integers(away_from(make, {0.0}, sign, sign_reference), make, sign, sign_reference);
       },
       needs_numbers<sign>},
      {"square", [](SampleMaker& make) { return normal(make, square, [](double x) { return x * x; }); },
       needs_floating<square>},
      {"reciprocal",
       [](SampleMaker& make) { return away_from(make, {0.0}, reciprocal, [](double x) { return 1 / x; }); },
       needs_floating<reciprocal>},
      {"exp", [](SampleMaker& make) { return normal(make, exp, [](double x) { return std::exp(x); }); },
       needs_floating<exp>},
      {"expm1", [](SampleMaker& make) { return normal(make, expm1, [](double x) { return std::expm1(x); }); },
       needs_floating<expm1>},
      {"log", [](SampleMaker& make) { return between(make, 0.2, 5, log, [](double x) { return std::log(x); }); },
       needs_floating<log>},
      {"log1p", [](SampleMaker& make) { return between(make, -0.7, 3, log1p, [](double x) { return std::log1p(x); }); },
       needs_floating<log1p>},
      {"sqrt", [](SampleMaker& make) { return between(make, 0.2, 5, sqrt, [](double x) { return std::sqrt(x); }); },
       needs_floating<sqrt>},
      {"rsqrt",
       [](SampleMaker& make) { return between(make, 0.2, 5, rsqrt, [](double x) { return 1 / std::sqrt(x); }); },
       needs_floating<rsqrt>},
      {"sin", [](SampleMaker& make) { return normal(make, sin, [](double x) { return std::sin(x); }); },
       needs_floating<sin>},
      {"cos", [](SampleMaker& make) { return normal(make, cos, [](double x) { return std::cos(x); }); },
       needs_floating<cos>},
      {"erf", [](SampleMaker& make) { return normal(make, erf, [](double x) { return std::erf(x); }); },
       needs_floating<erf>},
      {"floor",
       [](SampleMaker& make) {
         return away_from(make, {-3, -2, -1, 0, 1, 2, 3}, floor, [](double x) { return std::floor(x); });
       },
       needs_floating<floor>},
      {"ceil",
       [](SampleMaker& make) {
         return away_from(make, {-3, -2, -1, 0, 1, 2, 3}, ceil, [](double x) { return std::ceil(x); });
       },
       needs_floating<ceil>},
      {"round",
       [](SampleMaker& make) {
         std::vector<Sample> samples = away_from(make, {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5}, round, round_reference);
         samples.push_back(
             {.name = "halves",
              .inputs = {tensor({-2.5, -1.5, -0.5, 0.5, 1.5, 2.5}, make.dtype())},
              .run = [](const TensorList& in) { return TensorList{round(in[0])}; },
              .reference =
                  [](const TensorList& in) { return TensorList{naive_map(in[0], in[0].dtype(), round_reference)}; },
              .constants = {0}});
         return samples;
       },
       needs_floating<round>},
      {"clamp", clamp_samples, clamp_errors},
      {"isnan", [](SampleMaker& make) { return classified(make, isnan, [](double x) { return std::isnan(x); }); },
       needs_floating<isnan>},
      {"isfinite",
       [](SampleMaker& make) { return classified(make, isfinite, [](double x) { return std::isfinite(x); }); },
       needs_floating<isfinite>},
      {"exp2", [](SampleMaker& make) { return normal(make, exp2, [](double x) { return std::exp2(x); }); },
       needs_floating<exp2>},
      {"log2", [](SampleMaker& make) { return between(make, 0.2, 5, log2, [](double x) { return std::log2(x); }); },
       needs_floating<log2>},
      {"log10", [](SampleMaker& make) { return between(make, 0.2, 5, log10, [](double x) { return std::log10(x); }); },
       needs_floating<log10>},
      {"ndtr",
       [](SampleMaker& make) {
         return normal(make, ndtr, [](double x) { return 0.5 + 0.5 * std::erf(x / std::numbers::sqrt2); });
       },
       needs_floating<ndtr>},
      {"trunc",
       [](SampleMaker& make) {
         return away_from(make, {-3, -2, -1, 0, 1, 2, 3}, trunc,
                          [](double x) { return x < 0 ? -std::floor(-x) : std::floor(x); });
       },
       needs_floating<trunc>},
      {"isinf",
       [](SampleMaker& make) {
         return classified(make, isinf, [](double x) { return x == HUGE_VAL || x == -HUGE_VAL; });
       },
       needs_floating<isinf>},
      {"nan_to_num", nan_to_num_samples, nan_to_num_errors}};
}

}  // namespace samples
