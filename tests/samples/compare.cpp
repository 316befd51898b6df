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
using NumberFunction = Tensor (*)(const Tensor&, double);
using Relation = bool (*)(double, double);

/// Small integers in the dtype of the samples: ties are frequent.
MakeInput ties(SampleMaker& make) {
  return [&make](const Shape& shape) { return make.integers(shape, -2, 3).to(make.dtype()); };
}

std::vector<Sample> relation_samples(SampleMaker& make, BinaryFunction op, NumberFunction with_number,
                                     Relation relation) {
  std::vector<Sample> samples = comparison_samples(ties(make), ties(make), op, relation);
  const auto pair = [&](const char* name, const Tensor& a, const Tensor& b) {
    samples.push_back({.name = name,
                       .inputs = {a, b},
                       .run = [op](const TensorList& in) { return TensorList{op(in[0], in[1])}; },
                       .reference =
                           [relation](const TensorList& in) {
                             return TensorList{naive_zip(in[0], in[1], boolean, [relation](double left, double right) {
                               return relation(left, right) ? 1.0 : 0.0;
                             })};
                           }});
  };
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  pair("int64", make.integers({3, 4}, -2, 3), make.integers({4}, -2, 3));
  pair("special values", tensor({nan, nan, infinity, -infinity, 0.0}, make.dtype()),
       tensor({nan, 1.0, infinity, infinity, -0.0}, make.dtype()));
  const auto number = [&](const char* name, const Tensor& a) {
    samples.push_back({.name = name,
                       .inputs = {a},
                       .run = [with_number](const TensorList& in) { return TensorList{with_number(in[0], 1.0)}; },
                       .reference =
                           [relation](const TensorList& in) {
                             return TensorList{naive_map(
                                 in[0], boolean, [relation](double left) { return relation(left, 1.0) ? 1.0 : 0.0; })};
                           }});
  };
  number("with a number", ties(make)({3, 4}));
  number("int64 with a number", make.integers({3, 4}, -2, 3));
  return samples;
}

template <BinaryFunction op>
std::vector<ErrorSample> equality_errors() {
  return {{"dtypes", [] { op(zeros({2}), zeros({2}, int64)); }, ErrorKind::dtype, "got float32 and int64"},
          {"shapes",
           [] {
             op(zeros({2, 3}), zeros({2}));
           },
           ErrorKind::shape, "(2, 3)"}};
}

template <BinaryFunction op>
std::vector<ErrorSample> order_errors() {
  std::vector<ErrorSample> errors = equality_errors<op>();
  errors.push_back({"bool", [] { op(zeros({2}, boolean), zeros({2}, boolean)); }, ErrorKind::dtype, "needs numbers"});
  return errors;
}

std::vector<Sample> logic_samples(SampleMaker& make, BinaryFunction op, Relation relation) {
  const MakeInput conditions = [&make](const Shape& shape) { return make.conditions(shape); };
  return comparison_samples(conditions, conditions, op, relation);
}

template <BinaryFunction op>
std::vector<ErrorSample> logic_errors() {
  return {{"dtype", [] { op(zeros({2}), zeros({2}, boolean)); }, ErrorKind::dtype, "needs conditions; got float32"},
          {"shapes", [] { op(zeros({2}, boolean), zeros({3}, boolean)); }, ErrorKind::shape, "(2,)"}};
}

/// relation(a, b) of doubles and of every element type, as one object.
constexpr auto is_equal = [](auto a, auto b) { return a == b; };
constexpr auto is_not_equal = [](auto a, auto b) { return a != b; };
constexpr auto is_less = [](auto a, auto b) { return a < b; };
constexpr auto is_less_equal = [](auto a, auto b) { return a <= b; };
constexpr auto is_greater = [](auto a, auto b) { return a > b; };
constexpr auto is_greater_equal = [](auto a, auto b) { return a >= b; };

std::vector<Sample> equality_samples(SampleMaker& make, BinaryFunction op, NumberFunction with_number,
                                     Relation relation) {
  std::vector<Sample> samples = relation_samples(make, op, with_number, relation);
  for (Sample& sample : logic_samples(make, op, relation)) {
    sample.name = "bool, " + sample.name;
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// Element by element: the oracle of both.
Tensor naive_where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const auto held = naive_zip(condition, a, a.dtype(), [](double c, double v) { return c != 0 ? v : 0.0; });
  const auto rest = naive_zip(condition, b, b.dtype(), [](double c, double v) { return c != 0 ? 0.0 : v; });
  return naive_zip(held, rest, a.dtype(), [](double v, double w) { return v + w; });
}

std::vector<Sample> where_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& condition, const Tensor& a, const Tensor& b) {
    return Sample{.name = name,
                  .inputs = {condition, a, b},
                  .run = [](const TensorList& in) { return TensorList{where(in[0], in[1], in[2])}; },
                  .reference = [](const TensorList& in) { return TensorList{naive_where(in[0], in[1], in[2])}; }};
  };
  return {sample("same shapes", make.conditions({3, 4}), make.normal({3, 4}), make.normal({3, 4})),
          sample("long rows", make.conditions({2, 37}), make.normal({2, 37}), make.normal({2, 37})),
          sample("condition broadcast", make.conditions({3, 1}), make.normal({3, 4}), make.normal({3, 4})),
          sample("values broadcast", make.conditions({3, 4}), make.normal({}), make.normal({4})),
          sample("all broadcast", make.conditions({2, 1, 1}), make.normal({3, 1}), make.normal({4})),
          sample("numbers", make.conditions({}), make.normal({}), make.normal({})),
          sample("empty", make.conditions({0, 2}), make.normal({2}), make.normal({0, 2})),
          sample("int64", make.conditions({3, 4}), make.integers({3, 4}, -5, 5), make.integers({4}, -5, 5)),
          sample("bool", make.conditions({3, 4}), make.conditions({3, 4}), make.conditions({4}))};
}

