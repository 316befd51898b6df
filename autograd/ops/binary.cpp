#include "saw/autograd/ops/binary.h"

#include <cmath>

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

using kernels::Arithmetic;

// ---- two tensors: value, and gradients in recorded ops or as slopes (see elementwise_op.h) ----

struct Add {
  static constexpr auto kernel = Arithmetic::add;
  static constexpr bool integers = true;
  template <class T>
  T f(T a, T b) const {
    return a + b;
  }
  TensorList gradients(const BackwardContext& context) const { return {context.grad_output(), context.grad_output()}; }
};

struct Sub {
  static constexpr auto kernel = Arithmetic::sub;
  static constexpr bool integers = true;
  template <class T>
  T f(T a, T b) const {
    return a - b;
  }
  TensorList gradients(const BackwardContext& context) const {
    const Tensor& g = context.grad_output();
    return {g, context.needs_grad(1) ? neg(g) : Tensor()};
  }
};

struct Mul {
  static constexpr auto kernel = Arithmetic::mul;
  static constexpr bool integers = true;
  template <class T>
  T f(T a, T b) const {
    return a * b;
  }
  TensorList gradients(const BackwardContext& context, const Tensor& a, const Tensor& b) const {
    const Tensor& g = context.grad_output();
    return {context.needs_grad(0) ? g * b : Tensor(), context.needs_grad(1) ? g * a : Tensor()};
  }
};

struct Div {
  static constexpr auto kernel = Arithmetic::div;
  template <class T>
  T f(T a, T b) const {
    return a / b;
  }
  template <class T>
  T da(T, T b, T) const {
    return T{1} / b;
  }
  template <class T>
  T db(T, T b, T y) const {
    return -y / b;
  }
  TensorList gradients(const BackwardContext& context, const Tensor&, const Tensor& b, const Tensor& y) const {
    const Tensor share = context.grad_output() / b;
    return {share, context.needs_grad(1) ? -(share * y) : Tensor()};
  }
};

template <class T>
T power(T base, T exponent) {
  // The commonest exponents, without the cost of the general case and with the same results.
  if (exponent == T{1}) return base;
  if (exponent == T{2}) return base * base;
  return std::pow(base, exponent);
}

struct Pow {
  template <class T>
  T f(T a, T b) const {
    return std::pow(a, b);
  }
  template <class T>
  T da(T a, T b, T) const {
    return b == T{} ? T{} : b * power(a, b - T{1});
  }
  template <class T>
  T db(T a, T b, T y) const {
    return a == T{} && b >= T{} ? T{} : y * std::log(a);
  }
  TensorList gradients(const BackwardContext& context, const Tensor& a, const Tensor& b, const Tensor& y) const {
    const Tensor& g = context.grad_output();
    const Tensor one = scalar(1.0, a.dtype());
    // Where the slope is 0 by definition the base becomes 1: then the formulas say 0 too, in every order.
    TensorList result(2);
    if (context.needs_grad(0)) result[0] = g * (b * pow(where(equal(b, 0.0), one, a), b - 1.0));
    if (context.needs_grad(1))
      result[1] = g * (y * log(where(logical_and(equal(a, 0.0), greater_equal(b, 0.0)), one, a)));
    return result;
  }
};

/// What maximum and minimum share; `sign` is 1 or −1. The larger of sign·a and sign·b wins, NaN above all.
template <int sign>
struct Extremum {
  static constexpr bool integers = true;
  template <class T>
  static bool wins(T a, T b) {
    return sign > 0 ? a > b : a < b;
  }
  template <class T>
  T f(T a, T b) const {
    return wins(a, b) || a != a ? a : b;
  }
  template <class T>
  T da(T a, T b, T) const {
    return wins(a, b) || a != a ? T{1} : a == b ? T{0.5} : T{};
  }
  template <class T>
  T db(T a, T b, T) const {
    return T{1} - da(a, b, T{});
  }
  TensorList gradients(const BackwardContext& context, const Tensor& a, const Tensor& b, const Tensor&) const {
    const Tensor& g = context.grad_output();
    const Tensor half = g * 0.5;
    const Tensor zero = scalar(0.0, g.dtype());
    const Tensor left = logical_or(sign > 0 ? greater(a, b) : less(a, b), not_equal(a, a));
    const Tensor tie = equal(a, b);
    return {where(tie, half, where(left, g, zero)), where(tie, half, where(left, zero, g))};
  }
};
using Maximum = Extremum<1>;
using Minimum = Extremum<-1>;

// ---- a tensor and a number ----

struct Affine {
  static constexpr Saves saves = Saves::nothing;
  static constexpr bool integers = true;
  double factor, offset;
  template <class T>
  T f(T x) const {
    return x * static_cast<T>(factor) + static_cast<T>(offset);
  }
  void run(std::span<const float> x, std::span<float> y) const {
    kernels::affine(x, static_cast<float>(factor), static_cast<float>(offset), y);
  }
  template <class T>
  T df(T) const {
    return static_cast<T>(factor);
  }
  Tensor gradient(const Tensor& g, const Tensor&) const { return g * factor; }
};

