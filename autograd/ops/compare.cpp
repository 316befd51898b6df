#include "saw/autograd/ops/compare.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>

#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/pointwise_samples.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

using elementwise::map_tensors;
using kernels::cheap_grain;

// ---- comparisons ----

/// Calls f.operator()<T>() for the dtypes that the comparison knows: equality also knows bool.
template <bool ordered, class F>
void dispatch_comparable(const OpInfo& info, DType dtype, const F& f) {
  if constexpr (ordered)
    dispatch_numeric(info.name, dtype, f);
  else
    dispatch_all(dtype, f);
}

template <bool ordered, class Relation>
Tensor compare(const OpInfo& info, const Tensor& a, const Tensor& b, const Relation& relation) {
  check_same_dtype(info.name, a, b);
  const Tensor y = Tensor::empty(broadcast_shapes(info.name, a.shape(), b.shape()), boolean);
  dispatch_comparable<ordered>(info, a.dtype(),
                               [&]<class T>() { map_tensors<bool, T, T>(cheap_grain, relation, y, a, b); });
  return record_constant(info, y);
}

/// Floating elements are compared with the number in their own precision (so that 0.1 equals a float32 0.1), int64
/// with the number as it is.
template <bool ordered, class Relation>
Tensor compare(const OpInfo& info, const Tensor& a, double number, const Relation& relation) {
  const Tensor y = Tensor::empty(a.shape(), boolean);
  dispatch_comparable<ordered>(info, a.dtype(), [&]<class T>() {
    using Common = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const auto right = static_cast<Common>(number);
    map_tensors<bool, T>(
        cheap_grain, [&relation, right](T left) { return relation(static_cast<Common>(left), right); }, y, a);
  });
  return record_constant(info, y);
}

// ---- logic ----

void check_bool(const OpInfo& info, const Tensor& x) {
  if (x.dtype() != boolean)
    fail(ErrorKind::dtype, "{}: needs conditions; got {}; expected bool; make one with a comparison", info.name,
         x.dtype());
}

template <class Relation>
Tensor combine(const OpInfo& info, const Tensor& a, const Tensor& b, const Relation& relation) {
  check_bool(info, a);
  check_bool(info, b);
  const Tensor y = Tensor::empty(broadcast_shapes(info.name, a.shape(), b.shape()), boolean);
  map_tensors<bool, bool, bool>(cheap_grain, relation, y, a, b);
  return record_constant(info, y);
}

// ---- samples ----

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

const OpInfo equal_info{"equal", "a = b", false,
                        [](SampleMaker& make) { return equality_samples(make, equal, equal, is_equal); },
                        equality_errors<equal>};
const OpInfo not_equal_info{
    "not_equal", "a ≠ b", false,
    [](SampleMaker& make) { return equality_samples(make, not_equal, not_equal, is_not_equal); },
    equality_errors<not_equal>};
const OpInfo less_info{"less", "a < b", false,
                       [](SampleMaker& make) { return relation_samples(make, less, less, is_less); },
                       order_errors<less>};
const OpInfo less_equal_info{
    "less_equal", "a ≤ b", false,
    [](SampleMaker& make) { return relation_samples(make, less_equal, less_equal, is_less_equal); },
    order_errors<less_equal>};
const OpInfo greater_info{"greater", "a > b", false,
                          [](SampleMaker& make) { return relation_samples(make, greater, greater, is_greater); },
                          order_errors<greater>};
const OpInfo greater_equal_info{
    "greater_equal", "a ≥ b", false,
    [](SampleMaker& make) { return relation_samples(make, greater_equal, greater_equal, is_greater_equal); },
    order_errors<greater_equal>};

const OpInfo logical_and_info{"logical_and", "a ∧ b", false,
                              [](SampleMaker& make) {
                                return logic_samples(make, logical_and,
                                                     [](double a, double b) { return a != 0 && b != 0; });
                              },
                              logic_errors<logical_and>};
const OpInfo logical_or_info{"logical_or", "a ∨ b", false,
                             [](SampleMaker& make) {
                               return logic_samples(make, logical_or,
                                                    [](double a, double b) { return a != 0 || b != 0; });
                             },
                             logic_errors<logical_or>};
const OpInfo logical_xor_info{"logical_xor", "a ⊕ b", false,
                              [](SampleMaker& make) { return logic_samples(make, logical_xor, is_not_equal); },
                              logic_errors<logical_xor>};
const OpInfo logical_not_info{
    "logical_not", "¬x", false,
    [](SampleMaker& make) {
      return unary_samples([&](const Shape& shape) { return make.conditions(shape); }, logical_not,
                           [](double x) { return 1 - x; });
    },
    []() -> std::vector<ErrorSample> {
      return {{"dtype", [] { logical_not(zeros({2})); }, ErrorKind::dtype, "needs conditions; got float32"}};
    }};

// ---- where, masked_fill ----

/// c ? a : b, by bits: conditions are hard to predict, and a branch that is mispredicted costs more than all the rest.
template <class T>
T chosen(bool c, T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == 1, std::uint8_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;
  const auto mask = static_cast<Bits>(-static_cast<Bits>(c));
  const auto bits = (std::bit_cast<Bits>(a) & mask) | (std::bit_cast<Bits>(b) & static_cast<Bits>(~mask));
  return std::bit_cast<T>(static_cast<Bits>(bits));
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

const OpInfo where_info{"where", "a where the condition holds, else b", true, where_samples, where_errors};

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

const OpInfo masked_fill_info{"masked_fill", "value where the mask holds, else x", true, masked_fill_samples,
                              masked_fill_errors};

}  // namespace

