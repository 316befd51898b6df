#include "saw/autograd/ops/unary.h"

#include <cmath>
#include <numbers>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/pointwise_samples.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

using kernels::Function;

// ---- the ops: value, slope from what is saved, gradient in recorded ops ----

struct Neg {
  static constexpr Saves saves = Saves::nothing;
  static constexpr bool integers = true;
  template <class T>
  T f(T x) const {
    return -x;
  }
  template <class T>
  T df(T) const {
    return T{-1};
  }
  Tensor gradient(const Tensor& g, const Tensor&) const { return neg(g); }
};

template <class T>
T sign_of(T x) {
  return x > T{} ? T{1} : x < T{} ? T{-1} : x;  // 0, −0 and NaN stay
}

struct Abs {
  static constexpr Saves saves = Saves::input;
  static constexpr bool integers = true;
  template <class T>
  T f(T x) const {
    return x < T{} ? -x : x == T{} ? T{} : x;
  }
  template <class T>
  T df(T x) const {
    return sign_of(x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g * sign(x); }
};

/// What sign, floor, ceil and round share: they are constant almost everywhere. The recorded gradient stays connected
/// to g, with gradient 0, so that second derivatives exist.
struct Steps {
  static constexpr Saves saves = Saves::nothing;
  template <class T>
  T df(T) const {
    return T{};
  }
  Tensor gradient(const Tensor& g, const Tensor&) const { return affine(g, 0.0, 0.0); }
};

struct Sign : Steps {
  static constexpr bool integers = true;
  template <class T>
  T f(T x) const {
    return sign_of(x);
  }
};

struct Floor : Steps {
  template <class T>
  T f(T x) const {
    return std::floor(x);
  }
};

struct Ceil : Steps {
  template <class T>
  T f(T x) const {
    return std::ceil(x);
  }
};

struct Round : Steps {
  template <class T>
  T f(T x) const {
    return std::nearbyint(x);
  }
};

struct Square {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::square;
  template <class T>
  T f(T x) const {
    return x * x;
  }
  template <class T>
  T df(T x) const {
    return 2 * x;
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g * (x * 2.0); }
};

struct Reciprocal {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::reciprocal;
  template <class T>
  T f(T x) const {
    return T{1} / x;
  }
  template <class T>
  T df(T y) const {
    return -y * y;
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return -(g * square(y)); }
};

struct Exp {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::exp;
  template <class T>
  T f(T x) const {
    return std::exp(x);
  }
  template <class T>
  T df(T y) const {
    return y;
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return g * y; }
};

struct Expm1 {
  static constexpr Saves saves = Saves::output;
  template <class T>
  T f(T x) const {
    return std::expm1(x);
  }
  template <class T>
  T df(T y) const {
    return y + T{1};
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return g * (y + 1.0); }
};

struct Log {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::log;
  template <class T>
  T f(T x) const {
    return std::log(x);
  }
  template <class T>
  T df(T x) const {
    return T{1} / x;
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g / x; }
};

struct Log1p {
  static constexpr Saves saves = Saves::input;
  template <class T>
  T f(T x) const {
    return std::log1p(x);
  }
  template <class T>
  T df(T x) const {
    return T{1} / (T{1} + x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g / (x + 1.0); }
};

struct Sqrt {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::sqrt;
  template <class T>
  T f(T x) const {
    return std::sqrt(x);
  }
  template <class T>
  T df(T y) const {
    return T{0.5} / y;
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return g * 0.5 / y; }
};

struct Rsqrt {
  static constexpr Saves saves = Saves::output;
  static constexpr auto kernel = Function::rsqrt;
  template <class T>
  T f(T x) const {
    return T{1} / std::sqrt(x);
  }
  template <class T>
  T df(T y) const {
    return T{-0.5} * y * y * y;
  }
  Tensor gradient(const Tensor& g, const Tensor& y) const { return g * y * square(y) * -0.5; }
};

struct Sin {
  static constexpr Saves saves = Saves::input;
  template <class T>
  T f(T x) const {
    return std::sin(x);
  }
  template <class T>
  T df(T x) const {
    return std::cos(x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return g * cos(x); }
};

struct Cos {
  static constexpr Saves saves = Saves::input;
  template <class T>
  T f(T x) const {
    return std::cos(x);
  }
  template <class T>
  T df(T x) const {
    return -std::sin(x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const { return -(g * sin(x)); }
};

struct Erf {
  static constexpr Saves saves = Saves::input;
  static constexpr auto kernel = Function::erf;
  template <class T>
  T f(T x) const {
    return std::erf(x);
  }
  template <class T>
  T df(T x) const {
    return static_cast<T>(2 * std::numbers::inv_sqrtpi) * std::exp(-x * x);
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const {
    return g * exp(-square(x)) * (2 * std::numbers::inv_sqrtpi);
  }
};

struct Clamp {
  static constexpr Saves saves = Saves::input;
  double low, high;
  template <class T>
  T f(T x) const {
    return x < static_cast<T>(low) ? static_cast<T>(low) : x > static_cast<T>(high) ? static_cast<T>(high) : x;
  }
  template <class T>
  T df(T x) const {
    return x < static_cast<T>(low) || x > static_cast<T>(high) ? T{} : T{1};
  }
  Tensor gradient(const Tensor& g, const Tensor& x) const {
    return masked_fill(g, logical_or(less(x, low), greater(x, high)), 0.0);
  }
};

/// The check of isnan and isfinite, which give bool and have no gradient.
template <class Test>
Tensor classify(const OpInfo& info, const Tensor& x, const Test& test) {
  Tensor y = Tensor::empty(x.shape(), boolean);
  dispatch_floating(info.name, x.dtype(),
                    [&]<class T>() { elementwise::map_tensors<bool, T>(kernels::cheap_grain, test, y, x); });
  return record_constant(info, y);
}

// ---- samples ----

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
  samples.push_back(
      {.name = "one-sided",
       .inputs = {make.away_from({7}, {0.25})},
       .run =
           [](const TensorList& in) { return TensorList{clamp(in[0], 0.25, std::numeric_limits<double>::infinity())}; },
       .reference =
           [](const TensorList& in) {
             return TensorList{naive_map(in[0], in[0].dtype(), [](double x) { return std::max(x, 0.25); })};
           }});
  return samples;
}

std::vector<ErrorSample> clamp_errors() {
  return {{"low above high", [] { clamp(zeros({2}), 1.0, -1.0); }, ErrorKind::argument, "clamp: low"},
          {"NaN bound", [] { clamp(zeros({2}), std::nan(""), 1.0); }, ErrorKind::argument, "clamp: low"},
          {"int64", [] { clamp(zeros({2}, int64), 0.0, 1.0); }, ErrorKind::dtype, "needs floating point"}};
}

double round_reference(double x) {
  const double up = std::floor(x + 0.5);
  return up - x == 0.5 && std::fmod(up, 2.0) != 0.0 ? up - 1 : up;
}

double sign_reference(double x) { return static_cast<double>((x > 0) - (x < 0)); }

// ---- what the registry knows ----

const OpInfo neg_info{"neg", "−x", true,
                      [](SampleMaker& make) {
                        const auto f = [](double x) { return -x; };
                        return with_integers(normal(make, neg, f), make, neg, f);
                      },
                      needs_numbers<neg>};
const OpInfo abs_info{"abs", "|x|", true,
                      [](SampleMaker& make) {
                        const auto f = [](double x) { return std::fabs(x); };
                        return with_integers(away_from(make, {0.0}, abs, f), make, abs, f);
                      },
                      needs_numbers<abs>};
const OpInfo sign_info{"sign", "−1, 0 or 1", true,
                       [](SampleMaker& make) {
                         return with_integers(away_from(make, {0.0}, sign, sign_reference), make, sign, sign_reference);
                       },
                       needs_numbers<sign>};
const OpInfo square_info{"square", "x²", true,
                         [](SampleMaker& make) { return normal(make, square, [](double x) { return x * x; }); },
                         needs_floating<square>};
const OpInfo reciprocal_info{
    "reciprocal", "1/x", true,
    [](SampleMaker& make) { return away_from(make, {0.0}, reciprocal, [](double x) { return 1 / x; }); },
    needs_floating<reciprocal>};
const OpInfo exp_info{"exp", "eˣ", true,
                      [](SampleMaker& make) { return normal(make, exp, [](double x) { return std::exp(x); }); },
                      needs_floating<exp>};
const OpInfo expm1_info{"expm1", "eˣ − 1", true,
                        [](SampleMaker& make) { return normal(make, expm1, [](double x) { return std::expm1(x); }); },
                        needs_floating<expm1>};
const OpInfo log_info{
    "log", "log x", true,
    [](SampleMaker& make) { return between(make, 0.2, 5, log, [](double x) { return std::log(x); }); },
    needs_floating<log>};
const OpInfo log1p_info{
    "log1p", "log(1 + x)", true,
    [](SampleMaker& make) { return between(make, -0.7, 3, log1p, [](double x) { return std::log1p(x); }); },
    needs_floating<log1p>};
const OpInfo sqrt_info{
    "sqrt", "√x", true,
    [](SampleMaker& make) { return between(make, 0.2, 5, sqrt, [](double x) { return std::sqrt(x); }); },
    needs_floating<sqrt>};
const OpInfo rsqrt_info{
    "rsqrt", "1/√x", true,
    [](SampleMaker& make) { return between(make, 0.2, 5, rsqrt, [](double x) { return 1 / std::sqrt(x); }); },
    needs_floating<rsqrt>};
const OpInfo sin_info{"sin", "sin x", true,
                      [](SampleMaker& make) { return normal(make, sin, [](double x) { return std::sin(x); }); },
                      needs_floating<sin>};
const OpInfo cos_info{"cos", "cos x", true,
                      [](SampleMaker& make) { return normal(make, cos, [](double x) { return std::cos(x); }); },
                      needs_floating<cos>};
const OpInfo erf_info{"erf", "2/√π ∫₀ˣ exp(−t²) dt", true,
                      [](SampleMaker& make) { return normal(make, erf, [](double x) { return std::erf(x); }); },
                      needs_floating<erf>};
const OpInfo floor_info{
    "floor", "⌊x⌋", true,
    [](SampleMaker& make) {
      return away_from(make, {-3, -2, -1, 0, 1, 2, 3}, floor, [](double x) { return std::floor(x); });
    },
    needs_floating<floor>};
const OpInfo ceil_info{"ceil", "⌈x⌉", true,
                       [](SampleMaker& make) {
                         return away_from(make, {-3, -2, -1, 0, 1, 2, 3}, ceil, [](double x) { return std::ceil(x); });
                       },
                       needs_floating<ceil>};
const OpInfo round_info{
    "round", "nearest integer, halves to even", true,
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
    needs_floating<round>};
const OpInfo clamp_info{"clamp", "min(max(x, low), high)", true, clamp_samples, clamp_errors};
const OpInfo isnan_info{
    "isnan", "x ≠ x", false,
    [](SampleMaker& make) { return classified(make, isnan, [](double x) { return std::isnan(x); }); },
    needs_floating<isnan>};
const OpInfo isfinite_info{
    "isfinite", "|x| < ∞", false,
    [](SampleMaker& make) { return classified(make, isfinite, [](double x) { return std::isfinite(x); }); },
    needs_floating<isfinite>};

}  // namespace

Tensor neg(const Tensor& x) { return run_unary(neg_info, x, Neg{}); }
Tensor abs(const Tensor& x) { return run_unary(abs_info, x, Abs{}); }
Tensor sign(const Tensor& x) { return run_unary(sign_info, x, Sign{}); }
Tensor square(const Tensor& x) { return run_unary(square_info, x, Square{}); }
Tensor reciprocal(const Tensor& x) { return run_unary(reciprocal_info, x, Reciprocal{}); }
Tensor exp(const Tensor& x) { return run_unary(exp_info, x, Exp{}); }
Tensor expm1(const Tensor& x) { return run_unary(expm1_info, x, Expm1{}); }
Tensor log(const Tensor& x) { return run_unary(log_info, x, Log{}); }
Tensor log1p(const Tensor& x) { return run_unary(log1p_info, x, Log1p{}); }
Tensor sqrt(const Tensor& x) { return run_unary(sqrt_info, x, Sqrt{}); }
Tensor rsqrt(const Tensor& x) { return run_unary(rsqrt_info, x, Rsqrt{}); }
Tensor sin(const Tensor& x) { return run_unary(sin_info, x, Sin{}); }
Tensor cos(const Tensor& x) { return run_unary(cos_info, x, Cos{}); }
Tensor erf(const Tensor& x) { return run_unary(erf_info, x, Erf{}); }
Tensor floor(const Tensor& x) { return run_unary(floor_info, x, Floor{}); }
Tensor ceil(const Tensor& x) { return run_unary(ceil_info, x, Ceil{}); }
Tensor round(const Tensor& x) { return run_unary(round_info, x, Round{}); }

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) fail(ErrorKind::argument, "clamp: low must not lie above high; got low {}, high {}", low, high);
  return run_unary(clamp_info, x, Clamp{low, high});
}

Tensor isnan(const Tensor& x) {
  return classify(isnan_info, x, [](auto v) { return std::isnan(v); });
}

Tensor isfinite(const Tensor& x) {
  return classify(isfinite_info, x, [](auto v) { return std::isfinite(v); });
}

OpList unary_ops() {
  return {&neg_info,   &abs_info,   &sign_info,  &square_info, &reciprocal_info, &exp_info,     &expm1_info,
          &log_info,   &log1p_info, &sqrt_info,  &rsqrt_info,  &sin_info,        &cos_info,     &erf_info,
          &floor_info, &ceil_info,  &round_info, &clamp_info,  &isnan_info,      &isfinite_info};
}

}  // namespace saw
