// Elementwise ops against long double: errors in units in the last place over sweeps, for float32 and float64, values
// and slopes; special values; and that an element's result does not depend on where it lies.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using Wide = long double;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Wide pi = 3.14159265358979323846264338327950288L;
// Every length up to two of the widest vectors and a bit: AVX-512 has 16 lanes of float32.
constexpr std::int64_t longest = 2 * 16 + 3;

Wide sigmoid_of(Wide x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
Wide phi(Wide x) { return std::erfc(-x * std::sqrt(0.5L)) / 2; }
Wide density(Wide x) { return std::exp(-x * x / 2) / std::sqrt(2 * pi); }
Wide gelu_gate(Wide x) { return sigmoid_of(2 * std::sqrt(2 / pi) * (x + 0.044715L * x * x * x)); }

/// The largest errors, in units in the last place; `slope_absolute` is added, in epsilons, where a slope passes through
/// 0.
struct Bounds {
  double value;
  double slope;
  double slope_absolute = 0;
};

struct Case {
  std::string name;
  std::function<Tensor(const Tensor&)> op;
  double low, high;
  std::function<Wide(Wide x)> value;
  std::function<Wide(Wide x)> slope;
  Bounds float32, float64;
};

std::vector<Case> cases() {
  using namespace saw;
  const auto f = [](Tensor (*op)(const Tensor&)) { return op; };
  const auto one = [](Wide) { return 1.0L; };
  return {
      {"exp",
       f(exp),
       -87,
       88.7,
       [](Wide x) { return std::exp(x); },
       [](Wide x) { return std::exp(x); },
       {2, 2},
       {2, 2}},
      {"exp2",
       f(exp2),
       -125,
       127.9,
       [](Wide x) { return std::exp2(x); },
       [](Wide x) { return std::log(2.0L) * std::exp2(x); },
       {2, 4},
       {2, 4}},
      {"expm1",
       f(expm1),
       -30,
       80,
       [](Wide x) { return std::expm1(x); },
       [](Wide x) { return std::exp(x); },
       {4, 8, 4},
       {4, 8, 4}},
      {"log", f(log), 1.2e-38, 3e38, [](Wide x) { return std::log(x); }, [](Wide x) { return 1 / x; }, {2, 1}, {2, 1}},
      {"log near 1", f(log), 0.5, 2, [](Wide x) { return std::log(x); }, [](Wide x) { return 1 / x; }, {2, 1}, {2, 1}},
      {"log1p",
       f(log1p),
       -0.99,
       1e6,
       [](Wide x) { return std::log1p(x); },
       [](Wide x) { return 1 / (1 + x); },
       {4, 2},
       {4, 2}},
      {"log1p small",
       f(log1p),
       -1e-3,
       1e-3,
       [](Wide x) { return std::log1p(x); },
       [](Wide x) { return 1 / (1 + x); },
       {4, 2},
       {4, 2}},
      {"log2",
       f(log2),
       1e-30,
       1e30,
       [](Wide x) { return std::log2(x); },
       [](Wide x) { return 1 / (x * std::log(2.0L)); },
       {1, 2},
       {1, 2}},
      {"log10",
       f(log10),
       1e-30,
       1e30,
       [](Wide x) { return std::log10(x); },
       [](Wide x) { return 1 / (x * std::log(10.0L)); },
       {1, 2},
       {2, 4}},
      {"sin",
       f(sin),
       -100,
       100,
       [](Wide x) { return std::sin(x); },
       [](Wide x) { return std::cos(x); },
       {3, 3, 1},
       {3, 3, 1}},
      {"cos",
       f(cos),
       -100,
       100,
       [](Wide x) { return std::cos(x); },
       [](Wide x) { return -std::sin(x); },
       {3, 3, 1},
       {3, 3, 1}},
      {"tanh",
       f(tanh),
       -20,
       20,
       [](Wide x) { return std::tanh(x); },
       [](Wide x) { return 1 / (std::cosh(x) * std::cosh(x)); },
       {4, 1, 4},
       {4, 1, 4}},
      {"sigmoid",
       f(sigmoid),
       -87,
       87,
       [](Wide x) { return sigmoid_of(x); },
       [](Wide x) { return sigmoid_of(x) * sigmoid_of(-x); },
       {4, 4, 2},
       {4, 4, 2}},
      {"log_sigmoid",
       f(log_sigmoid),
       -80,
       80,
       [](Wide x) { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); },
       [](Wide x) { return sigmoid_of(-x); },
       {4, 4},
       {4, 4}},
      {"erf",
       f(erf),
       -5,
       5,
       [](Wide x) { return std::erf(x); },
       [](Wide x) { return 2 / std::sqrt(pi) * std::exp(-x * x); },
       {8, 64},
       {2, 64}},
      {"ndtr", f(ndtr), -12, 8, phi, density, {4, 64}, {4, 64}},
      {"sqrt",
       f(sqrt),
       0,
       1e30,
       [](Wide x) { return std::sqrt(x); },
       [](Wide x) { return 0.5L / std::sqrt(x); },
       {0.5, 2},
       {0.5, 2}},
      {"rsqrt",
       f(rsqrt),
       1e-20,
       1e30,
       [](Wide x) { return 1 / std::sqrt(x); },
       [](Wide x) { return -0.5L / (x * std::sqrt(x)); },
       {1.5, 6},
       {1.5, 6}},
      {"reciprocal",
       f(reciprocal),
       -1e3,
       1e3,
       [](Wide x) { return 1 / x; },
       [](Wide x) { return -1 / (x * x); },
       {0.5, 3},
       {0.5, 3}},
      {"square",
       f(square),
       -1e3,
       1e3,
       [](Wide x) { return x * x; },
       [](Wide x) { return 2 * x; },
       {0.5, 0.5},
       {0.5, 0.5}},
      {"relu",
       f(relu),
       -3,
       3,
       [](Wide x) { return std::max(x, 0.0L); },
       [](Wide x) { return x > 0 ? 1.0L : 0.0L; },
       {0.5, 0.5},
       {0.5, 0.5}},
      {"leaky_relu",
       [](const Tensor& x) { return leaky_relu(x, 0.25); },
       -3,
       3,
       [](Wide x) { return x < 0 ? 0.25L * x : x; },
       [](Wide x) { return x > 0 ? 1.0L : 0.25L; },
       {0.5, 0.5},
       {0.5, 0.5}},
      {"elu",
       [](const Tensor& x) { return elu(x, 0.5); },
       -60,
       10,
       [](Wide x) { return x < 0 ? 0.5L * std::expm1(x) : x; },
       [](Wide x) { return x > 0 ? 1.0L : 0.5L * std::exp(x); },
       {4, 2},
       {4, 2}},
      {"gelu",
       [](const Tensor& x) { return gelu(x); },
       -12,
       10,
       [](Wide x) { return x * phi(x); },
       [](Wide x) { return phi(x) + x * density(x); },
       {4, 8, 8},
       {4, 8, 8}},
      {"gelu, tanh",
       [](const Tensor& x) { return gelu(x, GeluKind::tanh); },
       -9.5,
       10,
       [](Wide x) { return x * gelu_gate(x); },
       [](Wide x) {
         const Wide s = gelu_gate(x);
         return s + x * s * (1 - s) * 2 * std::sqrt(2 / pi) * (1 + 3 * 0.044715L * x * x);
       },
       {4, 16, 8},
       {24, 64, 8}},
      {"silu",
       f(silu),
       -80,
       80,
       [](Wide x) { return x * sigmoid_of(x); },
       [](Wide x) { return sigmoid_of(x) * (1 + x * sigmoid_of(-x)); },
       {4, 8, 8},
       {4, 16, 8}},
      {"softplus",
       f(softplus),
       -80,
       80,
       [](Wide x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); },
       [](Wide x) { return sigmoid_of(x); },
       {4, 4},
       {4, 4}},
      {"pow 2.5",
       [](const Tensor& x) { return pow(x, 2.5); },
       1e-10,
       1e10,
       [](Wide x) { return std::pow(x, 2.5L); },
       [](Wide x) { return 2.5L * std::pow(x, 1.5L); },
       {1, 3},
       {1, 3}},
      {"to the power of x",
       [](const Tensor& x) { return pow(3.0, x); },
       -70,
       70,
       [](Wide x) { return std::pow(3.0L, x); },
       [](Wide x) { return std::log(3.0L) * std::pow(3.0L, x); },
       {1, 3},
       {1, 3}},
      {"atan2(x, 1)",
       [](const Tensor& x) { return atan2(x, full({}, 1.0, x.dtype())); },
       -1e4,
       1e4,
       [](Wide x) { return std::atan(x); },
       [](Wide x) { return 1 / (1 + x * x); },
       {4, 4},
       {4, 4}},
      {"atan2(x, −2)",
       [](const Tensor& x) { return atan2(x, full({}, -2.0, x.dtype())); },
       1e-3,
       1e4,
       [](Wide x) { return std::atan2(x, -2.0L); },
       [](Wide x) { return -2 / (4 + x * x); },
       {4, 4},
       {4, 4}},
      {"logaddexp(x, 1)",
       [](const Tensor& x) { return logaddexp(x, full({}, 1.0, x.dtype())); },
       -50,
       50,
       [](Wide x) { return std::max(x, 1.0L) + std::log1p(std::exp(-std::abs(x - 1))); },
       [](Wide x) { return sigmoid_of(x - 1); },
       {2, 100},
       {2, 100}},
      {"floor", f(floor), -50, 50, [](Wide x) { return std::floor(x); }, [](Wide) { return 0.0L; }, {0, 0}, {0, 0}},
      {"affine",
       [](const Tensor& x) { return affine(x, 0.75, 0.0); },
       -50,
       50,
       [](Wide x) { return 0.75L * x; },
       [one](Wide x) { return 0.75L * one(x); },
       {0.5, 0},
       {0.5, 0}},
  };
}

