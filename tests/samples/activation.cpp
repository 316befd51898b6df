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

std::vector<Sample> smooth(SampleMaker& make, Op op, double (*f)(double)) {
  std::vector<Sample> samples = unary_samples([&](const Shape& shape) { return make.normal(shape); }, op, f);
  samples.push_back(
      {.name = "large values",
       .inputs = {make.uniform({2, 9}, -30, 30)},
       .run = [op](const TensorList& in) { return TensorList{op(in[0])}; },
       .reference = [f](const TensorList& in) { return TensorList{naive_map(in[0], in[0].dtype(), f)}; }});
  return samples;
}

std::vector<Sample> bent_at_0(SampleMaker& make, Op op, double (*f)(double)) {
  return unary_samples([&](const Shape& shape) { return make.away_from(shape, {0.0}); }, op, f);
}

std::vector<Sample> joined(std::vector<Sample> a, std::vector<Sample> b, const char* name) {
  for (Sample& sample : b) {
    sample.name = std::string(name) + ", " + sample.name;
    a.push_back(std::move(sample));
  }
  return a;
}

std::vector<Sample> leaky_relu_samples(SampleMaker& make) {
  return joined(
      bent_at_0(
          make, [](const Tensor& x) { return leaky_relu(x); }, [](double x) { return x < 0 ? 0.01 * x : x; }),
      bent_at_0(
          make, [](const Tensor& x) { return leaky_relu(x, 0.3); }, [](double x) { return x < 0 ? 0.3 * x : x; }),
      "slope 0.3");
}

std::vector<Sample> elu_samples(SampleMaker& make) {
  return joined(
      bent_at_0(
          make, [](const Tensor& x) { return elu(x); }, [](double x) { return x < 0 ? std::expm1(x) : x; }),
      bent_at_0(
          make, [](const Tensor& x) { return elu(x, 0.6); }, [](double x) { return x < 0 ? 0.6 * std::expm1(x) : x; }),
      "alpha 0.6");
}

std::vector<Sample> gelu_samples(SampleMaker& make) {
  return joined(smooth(
                    make, [](const Tensor& x) { return gelu(x); },
                    [](double x) { return x * 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2); }),
                smooth(
                    make, [](const Tensor& x) { return gelu(x, GeluKind::tanh); },
                    [](double x) {
                      return x / (1 + std::exp(-2 * std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
                    }),
                "tanh");
}

template <Op op>
std::vector<ErrorSample> needs_floating() {
  return {{"int64", [] { op(zeros({2}, int64)); }, ErrorKind::dtype, "needs floating point elements; got int64"}};
}

std::vector<ErrorSample> leaky_relu_errors() {
  return {{"negative slope", [] { leaky_relu(zeros({2}), -0.5); }, ErrorKind::argument, "leaky_relu: negative_slope"},
          {"int64", [] { leaky_relu(zeros({2}, int64)); }, ErrorKind::dtype, "leaky_relu: needs floating point"}};
}

std::vector<ErrorSample> elu_errors() {
  return {{"negative alpha", [] { elu(zeros({2}), -1.0); }, ErrorKind::argument, "elu: alpha"},
          {"int64", [] { elu(zeros({2}, int64)); }, ErrorKind::dtype, "elu: needs floating point"}};
}

std::vector<ErrorSample> gelu_errors() {
  return {{"int64", [] { gelu(zeros({2}, int64)); }, ErrorKind::dtype, "gelu: needs floating point"}};
}

std::vector<Sample> prelu_samples(SampleMaker& make) {
  const auto f = [](double x, double slope) { return x > 0 ? x : slope * x; };
  const auto sample = [&](const char* name, const Shape& shape, const Shape& weight) {
    return Sample{
        .name = name,
        .inputs = {make.away_from(shape, {0.0}), make.uniform(weight, 0.1, 0.5)},
        .run = [](const TensorList& in) { return TensorList{prelu(in[0], in[1])}; },
        .reference = [f](const TensorList& in) { return TensorList{naive_zip(in[0], in[1], in[0].dtype(), f)}; }};
  };
  return {sample("one number", {3, 4}, {1}), sample("a number for each channel", {3, 19}, {19}),
          sample("same shape", {2, 3}, {2, 3}), sample("empty", {0, 4}, {4})};
}

std::vector<ErrorSample> prelu_errors() {
  return {{"shapes",
           [] {
             prelu(zeros({2, 3}), zeros({2}));
           },
           ErrorKind::shape, "prelu"},
          {"weight larger than the input",
           [] {
             prelu(zeros({3}), zeros({2, 3}));
           },
           ErrorKind::shape, "prelu: the weight"},
          {"dtypes", [] { prelu(zeros({2}), zeros({2}, float64)); }, ErrorKind::dtype, "got float32 and float64"}};
}

}  // namespace

SampleList activation_samples() {
  return {
      {"tanh", [](SampleMaker& make) { return smooth(make, tanh, [](double x) { return std::tanh(x); }); },
       needs_floating<tanh>},
      {"sigmoid",
       [](SampleMaker& make) { return smooth(make, sigmoid, [](double x) { return 0.5 * (1 + std::tanh(0.5 * x)); }); },
       needs_floating<sigmoid>},
      {"relu", [](SampleMaker& make) { return bent_at_0(make, relu, [](double x) { return std::max(x, 0.0); }); },
       needs_floating<relu>},
      {"leaky_relu", leaky_relu_samples, leaky_relu_errors},
      {"elu", elu_samples, elu_errors},
      {"gelu", gelu_samples, gelu_errors},
      {"silu",
       [](SampleMaker& make) {
         return smooth(make, silu, [](double x) { return x * 0.5 * (1 + std::tanh(0.5 * x)); });
       },
       needs_floating<silu>},
      {"softplus",
       [](SampleMaker& make) { return smooth(make, softplus, [](double x) { return std::log(1 + std::exp(x)); }); },
       needs_floating<softplus>},
      {"mish",
       [](SampleMaker& make) {
         return smooth(make, mish, [](double x) {
           const double e = std::exp(x);
           return x * e * (e + 2) / (e * e + 2 * e + 2);
         });
       },
       needs_floating<mish>},
      {"prelu", prelu_samples, prelu_errors},
      {"log_sigmoid",
       [](SampleMaker& make) {
         return smooth(make, log_sigmoid,
                       [](double x) { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); });
       },
       needs_floating<log_sigmoid>}};
}

}  // namespace samples