Tensor equal(const Tensor& a, const Tensor& b) { return compare<false>(equal_info, a, b, is_equal); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return compare<false>(not_equal_info, a, b, is_not_equal); }
Tensor less(const Tensor& a, const Tensor& b) { return compare<true>(less_info, a, b, is_less); }
Tensor less_equal(const Tensor& a, const Tensor& b) { return compare<true>(less_equal_info, a, b, is_less_equal); }
Tensor greater(const Tensor& a, const Tensor& b) { return compare<true>(greater_info, a, b, is_greater); }
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return compare<true>(greater_equal_info, a, b, is_greater_equal);
}
Tensor equal(const Tensor& a, double b) { return compare<false>(equal_info, a, b, is_equal); }
Tensor not_equal(const Tensor& a, double b) { return compare<false>(not_equal_info, a, b, is_not_equal); }
Tensor less(const Tensor& a, double b) { return compare<true>(less_info, a, b, is_less); }
Tensor less_equal(const Tensor& a, double b) { return compare<true>(less_equal_info, a, b, is_less_equal); }
Tensor greater(const Tensor& a, double b) { return compare<true>(greater_info, a, b, is_greater); }
Tensor greater_equal(const Tensor& a, double b) { return compare<true>(greater_equal_info, a, b, is_greater_equal); }

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return combine(logical_and_info, a, b, [](bool p, bool q) { return p && q; });
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return combine(logical_or_info, a, b, [](bool p, bool q) { return p || q; });
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return combine(logical_xor_info, a, b, [](bool p, bool q) { return p != q; });
}
Tensor logical_not(const Tensor& x) {
  check_bool(logical_not_info, x);
  const Tensor y = Tensor::empty(x.shape(), boolean);
  map_tensors<bool, bool>(
      cheap_grain, [](bool p) { return !p; }, y, x);
  return record_constant(logical_not_info, y);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check_bool(where_info, condition);
  check_same_dtype(where_info.name, a, b);
  const Shape shape = broadcast_shapes("where", condition.shape(), broadcast_shapes("where", a.shape(), b.shape()));
  const Tensor y = Tensor::empty(shape, a.dtype());
  dispatch_all(a.dtype(), [&]<class T>() {
    map_tensors<T, bool, T, T>(
        cheap_grain, [](bool c, T p, T q) { return chosen(c, p, q); }, y, condition, a, b);
  });
  return record(where_info, {a, b}, y, [&] {
    Gradient gradient;
    gradient.saved = {condition};
    gradient.backward = [](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      const Tensor mask = context.saved(0);
      return {context.needs_grad(0) ? masked_fill(g, logical_not(mask), 0.0) : Tensor(),
              context.needs_grad(1) ? masked_fill(g, mask, 0.0) : Tensor()};
    };
    gradient.plain = true;
    return gradient;
  });
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  check_bool(masked_fill_info, mask);
  if (broadcast_shapes("masked_fill", mask.shape(), x.shape()) != x.shape())
    fail(ErrorKind::shape, "masked_fill: the mask does not broadcast to the tensor; got {}; expected {}", mask.shape(),
         x.shape());
  if (x.dtype() == int64 && std::trunc(value) != value)
    fail(ErrorKind::argument, "masked_fill: the value for int64 elements is not an integer; got {}", value);
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_all(x.dtype(), [&]<class T>() {
    const T fill = static_cast<T>(value);
    map_tensors<T, T, bool>(
        cheap_grain, [fill](T v, bool hide) { return chosen(hide, fill, v); }, y, x, mask);
  });
  return record(masked_fill_info, {x}, y, [&] {
    Gradient gradient;
    gradient.saved = {mask};
    gradient.backward = [](const BackwardContext& context) -> TensorList {
      return {masked_fill(context.grad_output(), context.saved(0), 0.0)};
    };
    gradient.plain = true;
    return gradient;
  });
}

bool all_close(const Tensor& a, const Tensor& b, double relative, double absolute) {
  check_same_dtype("all_close", a, b);
  if (a.shape() != b.shape()) return false;
  const NoGradGuard no_grad;
  const Tensor left = a.contiguous(), right = b.contiguous();
  return dispatch_all(a.dtype(), [&]<class T>() {
    const T* p = left.data<T>();
    const T* q = right.data<T>();
    for (std::int64_t i = 0; i < left.numel(); ++i) {
      if (p[i] == q[i]) continue;  // infinities too
      const double expected = static_cast<double>(q[i]);
      // An infinite bound would let everything pass; a NaN fails the comparison.
      if (std::isinf(expected) ||
          !(std::fabs(static_cast<double>(p[i]) - expected) <= absolute + relative * std::fabs(expected)))
        return false;
    }
    return true;
  });
}

OpList compare_ops() {
  return {&equal_info,       &not_equal_info,  &less_info,        &less_equal_info,  &greater_info, &greater_equal_info,
          &logical_and_info, &logical_or_info, &logical_xor_info, &logical_not_info, &where_info,   &masked_fill_info};
}

}  // namespace saw