/// Numbers that cover [low, high]: evenly in value, and evenly in exponent on either side of 0.
std::vector<double> sweep(double low, double high) {
  std::vector<double> numbers;
  constexpr int count = 40000;
  for (int i = 0; i <= count; ++i) numbers.push_back(low + (high - low) * i / count);
  for (const double bound : {low, high})
    for (int i = 0; i < count / 4; ++i) numbers.push_back(bound * std::exp2(-i * 30.0 / (count / 4.0)));
  return numbers;
}

/// The distance between numbers of T near `value`.
template <class T>
Wide ulp(Wide value) {
  const T magnitude = std::max(static_cast<T>(std::abs(value)), std::numeric_limits<T>::min());
  return static_cast<Wide>(std::nextafter(magnitude, std::numeric_limits<T>::infinity())) -
         static_cast<Wide>(magnitude);
}

template <class T>
void check_accuracy(const Case& test, const Bounds& bounds) {
  std::vector<T> numbers;
  for (const double x : sweep(test.low, test.high))
    if (const T rounded = static_cast<T>(x); rounded >= test.low && rounded <= test.high) numbers.push_back(rounded);
  REQUIRE(numbers.size() > 10000);
  const Tensor x = Tensor::empty({static_cast<std::int64_t>(numbers.size())}, saw::dtype_of<T>());
  std::copy(numbers.begin(), numbers.end(), x.mutable_data<T>());
  x.set_requires_grad(true);
  const Tensor y = test.op(x);
  const std::vector<T> values = y.detach().template to_vector<T>();
  const std::vector<T> slopes = saw::grad({y.sum()}, {x})[0].template to_vector<T>();
  double worst_value = 0, worst_slope = 0, value_at = 0, slope_at = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Wide exact = test.value(numbers[i]);
    if (std::abs(exact) > std::numeric_limits<T>::max()) continue;
    const Wide error = std::abs(values[i] - exact);
    // What is below the smallest normal number may be flushed to 0.
    if (const double ulps = static_cast<double>((error - std::numeric_limits<T>::min()) / ulp<T>(exact));
        !(ulps <= worst_value))
      worst_value = ulps, value_at = static_cast<double>(numbers[i]);
    const Wide slope = test.slope(numbers[i]);
    if (!(std::abs(slope) <= std::numeric_limits<T>::max())) continue;
    const Wide slack = bounds.slope_absolute * std::numeric_limits<T>::epsilon() + std::numeric_limits<T>::min();
    if (const double ulps = static_cast<double>((std::abs(slopes[i] - slope) - slack) / ulp<T>(slope));
        !(ulps <= worst_slope))
      worst_slope = ulps, slope_at = static_cast<double>(numbers[i]);
  }
  CAPTURE(value_at);
  CAPTURE(slope_at);
  CHECK(worst_value <= bounds.value);
  CHECK(worst_slope <= bounds.slope);
}

