#include <cmath>
#include <limits>
#include <numbers>

#include "samples/families.h"
#include "samples/pointwise.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

using BinaryFunction = Tensor (*)(const Tensor&, const Tensor&);
using UnaryFunction = Tensor (*)(const Tensor&);

MakeInput normal(SampleMaker& make) {
  return [&make](const Shape& shape) { return make.normal(shape); };
}
MakeInput between(SampleMaker& make, double low, double high) {
  return [&make, low, high](const Shape& shape) { return make.uniform(shape, low, high); };
}
MakeInput away_from_0(SampleMaker& make) {
  return [&make](const Shape& shape) { return make.away_from(shape, {0.0}, 0.3); };
}

Sample integer_sample(SampleMaker& make, BinaryFunction op, double (*f)(double, double)) {
  return {.name = "int64",
          .inputs = {make.integers({2, 5}, -4, 5), make.integers({5}, -4, 5)},
          .run = [op](const TensorList& in) { return TensorList{op(in[0], in[1])}; },
          .reference = [f](const TensorList& in) { return TensorList{naive_zip(in[0], in[1], int64, f)}; }};
}

Sample number_sample(const char* name, const Tensor& x, UnaryFunction op, double (*f)(double)) {
  return {.name = name,
          .inputs = {x},
          .run = [op](const TensorList& in) { return TensorList{op(in[0])}; },
          .reference = [f](const TensorList& in) { return TensorList{naive_map(in[0], in[0].dtype(), f)}; }};
}

double add_reference(double a, double b) { return a + b; }
double sub_reference(double a, double b) { return a - b; }
double mul_reference(double a, double b) { return a * b; }
double max_reference(double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b); }
double min_reference(double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b); }

std::vector<Sample> add_samples(SampleMaker& make) {
  std::vector<Sample> samples = binary_samples(normal(make), normal(make), add, add_reference);
  samples.push_back(integer_sample(make, add, add_reference));
  return samples;
}

std::vector<Sample> sub_samples(SampleMaker& make) {
  std::vector<Sample> samples = binary_samples(normal(make), normal(make), sub, sub_reference);
  samples.push_back(integer_sample(make, sub, sub_reference));
  return samples;
}

std::vector<Sample> mul_samples(SampleMaker& make) {
  std::vector<Sample> samples = binary_samples(normal(make), normal(make), mul, mul_reference);
  samples.push_back(integer_sample(make, mul, mul_reference));
  return samples;
}

std::vector<Sample> div_samples(SampleMaker& make) {
  std::vector<Sample> samples = binary_samples(normal(make), away_from_0(make), static_cast<BinaryFunction>(div),
                                               [](double a, double b) { return a / b; });
  samples.push_back(number_sample(
      "by a number", make.normal({2, 19}), [](const Tensor& x) { return x / 7.0; }, [](double x) { return x / 7; }));
  samples.push_back(number_sample(
      "a number by x", make.away_from({2, 19}, {0.0}, 0.3), [](const Tensor& x) { return -2.5 / x; },
      [](double x) { return -2.5 / x; }));
  return samples;
}

std::vector<Sample> pow_samples(SampleMaker& make) {
  std::vector<Sample> samples = binary_samples(between(make, 0.3, 2), normal(make), static_cast<BinaryFunction>(pow),
                                               [](double a, double b) { return std::pow(a, b); });
  samples.push_back(number_sample(
      "number 0.5", make.uniform({3, 4}, 0.2, 4), [](const Tensor& x) { return pow(x, 0.5); },
      [](double x) { return std::sqrt(x); }));
  samples.push_back(number_sample(
      "number 2", make.normal({3, 4}), [](const Tensor& x) { return pow(x, 2.0); }, [](double x) { return x * x; }));
  samples.push_back(number_sample(
      "number 3", make.normal({3, 4}), [](const Tensor& x) { return pow(x, 3.0); },
      [](double x) { return x * x * x; }));
  samples.push_back(number_sample(
      "number −1", make.away_from({5}, {0.0}, 0.3), [](const Tensor& x) { return pow(x, -1.0); },
      [](double x) { return 1 / x; }));
  samples.push_back(number_sample(
      "a number to powers", make.normal({3, 4}), [](const Tensor& x) { return pow(2.5, x); },
      [](double x) { return std::exp(x * std::log(2.5)); }));
  samples.push_back(number_sample(
      "number 0", make.normal({5}), [](const Tensor& x) { return pow(x, 0.0); }, [](double) { return 1.0; }));
  return samples;
}

std::vector<Sample> extremum_samples(SampleMaker& make, BinaryFunction op, double (*f)(double, double)) {
  // The operands are apart by construction: halves of integers against integers.
  const auto spread = [&make](double shift) {
    return [&make, shift](const Shape& shape) {
      const Tensor whole = make.integers(shape, -5, 6).to(make.dtype());
      return affine(whole, 1.0, shift);
    };
  };
  std::vector<Sample> samples = binary_samples(spread(0.0), spread(0.5), op, f);
  samples.push_back(integer_sample(make, op, f));
  const double nan = std::nan("");
  samples.push_back(
      {.name = "NaN",
       .inputs = {tensor({nan, 1.0, nan, 2.0}, make.dtype()), tensor({0.0, nan, nan, 2.0}, make.dtype())},
       .run = [op](const TensorList& in) { return TensorList{op(in[0], in[1])}; },
       .reference = [f](const TensorList& in) { return TensorList{naive_zip(in[0], in[1], in[0].dtype(), f)}; },
       .constants = {0, 1}});
  return samples;
}

