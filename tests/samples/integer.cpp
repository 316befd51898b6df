#include <cmath>
#include <limits>

#include "samples/families.h"
#include "samples/pointwise.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

using BinaryFunction = Tensor (*)(const Tensor&, const Tensor&);

double floored(double a, double b) { return std::floor(a / b); }
double left_over(double a, double b) { return a - b * std::floor(a / b); }

Sample pair(const char* name, const Tensor& a, const Tensor& b, BinaryFunction op, double (*f)(double, double)) {
  return {.name = name,
          .inputs = {a, b},
          .run = [op](const TensorList& in) { return TensorList{op(in[0], in[1])}; },
          .reference = [f](const TensorList& in) { return TensorList{naive_zip(in[0], in[1], in[0].dtype(), f)}; }};
}

Sample with_number(const char* name, const Tensor& x, const std::function<Tensor(const Tensor&)>& op,
                   const std::function<double(double)>& f) {
  return {.name = name,
          .inputs = {x},
          .run = [op](const TensorList& in) { return TensorList{op(in[0])}; },
          .reference = [f](const TensorList& in) { return TensorList{naive_map(in[0], in[0].dtype(), f)}; }};
}

/// Integers without 0.
Tensor divisors(SampleMaker& make, const Shape& shape) {
  const Tensor x = make.integers(shape, -4, 5);
  return masked_fill(x, equal(x, 0.0), 3.0);
}

/// a with a / b at least 0.1 away from every integer, for divisors b: floor jumps there.
std::vector<Sample> floating(SampleMaker& make, BinaryFunction op, double (*f)(double, double)) {
  const auto sample = [&](const char* name, const Shape& left, const Shape& right) {
    const Tensor whole = make.integers(left, -3, 4).to(make.dtype());
    const Tensor b = make.away_from(right, {0.0}, 0.4);
    // A divisor for each element of a, so that the quotient is known; the divisors that broadcast are all 1.5.
    if (left != right)
      return pair(name, (whole + make.uniform(left, 0.15, 0.85)) * 1.5, full(right, 1.5, make.dtype()), op, f);
    return pair(name, (whole + make.uniform(left, 0.15, 0.85)) * b, b, op, f);
  };
  return {
      sample("same shapes", {3, 4}, {3, 4}), sample("long rows", {2, 37}, {2, 37}),       sample("row", {3, 4}, {4}),
      sample("column", {3, 4}, {3, 1}),      sample("both broadcast", {3, 1}, {2, 1, 4}), sample("numbers", {}, {}),
      sample("empty", {0, 2}, {2})};
}

std::vector<Sample> division_samples(SampleMaker& make, BinaryFunction op, double (*f)(double, double)) {
  std::vector<Sample> samples = floating(make, op, f);
  samples.push_back(pair("int64", make.integers({3, 5}, -9, 10), divisors(make, {5}), op, f));
  samples.push_back(
      pair("int64, both signs", tensor({7, -7, 7, -7, 6, -6, 0}), tensor({3, 3, -3, -3, -2, -1, -5}), op, f));
  return samples;
}

std::vector<Sample> samples_of_floor_divide(SampleMaker& make) {
  std::vector<Sample> samples = division_samples(make, floor_divide, floored);
  samples.push_back(with_number(
      "by a number", make.integers({6}, -9, 10), [](const Tensor& x) { return floor_divide(x, 4); },
      [](double x) { return std::floor(x / 4); }));
  samples.push_back(with_number(
      "of a number", divisors(make, {6}), [](const Tensor& x) { return floor_divide(7, x); },
      [](double x) { return std::floor(7 / x); }));
  return samples;
}

std::vector<Sample> samples_of_remainder(SampleMaker& make) {
  std::vector<Sample> samples = division_samples(make, remainder, left_over);
  samples.push_back(with_number(
      "by a number", make.integers({6}, -9, 10), [](const Tensor& x) { return x % -4; },
      [](double x) { return left_over(x, -4); }));
  samples.push_back(with_number(
      "of a number", divisors(make, {6}), [](const Tensor& x) { return 7 % x; },
      [](double x) { return left_over(7, x); }));
  return samples;
}