TEST_CASE("elementwise ops: values and slopes are as accurate as promised in float32") {
  for (const Case& test : cases()) {
    CAPTURE(test.name);
    check_accuracy<float>(test, test.float32);
  }
}

TEST_CASE("elementwise ops: values and slopes are as accurate as promised in float64") {
  for (const Case& test : cases()) {
    CAPTURE(test.name);
    check_accuracy<double>(test, test.float64);
  }
}

TEST_CASE("elementwise ops: an element's result does not depend on its place") {
  for (const saw::DType dtype : {saw::float32, saw::float64})
    for (const Case& test : cases()) {
      CAPTURE(test.name);
      saw::Generator generator(5);
      const Tensor numbers = saw::affine(saw::rand({longest}, generator, dtype), 3.0, 0.01);
      const auto both = [&](const Tensor& part) {
        const Tensor x = part.clone().set_requires_grad(true);
        const Tensor y = test.op(x);
        return saw::TensorList{y.detach(), saw::grad({y.sum()}, {x})[0]};
      };
      saw::TensorList alone[2];
      for (std::int64_t i = 0; i < longest; ++i) {
        const saw::TensorList one = both(numbers.slice(0, i, i + 1));  // the tail of a row of one
        for (int k = 0; k < 2; ++k) alone[k].push_back(one[k]);
      }
      const Tensor expected[2] = {saw::cat(alone[0]), saw::cat(alone[1])};
      for (std::int64_t n = 0; n <= longest; ++n)
        for (std::int64_t shift = 0; shift + n <= longest && shift < 3; ++shift) {
          const saw::TensorList got = both(numbers.slice(0, shift, shift + n));
          for (int k = 0; k < 2; ++k) CHECK(test::same_bits(got[k], expected[k].slice(0, shift, shift + n).clone()));
        }
    }
}