/// x / number: a true division, since multiplying by 1/number would round twice.
struct DivideBy {
  static constexpr Saves saves = Saves::nothing;
  double divisor;
  template <class T>
  T f(T x) const {
    return x / static_cast<T>(divisor);
  }
  void run(std::span<const float> x, std::span<float> y) const {
    const auto number = static_cast<float>(divisor);
    kernels::apply(Arithmetic::div, x, {&number, 1}, y);
  }
  template <class T>
  T df(T) const {
    return T{1} / static_cast<T>(divisor);
  }
  Tensor gradient(const Tensor& g, const Tensor&) const { return g / divisor; }
};

/// number / x.
struct NumberOver {
  static constexpr Saves saves = Saves::input;
  double dividend;
  template <class T>
  T f(T x) const {
    return static_cast<T>(dividend) / x;
  }
  void run(std::span<const float> x, std::span<float> y) const {
    const auto number = static_cast<float>(dividend);
    kernels::apply(Arithmetic::div, {&number, 1}, x, y);
  }
  template <class T>
  T df(T x) const {
    return -static_cast<T>(dividend) / (x * x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g * -dividend / square(x); }
};

struct PowNumber {
  static constexpr Saves saves = Saves::input;
  double exponent;
  template <class T>
  T f(T x) const {
    return power(x, static_cast<T>(exponent));
  }
  template <class T>
  T df(T x) const {
    return exponent == 0.0 ? T{} : static_cast<T>(exponent) * power(x, static_cast<T>(exponent - 1));
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const {
    return exponent == 0.0 ? g * 0.0 : g * pow(x, exponent - 1) * exponent;
  }
};

// ---- samples ----

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
  std::vector<Sample> samples =
      binary_samples(normal(make), away_from_0(make), div, [](double a, double b) { return a / b; });
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
  return {{"fraction on int64", [] { affine(zeros({2}, int64), 0.5, 0.0); }, ErrorKind::argument, "affine: int64"},
          {"bool", [] { affine(zeros({2}, boolean), 1.0, 1.0); }, ErrorKind::dtype, "affine: needs numbers"}};
}

// ---- what the registry knows ----

const OpInfo add_info{"add", "a + b", true, add_samples, pair_errors<add>};
const OpInfo sub_info{"sub", "a − b", true, sub_samples, pair_errors<sub>};
const OpInfo mul_info{"mul", "a · b", true, mul_samples, pair_errors<mul>};
const OpInfo div_info{"div", "a / b", true, div_samples, floating_pair_errors<div>};
const OpInfo pow_info{"pow", "aᵇ", true, pow_samples, floating_pair_errors<pow>};
const OpInfo maximum_info{"maximum", "max(a, b)", true, maximum_samples, pair_errors<maximum>};
const OpInfo minimum_info{"minimum", "min(a, b)", true, minimum_samples, pair_errors<minimum>};
const OpInfo affine_info{"affine", "x·factor + offset", true, affine_samples, affine_errors};

void check_integer(double number) {
  if (std::trunc(number) != number || std::fabs(number) > 9007199254740992.0)  // 2⁵³: beyond, doubles skip integers
    fail(ErrorKind::argument,
         "affine: int64 elements beside a number that is none; got {}; expected an integer; "
         "convert the tensor with to()",
         number);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return run_binary(add_info, a, b, Add{}); }
Tensor sub(const Tensor& a, const Tensor& b) { return run_binary(sub_info, a, b, Sub{}); }
Tensor mul(const Tensor& a, const Tensor& b) { return run_binary(mul_info, a, b, Mul{}); }
Tensor div(const Tensor& a, const Tensor& b) { return run_binary(div_info, a, b, Div{}); }
Tensor pow(const Tensor& base, const Tensor& exponent) { return run_binary(pow_info, base, exponent, Pow{}); }
Tensor maximum(const Tensor& a, const Tensor& b) { return run_binary(maximum_info, a, b, Maximum{}); }
Tensor minimum(const Tensor& a, const Tensor& b) { return run_binary(minimum_info, a, b, Minimum{}); }

Tensor affine(const Tensor& x, double factor, double offset) {
  if (x.dtype() == int64) {
    check_integer(factor);
    check_integer(offset);
  }
  return run_unary(affine_info, x, Affine{factor, offset});
}

Tensor pow(const Tensor& x, double exponent) { return run_unary(pow_info, x, PowNumber{exponent}); }

Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
Tensor operator-(const Tensor& x) { return neg(x); }
Tensor operator+(const Tensor& a, double b) { return affine(a, 1.0, b); }
Tensor operator-(const Tensor& a, double b) { return affine(a, 1.0, -b); }
Tensor operator*(const Tensor& a, double b) { return affine(a, b, -0.0); }  // adding −0 keeps the sign of a zero
Tensor operator/(const Tensor& a, double b) { return run_unary(div_info, a, DivideBy{b}); }
Tensor operator+(double a, const Tensor& b) { return affine(b, 1.0, a); }
Tensor operator-(double a, const Tensor& b) { return affine(b, -1.0, a); }
Tensor operator*(double a, const Tensor& b) { return affine(b, a, -0.0); }
Tensor operator/(double a, const Tensor& b) { return run_unary(div_info, b, NumberOver{a}); }

OpList binary_ops() {
  return {&add_info, &sub_info, &mul_info, &div_info, &pow_info, &maximum_info, &minimum_info, &affine_info};
}

}  // namespace saw