std::vector<ErrorSample> division_errors(const std::string& name, BinaryFunction op) {
  return {{"dtypes", [op] { op(zeros({2}), zeros({2}, int64)); }, ErrorKind::dtype, "got float32 and int64"},
          {"shapes", [op] { op(ones({2}), ones({3})); }, ErrorKind::shape, "(2,)"},
          {"bool", [op] { op(zeros({2}, boolean), zeros({2}, boolean)); }, ErrorKind::dtype, "needs numbers"},
          {"zero",
           [op] {
             op(tensor({1, 2}), tensor({1, 0}));
           },
           ErrorKind::argument, name + ": division by zero; got 0 at position (1,)"},
          {"undefined", [op] { op(Tensor(), zeros({2})); }, ErrorKind::argument, "the tensor is undefined"}};
}

std::vector<ErrorSample> floor_divide_errors() {
  std::vector<ErrorSample> errors = division_errors("floor_divide", floor_divide);
  errors.push_back({"inexact number",
                    [] {
                      floor_divide(tensor({1, 2}), 0.5);
                    },
                    ErrorKind::dtype, "got 0.5 beside int64"});
  return errors;
}
std::vector<ErrorSample> remainder_errors() {
  std::vector<ErrorSample> errors = division_errors("remainder", remainder);
  errors.push_back({"inexact number",
                    [] {
                      remainder(tensor({1, 2}), 0.5);
                    },
                    ErrorKind::dtype, "got 0.5 beside int64"});
  return errors;
}

// ---- bits, one at a time ----

/// The bits of small numbers, two's complement in 16 bits, joined by `bit`.
double bit_by_bit(double a, double b, bool (*bit)(bool, bool)) {
  const auto bits_of = [](double x) { return x < 0 ? x + 65536 : x; };
  double left = bits_of(a), right = bits_of(b), result = 0;
  for (double weight = 1; weight < 65536; weight *= 2) {
    if (bit(std::fmod(left, 2) == 1, std::fmod(right, 2) == 1)) result += weight;
    left = std::floor(left / 2);
    right = std::floor(right / 2);
  }
  return result >= 32768 ? result - 65536 : result;
}

double naive_and(double a, double b) {
  return bit_by_bit(a, b, [](bool p, bool q) { return p && q; });
}
double naive_or(double a, double b) {
  return bit_by_bit(a, b, [](bool p, bool q) { return p || q; });
}
double naive_xor(double a, double b) {
  return bit_by_bit(a, b, [](bool p, bool q) { return p != q; });
}

std::vector<Sample> bit_samples(SampleMaker& make, BinaryFunction op, Tensor (*with)(const Tensor&, Number),
                                double (*f)(double, double)) {
  return {pair("int64", make.integers({3, 5}, -99, 100), make.integers({3, 5}, -99, 100), op, f),
          pair("int64, broadcast", make.integers({3, 1}, -99, 100), make.integers({5}, -99, 100), op, f),
          pair("bool", make.conditions({3, 5}), make.conditions({5}), op, f),
          pair("numbers", make.integers({}, 0, 9), make.integers({}, 0, 9), op, f),
          pair("empty", make.integers({0, 2}, 0, 9), make.integers({2}, 0, 9), op, f),
          with_number(
              "int64 and a number", make.integers({7}, -9, 10), [with](const Tensor& x) { return with(x, 6); },
              [f](double x) { return f(x, 6); })};
}