TEST_CASE("elementwise ops: an element's result does not depend on what lies beside it") {
  // Numbers of every kind: those that vectors compute, and those that are left to the C library.
  std::vector<double> numbers{0.7, -0.0, 50000.5,   1.5,    infinity, -1e30, 2.25, nan,
                              0.0, 3.0,  -infinity, 1e-40,  -0.5,     1e-45, 12.0, -3.5,
                              1e5, 0.1,  -88.0,     -104.0, 39001,    -2e-3, 88.5, 5.0};
  std::vector<std::pair<std::string, std::function<Tensor(const Tensor&)>>> ops;
  for (const Case& test : cases()) ops.emplace_back(test.name, test.op);
  for (const double exponent : {2.5, -1.3, infinity})
    ops.emplace_back("pow", [exponent](const Tensor& x) { return saw::pow(x, exponent); });
  ops.emplace_back("pow of a tensor", [](const Tensor& x) { return saw::pow(x, saw::flip(x.detach(), {0})); });
  ops.emplace_back("atan2", [](const Tensor& x) { return saw::atan2(x, saw::flip(x.detach(), {0})); });
  for (const saw::DType dtype : {saw::float32, saw::float64})
    for (const auto& entry : ops) {  // clang 14 captures no structured bindings
      const std::string& name = entry.first;
      const auto& op = entry.second;
      CAPTURE(name);
      const auto count = static_cast<std::int64_t>(numbers.size());
      const bool pairs = name == "pow of a tensor" || name == "atan2";
      const auto both = [&](const Tensor& part) {
        const Tensor x = part.clone().set_requires_grad(true);
        const Tensor y = op(x);
        return saw::TensorList{y.detach(), saw::grad({y.sum()}, {x})[0]};
      };
      const Tensor all = saw::to(saw::tensor(std::span<const double>(numbers)), dtype);
      const saw::TensorList together = both(all);
      for (std::int64_t i = 0; i < count; ++i) {
        CAPTURE(numbers[static_cast<std::size_t>(i)]);
        // An op of two numbers is asked for the number and its partner, in a row of two.
        const Tensor part = pairs ? saw::cat({all.slice(0, i, i + 1), all.slice(0, count - 1 - i, count - i)})
                                  : all.slice(0, i, i + 1).clone();
        const saw::TensorList alone = both(part);
        for (int k = 0; k < 2; ++k) {  // one NaN is as good as another
          const Tensor one = alone[k].slice(0, 0, 1).clone(), same = together[k].slice(0, i, i + 1).clone();
          CHECK((test::same_bits(one, same) || (std::isnan(one.item()) && std::isnan(same.item()))));
        }
      }
    }
}

double one(const std::function<Tensor(const Tensor&)>& op, double x, saw::DType dtype = saw::float32) {
  return op(saw::scalar(x, dtype)).item();
}

