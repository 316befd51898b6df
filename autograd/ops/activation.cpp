#include <cmath>
#include <numbers>

#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/pointwise_samples.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

using kernels::Function;

// ---- the ops: value, slope from what is saved, gradient in recorded ops ----
// Where the slope can be told from the output, that is what is saved: the next layer saves it anyway.

template <class T>
T sigmoid_of(T x) {
  return T{1} / (T{1} + std::exp(-x));
}

struct Tanh {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::tanh;
  template <class T>
  T f(T x) const {
    return std::tanh(x);
  }
  template <class T>
  T df(T y) const {
    return T{1} - y * y;
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return g * (1.0 - square(y)); }
};

struct Sigmoid {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::sigmoid;
  template <class T>
  T f(T x) const {
    return sigmoid_of(x);
  }
  template <class T>
  T df(T y) const {
    return y * (T{1} - y);
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return g * (y * (1.0 - y)); }
};

struct Relu {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::relu;
  template <class T>
  T f(T x) const {
    return x < T{} ? T{} : x;  // NaN stays
  }
  template <class T>
  T df(T y) const {
    return y > T{} ? T{1} : T{};
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return masked_fill(g, logical_not(greater(y, 0.0)), 0.0); }
};

struct LeakyRelu {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::leaky_relu;
  double parameter;  // the slope below 0; not negative, so that the output has the sign of the input
  template <class T>
  T f(T x) const {
    return x < T{} ? static_cast<T>(parameter) * x : x;
  }
  template <class T>
  T df(T y) const {
    return y > T{} ? T{1} : static_cast<T>(parameter);
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return where(greater(y, 0.0), g, g * parameter); }
};

struct Elu {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::elu;
  double parameter;  // alpha
  template <class T>
  T f(T x) const {
    return x < T{} ? static_cast<T>(parameter) * std::expm1(x) : x;
  }
  template <class T>
  T df(T y) const {
    return y > T{} ? T{1} : y + static_cast<T>(parameter);  // αeˣ
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return where(greater(y, 0.0), g, g * (y + parameter)); }
};

