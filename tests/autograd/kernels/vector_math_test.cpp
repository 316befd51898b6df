// The float32 SIMD functions against double: accuracy over sweeps, special values, and that an element's result does
// not depend on where it lies.

#include "saw/autograd/kernels/vector_math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace {

using saw::kernels::Arithmetic;
using saw::kernels::Function;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr double smallest_normal = 1.17549435e-38;
// Every length up to two of the widest vectors and a bit: AVX-512 has 16 lanes.
constexpr std::size_t longest = 2 * 16 + 3;

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double phi(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }
double gelu_inner(double x) { return std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x); }

struct Case {
  std::string name;
  Function function;
  double low, high;
  std::function<double(double x)> value;
  /// f′ from what is saved: the input x or the output y.
  std::function<double(double x, double y)> slope;
  bool saves_output;
  double value_ulp;  ///< as vector_math.h promises; 0: value_absolute counts
  double slope_ulp;
  double value_relative_to_x = 0;  ///< allowed |error| / |x|
  double slope_absolute = 0;       ///< added to what slope_ulp allows: where the slope passes through 0
  float parameter = 0;
};

std::vector<Case> cases() {
  return {
      {"exp", Function::exp, -87, 88.7, [](double x) { return std::exp(x); }, [](double, double y) { return y; }, true,
       2, 1},
      {"log", Function::log, 1.2e-38, 3e38, [](double x) { return std::log(x); },
       [](double x, double) { return 1 / x; }, false, 2, 1},
      {"log near 1", Function::log, 0.5, 2, [](double x) { return std::log(x); },
       [](double x, double) { return 1 / x; }, false, 2, 1},
      {"tanh", Function::tanh, -20, 20, [](double x) { return std::tanh(x); },
       [](double, double y) { return 1 - y * y; }, true, 4, 1, 0, 1e-7},
      {"tanh small", Function::tanh, -1e-2, 1e-2, [](double x) { return std::tanh(x); },
       [](double, double y) { return 1 - y * y; }, true, 4, 2},
      {"sigmoid", Function::sigmoid, -87, 87, sigmoid, [](double, double y) { return y * (1 - y); }, true, 4, 4},
      {"erf", Function::erf, -5, 5, [](double x) { return std::erf(x); },
       [](double x, double) { return 2 / std::sqrt(M_PI) * std::exp(-x * x); }, false, 8, 32},
      {"erf small", Function::erf, -1e-3, 1e-3, [](double x) { return std::erf(x); },
       [](double x, double) { return 2 / std::sqrt(M_PI) * std::exp(-x * x); }, false, 8, 4},
      {"sqrt", Function::sqrt, 0, 1e30, [](double x) { return std::sqrt(x); }, [](double, double y) { return 0.5 / y; },
       true, 0.5, 1},
      {"rsqrt", Function::rsqrt, 1e-30, 1e30, [](double x) { return 1 / std::sqrt(x); },
       [](double, double y) { return -0.5 * y * y * y; }, true, 1.5, 3},
      {"reciprocal", Function::reciprocal, -1e3, 1e3, [](double x) { return 1 / x; },
       [](double, double y) { return -y * y; }, true, 0.5, 2},
      {"square", Function::square, -1e3, 1e3, [](double x) { return x * x; }, [](double x, double) { return 2 * x; },
       false, 0.5, 1},
      {"relu", Function::relu, -3, 3, [](double x) { return std::max(x, 0.0); },
       [](double, double y) { return y > 0 ? 1.0 : 0.0; }, true, 0.5, 0.5},
      {"leaky_relu", Function::leaky_relu, -3, 3, [](double x) { return x < 0 ? 0.25 * x : x; },
       [](double, double y) { return y > 0 ? 1.0 : 0.25; }, true, 0.5, 0.5, 0, 0, 0.25f},
      {"elu", Function::elu, -30, 10, [](double x) { return x < 0 ? 0.5 * std::expm1(x) : x; },
       [](double, double y) { return y > 0 ? 1.0 : y + 0.5; }, true, 4, 1, 0, 1e-7, 0.5f},
      {"gelu_erf", Function::gelu_erf, -10, 10, [](double x) { return x * phi(x); },
       [](double x, double) { return phi(x) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI); }, false, 0, 8, 1e-6,
       1e-6},
      {"gelu_tanh", Function::gelu_tanh, -10, 10, [](double x) { return 0.5 * x * (1 + std::tanh(gelu_inner(x))); },
       [](double x, double) {
         const double t = std::tanh(gelu_inner(x));
         return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
       },
       false, 0, 8, 1e-6, 3e-6},
      {"silu", Function::silu, -80, 80, [](double x) { return x * sigmoid(x); },
       [](double x, double) { return sigmoid(x) * (1 + x * (1 - sigmoid(x))); }, false, 4, 8, 0, 1e-6},
      {"softplus", Function::softplus, -80, 80,
       [](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); },
       [](double x, double) { return sigmoid(x); }, false, 4, 4},
  };
}