std::vector<ErrorSample> where_errors() {
  return {{"condition", [] { where(zeros({2}), zeros({2}), zeros({2})); }, ErrorKind::dtype, "where: needs conditions"},
          {"dtypes", [] { where(zeros({2}, boolean), zeros({2}), zeros({2}, int64)); }, ErrorKind::dtype,
           "got float32 and int64"},
          {"shapes", [] { where(zeros({2}, boolean), zeros({3}), zeros({3})); }, ErrorKind::shape, "where"}};
}

std::vector<Sample> masked_fill_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Tensor& mask) {
    return Sample{.name = name,
                  .inputs = {x, mask},
                  .run = [](const TensorList& in) { return TensorList{masked_fill(in[0], in[1], -3.0)}; },
                  .reference =
                      [](const TensorList& in) {
                        return TensorList{naive_zip(in[0], in[1], in[0].dtype(),
                                                    [](double v, double hide) { return hide != 0 ? -3.0 : v; })};
                      }};
  };
  return {sample("same shapes", make.normal({3, 4}), make.conditions({3, 4})),
          sample("long rows", make.normal({2, 37}), make.conditions({2, 37})),
          sample("row", make.normal({3, 4}), make.conditions({4})),
          sample("column", make.normal({3, 4}), make.conditions({3, 1})),
          sample("number", make.normal({}), make.conditions({})),
          sample("empty", make.normal({0, 4}), make.conditions({4})),
          sample("int64", make.integers({3, 4}, 0, 9), make.conditions({4})),
          sample("bool", make.conditions({3, 4}), make.conditions({4}))};
}

std::vector<ErrorSample> masked_fill_errors() {
  return {{"mask", [] { masked_fill(zeros({2}), zeros({2}), 0.0); }, ErrorKind::dtype, "masked_fill: needs conditions"},
          {"mask larger than x",
           [] {
             masked_fill(zeros({2}), zeros({3, 2}, boolean), 0.0);
           },
           ErrorKind::shape, "masked_fill: the mask"},
          {"shapes", [] { masked_fill(zeros({2}), zeros({3}, boolean), 0.0); }, ErrorKind::shape, "masked_fill"},
          {"fraction on int64", [] { masked_fill(zeros({2}, int64), zeros({2}, boolean), 0.5); }, ErrorKind::argument,
           "masked_fill: the value"}};
}

}  // namespace

SampleList compare_samples() {
  return {
      {"equal", [](SampleMaker& make) { return equality_samples(make, equal, equal, is_equal); },
       equality_errors<equal>},
      {"not_equal", [](SampleMaker& make) { return equality_samples(make, not_equal, not_equal, is_not_equal); },
       equality_errors<not_equal>},
      {"less", [](SampleMaker& make) { return relation_samples(make, less, less, is_less); }, order_errors<less>},
      {"less_equal", [](SampleMaker& make) { return relation_samples(make, less_equal, less_equal, is_less_equal); },
       order_errors<less_equal>},
      {"greater", [](SampleMaker& make) { return relation_samples(make, greater, greater, is_greater); },
       order_errors<greater>},
      {"greater_equal",
       [](SampleMaker& make) { return relation_samples(make, greater_equal, greater_equal, is_greater_equal); },
       order_errors<greater_equal>},
      {"logical_and",
       [](SampleMaker& make) {
         return logic_samples(make, logical_and, [](double a, double b) { return a != 0 && b != 0; });
       },
       logic_errors<logical_and>},
      {"logical_or",
       [](SampleMaker& make) {
         return logic_samples(make, logical_or, [](double a, double b) { return a != 0 || b != 0; });
       },
       logic_errors<logical_or>},
      {"logical_xor", [](SampleMaker& make) { return logic_samples(make, logical_xor, is_not_equal); },
       logic_errors<logical_xor>},
      {"logical_not",
       [](SampleMaker& make) {
         return unary_samples([&](const Shape& shape) { return make.conditions(shape); }, logical_not,
                              [](double x) { return 1 - x; });
       },
       []() -> std::vector<ErrorSample> {
         return {{"dtype", [] { logical_not(zeros({2})); }, ErrorKind::dtype, "needs conditions; got float32"}};
       }},
      {"where", where_samples, where_errors},
      {"masked_fill", masked_fill_samples, masked_fill_errors}};
}

}  // namespace samples