struct GeluErf {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::gelu_erf;
  static constexpr double sqrt_half = std::numbers::sqrt2 / 2;
  static constexpr double inverse_sqrt_2pi = std::numbers::inv_sqrtpi * sqrt_half;
  template <class T>
  T f(T x) const {
    return T{0.5} * x * (T{1} + std::erf(x * static_cast<T>(sqrt_half)));
  }
  template <class T>
  T df(T x) const {
    const T cumulative = T{0.5} * (T{1} + std::erf(x * static_cast<T>(sqrt_half)));
    return cumulative + x * static_cast<T>(inverse_sqrt_2pi) * std::exp(T{-0.5} * x * x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const {
    const Tensor cumulative = affine(erf(x * sqrt_half), 0.5, 0.5);
    return g * (cumulative + x * exp(square(x) * -0.5) * inverse_sqrt_2pi);
  }
};

struct GeluTanh {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::gelu_tanh;
  static constexpr double sqrt_2_over_pi = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  static constexpr double cubic = 0.044715;
  template <class T>
  T f(T x) const {
    return T{0.5} * x * (T{1} + std::tanh(inner(x)));
  }
  template <class T>
  T df(T x) const {
    const T t = std::tanh(inner(x));
    const T slope = static_cast<T>(sqrt_2_over_pi) * (T{1} + static_cast<T>(3 * cubic) * x * x);
    return T{0.5} * (T{1} + t) + T{0.5} * x * (T{1} - t * t) * slope;
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const {
    const Tensor x2 = square(x);
    const Tensor t = tanh(x * affine(x2, sqrt_2_over_pi * cubic, sqrt_2_over_pi));
    const Tensor slope = affine(x2, sqrt_2_over_pi * 3 * cubic, sqrt_2_over_pi);
    return g * (affine(t, 0.5, 0.5) + x * 0.5 * (1.0 - square(t)) * slope);
  }

 private:
  template <class T>
  static T inner(T x) {
    return static_cast<T>(sqrt_2_over_pi) * (x + static_cast<T>(cubic) * x * x * x);
  }
};

struct Silu {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::silu;
  template <class T>
  T f(T x) const {
    return x * sigmoid_of(x);
  }
  template <class T>
  T df(T x) const {
    const T gate = sigmoid_of(x);
    return gate * (T{1} + x * (T{1} - gate));
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const {
    const Tensor gate = sigmoid(x);
    return g * gate * (x * (1.0 - gate) + 1.0);
  }
};

struct Softplus {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::softplus;
  template <class T>
  T f(T x) const {
    return (x < T{} ? T{} : x) + std::log1p(std::exp(-std::abs(x)));
  }
  template <class T>
  T df(T x) const {
    return sigmoid_of(x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g * sigmoid(x); }
};

// ---- samples ----

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

// ---- what the registry knows ----

const OpInfo tanh_info{"tanh", "tanh x", true,
                       [](SampleMaker& make) { return smooth(make, tanh, [](double x) { return std::tanh(x); }); },
                       needs_floating<tanh>};
const OpInfo sigmoid_info{
    "sigmoid", "1 / (1 + e⁻ˣ)", true,
    [](SampleMaker& make) { return smooth(make, sigmoid, [](double x) { return 0.5 * (1 + std::tanh(0.5 * x)); }); },
    needs_floating<sigmoid>};
const OpInfo relu_info{
    "relu", "max(x, 0)", true,
    [](SampleMaker& make) { return bent_at_0(make, relu, [](double x) { return std::max(x, 0.0); }); },
    needs_floating<relu>};
const OpInfo leaky_relu_info{"leaky_relu", "x where x > 0, else negative_slope·x", true, leaky_relu_samples,
                             leaky_relu_errors};
const OpInfo elu_info{"elu", "x where x > 0, else alpha·(eˣ − 1)", true, elu_samples, elu_errors};
const OpInfo gelu_info{"gelu", "x·Φ(x), or 0.5x(1 + tanh(√(2/π)(x + 0.044715x³)))", true, gelu_samples, gelu_errors};
const OpInfo silu_info{
    "silu", "x / (1 + e⁻ˣ)", true,
    [](SampleMaker& make) { return smooth(make, silu, [](double x) { return x * 0.5 * (1 + std::tanh(0.5 * x)); }); },
    needs_floating<silu>};
const OpInfo softplus_info{
    "softplus", "log(1 + eˣ)", true,
    [](SampleMaker& make) { return smooth(make, softplus, [](double x) { return std::log(1 + std::exp(x)); }); },
    needs_floating<softplus>};

}  // namespace

Tensor tanh(const Tensor& x) { return run_unary(tanh_info, x, Tanh{}); }
Tensor sigmoid(const Tensor& x) { return run_unary(sigmoid_info, x, Sigmoid{}); }
Tensor relu(const Tensor& x) { return run_unary(relu_info, x, Relu{}); }

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  if (!(negative_slope >= 0.0))
    fail(ErrorKind::argument, "leaky_relu: negative_slope must be at least 0; got {}", negative_slope);
  return run_unary(leaky_relu_info, x, LeakyRelu{negative_slope});
}

Tensor elu(const Tensor& x, double alpha) {
  if (!(alpha >= 0.0)) fail(ErrorKind::argument, "elu: alpha must be at least 0; got {}", alpha);
  return run_unary(elu_info, x, Elu{alpha});
}

Tensor gelu(const Tensor& x, GeluKind kind) {
  return kind == GeluKind::erf ? run_unary(gelu_info, x, GeluErf{}) : run_unary(gelu_info, x, GeluTanh{});
}

Tensor silu(const Tensor& x) { return run_unary(silu_info, x, Silu{}); }
Tensor softplus(const Tensor& x) { return run_unary(softplus_info, x, Softplus{}); }

OpList activation_ops() {
  return {&tanh_info, &sigmoid_info, &relu_info, &leaky_relu_info, &elu_info, &gelu_info, &silu_info, &softplus_info};
}

}  // namespace saw
