#include "saw/autograd/ops/compare.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/elementwise_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/map_tensors.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

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
    if constexpr (std::is_same_v<T, std::int64_t>)
      if (std::trunc(number) == number && std::fabs(number) < 0x1p63) {  // not through a double, which skips integers
        const auto whole = static_cast<std::int64_t>(number);
        map_tensors<bool, T>(
            cheap_grain, [&relation, whole](T left) { return relation(left, whole); }, y, a);
        return;
      }
    using Common = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const auto right = static_cast<Common>(number);
    map_tensors<bool, T>(
        cheap_grain,
        [&relation, right](T left) {
          // A number beyond int64 lies on one side of all of them, also of the largest, which a double rounds up to it.
          if constexpr (std::is_same_v<T, std::int64_t>)
            if (right >= 0x1p63) return relation(Common(0), Common(1));
          return relation(static_cast<Common>(left), right);
        },
        y, a);
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

/// relation(a, b) of doubles and of every element type, as one object.
constexpr auto is_equal = [](auto a, auto b) { return a == b; };
constexpr auto is_not_equal = [](auto a, auto b) { return a != b; };
constexpr auto is_less = [](auto a, auto b) { return a < b; };
constexpr auto is_less_equal = [](auto a, auto b) { return a <= b; };
constexpr auto is_greater = [](auto a, auto b) { return a > b; };
constexpr auto is_greater_equal = [](auto a, auto b) { return a >= b; };

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

const OpInfo equal_info{"equal", "a = b", false};
const OpInfo not_equal_info{"not_equal", "a ≠ b", false};
const OpInfo less_info{"less", "a < b", false};
const OpInfo less_equal_info{"less_equal", "a ≤ b", false};
const OpInfo greater_info{"greater", "a > b", false};
const OpInfo greater_equal_info{"greater_equal", "a ≥ b", false};
const OpInfo logical_and_info{"logical_and", "a ∧ b", false};
const OpInfo logical_or_info{"logical_or", "a ∨ b", false};
const OpInfo logical_xor_info{"logical_xor", "a ⊕ b", false};
const OpInfo logical_not_info{"logical_not", "¬x", false};
const OpInfo where_info{"where", "a where the condition holds, else b", true};
const OpInfo masked_fill_info{"masked_fill", "value where the mask holds, else x", true};

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
  return combine(logical_and_info, a, b, [](std::uint8_t p, std::uint8_t q) { return p & q; });
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return combine(logical_or_info, a, b, [](std::uint8_t p, std::uint8_t q) { return p | q; });
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return combine(logical_xor_info, a, b, [](std::uint8_t p, std::uint8_t q) { return p ^ q; });
}
Tensor logical_not(const Tensor& x) {
  check_bool(logical_not_info, x);
  const Tensor y = Tensor::empty(x.shape(), boolean);
  map_tensors<bool, bool>(
      cheap_grain, [](std::uint8_t p) { return p ^ 1; }, y, x);
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
    return Gradient::of_ops({condition}, [](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      const Tensor mask = context.saved(0);
      return {context.needs_grad(0) ? masked_fill(g, logical_not(mask), 0.0) : Tensor(),
              context.needs_grad(1) ? masked_fill(g, mask, 0.0) : Tensor()};
    });
  });
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  check_bool(masked_fill_info, mask);
  if (broadcast_shapes("masked_fill", mask.shape(), x.shape()) != x.shape())
    fail(ErrorKind::shape, "masked_fill: the mask does not broadcast to the tensor; got {}; expected {}", mask.shape(),
         x.shape());
  if (x.dtype() == int64 && !(std::trunc(value) == value && std::fabs(value) < 0x1p63))
    fail(ErrorKind::argument, "masked_fill: the value for int64 elements is not an integer of their range; got {}",
         value);
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_all(x.dtype(), [&]<class T>() {
    const T fill = static_cast<T>(value);
    map_tensors<T, T, bool>(
        cheap_grain, [fill](T v, bool hide) { return chosen(hide, fill, v); }, y, x, mask);
  });
  return record(masked_fill_info, {x}, y, [&] {
    return Gradient::of_ops({mask}, [](const BackwardContext& context) -> TensorList {
      return {masked_fill(context.grad_output(), context.saved(0), 0.0)};
    });
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