template <BinaryFunction op>
std::vector<ErrorSample> bit_errors() {
  return {{"floating", [] { op(zeros({2}), zeros({2})); }, ErrorKind::dtype, "got float32; expected int64 or bool"},
          {"dtypes", [] { op(zeros({2}, int64), zeros({2}, boolean)); }, ErrorKind::dtype, "got int64 and bool"},
          {"shapes", [] { op(zeros({2}, int64), zeros({3}, int64)); }, ErrorKind::shape, "(2,)"}};
}

std::vector<Sample> samples_of_and(SampleMaker& make) { return bit_samples(make, bitwise_and, bitwise_and, naive_and); }
std::vector<Sample> samples_of_or(SampleMaker& make) { return bit_samples(make, bitwise_or, bitwise_or, naive_or); }
std::vector<Sample> samples_of_xor(SampleMaker& make) { return bit_samples(make, bitwise_xor, bitwise_xor, naive_xor); }

std::vector<Sample> samples_of_not(SampleMaker& make) {
  return {with_number("int64", make.integers({3, 5}, -99, 100), bitwise_not, [](double x) { return -x - 1; }),
          with_number("bool", make.conditions({7}), bitwise_not, [](double x) { return 1 - x; }),
          with_number(
              "operator", make.conditions({7}), [](const Tensor& x) { return !x; }, [](double x) { return 1 - x; })};
}
std::vector<ErrorSample> not_errors() {
  return {{"floating", [] { bitwise_not(zeros({2})); }, ErrorKind::dtype, "got float32; expected int64 or bool"}};
}

std::vector<Sample> shift_samples(SampleMaker& make, BinaryFunction op, Tensor (*with)(const Tensor&, Number),
                                  double (*f)(double, double)) {
  return {pair("same shapes", make.integers({3, 5}, -99, 100), make.integers({3, 5}, 0, 20), op, f),
          pair("broadcast", make.integers({3, 1}, -99, 100), make.integers({5}, 0, 20), op, f),
          pair("empty", make.integers({0}, 0, 9), make.integers({1}, 0, 9), op, f),
          with_number(
              "by a number", make.integers({7}, -99, 100), [with](const Tensor& x) { return with(x, 3); },
              [f](double x) { return f(x, 3); })};
}

template <BinaryFunction op>
std::vector<ErrorSample> shift_errors() {
  return {
      {"negative", [] { op(tensor({1}), tensor({-1})); }, ErrorKind::argument, "got -1 at position (0,)"},
      {"too far", [] { op(tensor({1}), tensor({64})); }, ErrorKind::argument, "a shift lies outside 0 … 63; got 64"},
      {"bool", [] { op(zeros({2}, boolean), zeros({2}, boolean)); }, ErrorKind::dtype,
       "shifts bits of int64; got bool"},
      {"dtypes", [] { op(zeros({2}, int64), zeros({2})); }, ErrorKind::dtype, "got int64 and float32"}};
}

std::vector<Sample> samples_of_left_shift(SampleMaker& make) {
  return shift_samples(make, bitwise_left_shift, bitwise_left_shift,
                       [](double a, double b) { return a * std::exp2(b); });
}
std::vector<Sample> samples_of_right_shift(SampleMaker& make) {
  return shift_samples(make, bitwise_right_shift, bitwise_right_shift,
                       [](double a, double b) { return std::floor(a / std::exp2(b)); });
}

}  // namespace

SampleList integer_samples() {
  return {{"floor_divide", samples_of_floor_divide, floor_divide_errors},
          {"remainder", samples_of_remainder, remainder_errors},
          {"bitwise_and", samples_of_and, bit_errors<bitwise_and>},
          {"bitwise_or", samples_of_or, bit_errors<bitwise_or>},
          {"bitwise_xor", samples_of_xor, bit_errors<bitwise_xor>},
          {"bitwise_not", samples_of_not, not_errors},
          {"bitwise_left_shift", samples_of_left_shift, shift_errors<bitwise_left_shift>},
          {"bitwise_right_shift", samples_of_right_shift, shift_errors<bitwise_right_shift>}};
}

}  // namespace samples