std::vector<Sample> maximum_samples(SampleMaker& make) { return extremum_samples(make, maximum, max_reference); }
std::vector<Sample> minimum_samples(SampleMaker& make) { return extremum_samples(make, minimum, min_reference); }

std::vector<Sample> affine_samples(SampleMaker& make) {
  std::vector<Sample> samples = unary_samples(
      normal(make), [](const Tensor& x) { return affine(x, -1.5, 0.25); }, [](double x) { return -1.5 * x + 0.25; });
  samples.push_back(number_sample(
      "x + number", make.normal({2, 3}), [](const Tensor& x) { return x + 1.5; }, [](double x) { return x + 1.5; }));
  samples.push_back(number_sample(
      "number − x", make.normal({2, 3}), [](const Tensor& x) { return 1.5 - x; }, [](double x) { return 1.5 - x; }));
  samples.push_back(number_sample(
      "number · x", make.normal({2, 3}), [](const Tensor& x) { return 3.0 * x; }, [](double x) { return 3 * x; }));
  samples.push_back(number_sample(
      "int64", make.integers({2, 3}, -5, 6), [](const Tensor& x) { return affine(x, 3.0, -2.0); },
      [](double x) { return 3 * x - 2; }));
  return samples;
}

template <BinaryFunction op>
std::vector<ErrorSample> pair_errors() {
  return {{"dtypes", [] { op(zeros({2}), zeros({2}, float64)); }, ErrorKind::dtype, "got float32 and float64"},
          {"shapes",
           [] {
             op(zeros({2, 3}), zeros({2, 4}));
           },
           ErrorKind::shape, "(2, 3)"},
          {"bool", [] { op(zeros({2}, boolean), zeros({2}, boolean)); }, ErrorKind::dtype, "got bool"}};
}

template <BinaryFunction op>
std::vector<ErrorSample> floating_pair_errors() {
  std::vector<ErrorSample> errors = pair_errors<op>();
  errors.push_back({"int64", [] { op(zeros({2}, int64), zeros({2}, int64)); }, ErrorKind::dtype, "got int64"});
  return errors;
}

std::vector<ErrorSample> affine_errors() {
  return {{"fraction on int64", [] { affine(zeros({2}, int64), 0.5, 0.0); }, ErrorKind::dtype, "affine: int64"},
          {"bool", [] { affine(zeros({2}, boolean), 1.0, 1.0); }, ErrorKind::dtype, "affine: needs numbers"}};
}

std::vector<Sample> atan2_samples(SampleMaker& make) {
  return binary_samples(away_from_0(make), away_from_0(make), static_cast<BinaryFunction>(saw::atan2),
                        [](double y, double x) { return std::atan2(y, x); });
}

std::vector<Sample> logaddexp_samples(SampleMaker& make) {
  const auto f = [](double a, double b) { return std::log(std::exp(a) + std::exp(b)); };
  std::vector<Sample> samples = binary_samples(normal(make), normal(make), logaddexp, f);
  samples.push_back(
      {.name = "far apart",
       .inputs = {make.uniform({2, 19}, -300, 300), make.uniform({2, 19}, -300, 300)},
       .run = [](const TensorList& in) { return TensorList{logaddexp(in[0], in[1])}; },
       .reference = [f](const TensorList& in) { return TensorList{naive_zip(in[0], in[1], in[0].dtype(), f)}; }});
  return samples;
}

std::vector<Sample> lerp_samples(SampleMaker& make) {
  return binary_samples(
      normal(make), normal(make), [](const Tensor& a, const Tensor& b) { return lerp(a, b, 0.3); },
      [](double a, double b) { return 0.7 * a + 0.3 * b; });
}

std::vector<ErrorSample> lerp_errors() {
  return {{"dtypes", [] { lerp(zeros({2}), zeros({2}, float64), 0.5); }, ErrorKind::dtype, "got float32 and float64"},
          {"int64", [] { lerp(zeros({2}, int64), zeros({2}, int64), 0.5); }, ErrorKind::dtype, "got int64"}};
}

}  // namespace

SampleList binary_samples() {
  return {{"add", add_samples, pair_errors<add>},
          {"sub", sub_samples, pair_errors<sub>},
          {"mul", mul_samples, pair_errors<mul>},
          {"div", div_samples, floating_pair_errors<saw::div>},
          {"pow", pow_samples, floating_pair_errors<pow>},
          {"maximum", maximum_samples, pair_errors<maximum>},
          {"minimum", minimum_samples, pair_errors<minimum>},
          {"affine", affine_samples, affine_errors},
          {"atan2", atan2_samples, floating_pair_errors<saw::atan2>},
          {"logaddexp", logaddexp_samples, floating_pair_errors<logaddexp>},
          {"lerp", lerp_samples, lerp_errors}};
}

}  // namespace samples