/// Numbers that cover [low, high]: evenly in value, and evenly in exponent on either side of 0.
std::vector<float> sweep(double low, double high) {
  std::vector<float> numbers;
  constexpr int count = 100000;
  for (int i = 0; i <= count; ++i) numbers.push_back(static_cast<float>(low + (high - low) * i / count));
  for (const double bound : {low, high})
    for (int i = 0; i < count / 4; ++i) {
      const double x = bound * std::exp2(-i * 30.0 / (count / 4.0));
      if (x >= low && x <= high) numbers.push_back(static_cast<float>(x));
    }
  numbers.erase(std::remove_if(numbers.begin(), numbers.end(), [&](float x) { return x < low || x > high; }),
                numbers.end());
  return numbers;
}

double ulp(double value) {
  const float magnitude = std::max(static_cast<float>(std::abs(value)), static_cast<float>(smallest_normal));
  return static_cast<double>(std::nextafter(magnitude, infinity)) - static_cast<double>(magnitude);
}

TEST_CASE("vector_math: values and gradients are as accurate as promised") {
  for (const Case& test : cases()) {
    CAPTURE(test.name);
    const std::vector<float> x = sweep(test.low, test.high);
    REQUIRE(x.size() > 10000);
    std::vector<float> y(x.size()), slope(x.size()), grad(x.size(), 1.0f);
    saw::kernels::apply(test.function, x, y, test.parameter);
    saw::kernels::apply_gradient(test.function, grad, test.saves_output ? y : x, slope, test.parameter);
    double worst_value = 0, worst_slope = 0, value_at = 0, slope_at = 0;  // in units of what is allowed
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = test.value(x[i]);
      const double allowed = test.value_relative_to_x > 0
                                 ? test.value_relative_to_x * std::abs(static_cast<double>(x[i]))
                                 : test.value_ulp * ulp(exact);
      if (const double error = std::abs(y[i] - exact) / (allowed + smallest_normal); !(error <= worst_value))
        worst_value = error, value_at = x[i];
      const double exact_slope = test.slope(x[i], y[i]);  // judged for the saved value as it is
      const double allowed_slope = test.slope_ulp * ulp(exact_slope) + test.slope_absolute + smallest_normal;
      if (std::isinf(exact_slope)) continue;
      if (const double error = std::abs(slope[i] - exact_slope) / allowed_slope; !(error <= worst_slope))
        worst_slope = error, slope_at = x[i];
    }
    CAPTURE(value_at);
    CAPTURE(slope_at);
    CHECK(worst_value <= 1.0);
    CHECK(worst_slope <= 1.0);
  }
}

TEST_CASE("vector_math: an element's result does not depend on its place") {
  std::vector<float> numbers(longest);
  for (std::size_t i = 0; i < longest; ++i) numbers[i] = 0.37f * static_cast<float>(i % 17) + 0.01f;
  for (const Case& test : cases()) {
    CAPTURE(test.name);
    // Alone, every element is the tail of a row of one.
    std::vector<float> alone(longest), slope_alone(longest);
    const float grad = 0.75f;
    for (std::size_t i = 0; i < longest; ++i) {
      saw::kernels::apply(test.function, {&numbers[i], 1}, {&alone[i], 1}, test.parameter);
      saw::kernels::apply_gradient(test.function, {&grad, 1}, {&numbers[i], 1}, {&slope_alone[i], 1}, test.parameter);
    }
    for (std::size_t n = 0; n <= longest; ++n) {
      for (std::size_t shift = 0; shift < 3; ++shift) {
        constexpr float guard = -12345.0f;
        std::vector<float> x(n + 3), saved(n + 3), grads(n + 3, grad), y(n + 4, guard), slope(n + 4, guard);
        std::copy_n(numbers.begin(), n, x.begin() + shift);
        saw::kernels::apply(test.function, {x.data() + shift, n}, {y.data() + shift, n}, test.parameter);
        saw::kernels::apply_gradient(test.function, {grads.data() + shift, n}, {x.data() + shift, n},
                                     {slope.data() + shift, n}, test.parameter);
        bool same = true;
        for (std::size_t i = 0; i < n; ++i)
          same = same && std::bit_cast<std::uint32_t>(y[shift + i]) == std::bit_cast<std::uint32_t>(alone[i]) &&
                 std::bit_cast<std::uint32_t>(slope[shift + i]) == std::bit_cast<std::uint32_t>(slope_alone[i]);
        for (std::size_t i = 0; i < y.size(); ++i)
          if (i < shift || i >= shift + n) same = same && y[i] == guard && slope[i] == guard;
        CAPTURE(n);
        CAPTURE(shift);
        CHECK(same);
        // In place.
        saw::kernels::apply(test.function, {x.data() + shift, n}, {x.data() + shift, n}, test.parameter);
        CHECK(std::equal(x.begin() + shift, x.begin() + shift + n, alone.begin()));
      }
    }
  }
}