TEST_CASE("elementwise ops: special values") {
  for (const saw::DType dtype : {saw::float32, saw::float64}) {
    for (const Case& test : cases()) {
      CAPTURE(test.name);
      CHECK(std::isnan(one(test.op, nan, dtype)));
      CHECK(std::isnan(one(test.op, -nan, dtype)));
    }
    const auto at = [dtype](Tensor (*op)(const Tensor&), double x) { return one(op, x, dtype); };
    CHECK(at(saw::exp, infinity) == infinity);
    CHECK(at(saw::exp, 1e30) == infinity);
    CHECK(at(saw::exp, -1e30) == 0);
    CHECK(at(saw::exp, -infinity) == 0);
    CHECK(at(saw::exp, 0) == 1);
    CHECK(at(saw::exp2, 10) == 1024);
    CHECK(at(saw::exp2, infinity) == infinity);
    CHECK(at(saw::exp2, -infinity) == 0);
    CHECK(at(saw::expm1, infinity) == infinity);
    CHECK(at(saw::expm1, -infinity) == -1);
    CHECK(at(saw::expm1, 1e-30) == doctest::Approx(1e-30));
    CHECK(at(saw::log, 0) == -infinity);
    CHECK(at(saw::log, infinity) == infinity);
    CHECK(std::isnan(at(saw::log, -1)));
    CHECK(at(saw::log, 1) == 0);
    CHECK(at(saw::log1p, -1) == -infinity);
    CHECK(at(saw::log1p, infinity) == infinity);
    CHECK(std::isnan(at(saw::log1p, -2)));
    CHECK(at(saw::log2, 8) == 3);
    CHECK(at(saw::log2, 0) == -infinity);
    CHECK(at(saw::log10, 1000) == 3);
    CHECK(at(saw::tanh, infinity) == 1);
    CHECK(at(saw::tanh, -infinity) == -1);
    CHECK(at(saw::sigmoid, infinity) == 1);
    CHECK(at(saw::sigmoid, -infinity) == 0);
    CHECK(at(saw::sigmoid, 0) == 0.5);
    CHECK(at(saw::erf, infinity) == 1);
    CHECK(at(saw::erf, -infinity) == -1);
    CHECK(at(saw::erf, 0) == 0);
    CHECK(at(saw::ndtr, -infinity) == 0);
    CHECK(at(saw::ndtr, infinity) == 1);
    CHECK(at(saw::ndtr, 0) == 0.5);
    CHECK(at(saw::relu, infinity) == infinity);
    CHECK(at(saw::relu, -infinity) == 0);
    CHECK(at(saw::silu, -2000) == 0);
    CHECK(at(saw::softplus, infinity) == infinity);
    CHECK(at(saw::softplus, -infinity) == 0);
    CHECK(at(saw::softplus, 500) == 500);
    CHECK(std::isnan(at(saw::sin, infinity)));
    CHECK(at(saw::sin, 1e10) == doctest::Approx(std::sin(dtype == saw::float32 ? 1e10f : 1e10)).epsilon(1e-6));
    CHECK(one([](const Tensor& x) { return saw::elu(x, 2); }, -infinity, dtype) == -2);
    CHECK(one([](const Tensor& x) { return saw::gelu(x); }, -50, dtype) == 0);
    CHECK(one([](const Tensor& x) { return saw::gelu(x); }, 1e30, dtype) == doctest::Approx(1e30));
    CHECK(one([](const Tensor& x) { return saw::gelu(x, saw::GeluKind::tanh); }, -50, dtype) == 0);
    CHECK(one([](const Tensor& x) { return saw::gelu(x, saw::GeluKind::tanh); }, 1e4, dtype) == 1e4);
    const auto power = [dtype](double x, double y) {
      return saw::pow(saw::scalar(x, dtype), saw::scalar(y, dtype)).item();
    };
    CHECK(power(0, 0) == 1);
    CHECK(power(-2, 3) == -8);
    CHECK(std::isnan(power(-2, 0.5)));
    CHECK(power(infinity, -1) == 0);
    CHECK(power(2, infinity) == infinity);
    const auto angle = [dtype](double y, double x) {
      return saw::atan2(saw::scalar(y, dtype), saw::scalar(x, dtype)).item();
    };
    for (const double y : {0.0, -0.0, 1.0, -1.0, infinity, -infinity})
      for (const double x : {0.0, -0.0, 1.0, -1.0, infinity, -infinity})
        CHECK(angle(y, x) == doctest::Approx(std::atan2(y, x)).epsilon(1e-6));
  }
  // A number that is too small to be normal is 0 or what it is, but never in between.
  const double sign = one(saw::sign, 1e-40);
  CHECK((sign == 1.0 || sign == 0.0));
}

}  // namespace