float one(Function function, float x, float parameter = 0) {
  float y = 0;
  saw::kernels::apply(function, {&x, 1}, {&y, 1}, parameter);
  return y;
}

TEST_CASE("vector_math: special values") {
  for (const Case& test : cases()) {
    CAPTURE(test.name);
    CHECK(std::isnan(one(test.function, nan, test.parameter)));
    CHECK(std::isnan(one(test.function, -nan, test.parameter)));
  }
  CHECK(one(Function::exp, infinity) == infinity);
  CHECK(one(Function::exp, 1e30f) == infinity);
  CHECK(one(Function::exp, -1e30f) == 0);
  CHECK(one(Function::exp, -infinity) == 0);
  CHECK(one(Function::exp, 0) == 1);
  CHECK(one(Function::log, 0) == -infinity);
  CHECK(one(Function::log, infinity) == infinity);
  CHECK(std::isnan(one(Function::log, -1)));
  CHECK(one(Function::log, 1) == 0);
  CHECK(one(Function::tanh, infinity) == 1);
  CHECK(one(Function::tanh, -infinity) == -1);
  CHECK(one(Function::sigmoid, infinity) == 1);
  CHECK(one(Function::sigmoid, -infinity) == 0);
  CHECK(one(Function::sigmoid, 0) == 0.5f);
  CHECK(one(Function::erf, infinity) == 1);
  CHECK(one(Function::erf, -infinity) == -1);
  CHECK(one(Function::erf, 0) == 0);
  CHECK(one(Function::relu, infinity) == infinity);
  CHECK(one(Function::relu, -infinity) == 0);
  CHECK(one(Function::elu, -infinity, 2) == -2);
  CHECK(one(Function::elu, infinity, 2) == infinity);
  CHECK(one(Function::gelu_erf, -50) == 0);
  CHECK(one(Function::gelu_erf, 1e30f) == 1e30f);
  CHECK(one(Function::gelu_tanh, -50) == 0);
  CHECK(one(Function::gelu_tanh, 1e20f) == 1e20f);
  CHECK(one(Function::silu, -200) == 0);
  CHECK(one(Function::softplus, infinity) == infinity);
  CHECK(one(Function::softplus, -infinity) == 0);
  CHECK(one(Function::softplus, 500) == 500);
}

TEST_CASE("vector_math: arithmetic") {
  for (std::size_t n = 0; n <= longest; ++n) {
    CAPTURE(n);
    std::vector<float> a(n), b(n), y(n);
    for (std::size_t i = 0; i < n; ++i)
      a[i] = 0.3f * static_cast<float>(i) - 2, b[i] = 1.7f + 0.11f * static_cast<float>(i);
    const float number = 0.7f, other = -1.9f;
    const auto check = [&](Arithmetic operation, const std::function<float(float, float)>& expected) {
      bool same = true;
      saw::kernels::apply(operation, a, b, y);
      for (std::size_t i = 0; i < n; ++i) same = same && y[i] == expected(a[i], b[i]);
      saw::kernels::apply(operation, a, {&number, 1}, y);
      for (std::size_t i = 0; i < n; ++i) same = same && y[i] == expected(a[i], number);
      saw::kernels::apply(operation, {&number, 1}, b, y);
      for (std::size_t i = 0; i < n; ++i) same = same && y[i] == expected(number, b[i]);
      saw::kernels::apply(operation, {&number, 1}, {&other, 1}, y);
      for (std::size_t i = 0; i < n; ++i) same = same && y[i] == expected(number, other);
      CHECK(same);
    };
    check(Arithmetic::add, [](float p, float q) { return p + q; });
    check(Arithmetic::sub, [](float p, float q) { return p - q; });
    check(Arithmetic::mul, [](float p, float q) { return p * q; });
    check(Arithmetic::div, [](float p, float q) { return p / q; });
    // One rounding or two: the fused form may differ from the plain one by that.
    const auto close = [](float got, double expected, double magnitude) {
      return std::abs(got - expected) <= 1.2e-7 * magnitude;
    };
    bool good = true;
    saw::kernels::affine(a, 1.5f, -0.2f, y);
    for (std::size_t i = 0; i < n; ++i) good = good && close(y[i], 1.5 * a[i] - 0.2f, std::abs(1.5 * a[i]) + 0.2);
    std::vector<float> sum = b;
    saw::kernels::axpy(-0.6f, a, sum);
    for (std::size_t i = 0; i < n; ++i)
      good = good && close(sum[i], b[i] + static_cast<double>(-0.6f) * a[i], b[i] + std::abs(0.6 * a[i]));
    y = a;
    saw::kernels::scale(0.3f, y);
    for (std::size_t i = 0; i < n; ++i) good = good && y[i] == 0.3f * a[i];
    saw::kernels::fill(number, y);
    for (std::size_t i = 0; i < n; ++i) good = good && y[i] == number;
    CHECK(good);
  }
}

}  // namespace
