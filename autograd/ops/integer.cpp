#include "saw/autograd/ops/integer.h"

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/elementwise.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/tape/internal/in_place.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- what all have in common ----

void check_operands(const OpInfo& info, const Tensor& a, const Tensor& b) {
  for (const Tensor& x : {a, b})
    if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", info.name);
  if (a.dtype() != b.dtype())
    fail(ErrorKind::dtype, "{}: the dtypes differ; got {} and {}; expected equal ones; convert with to()", info.name,
         a.dtype(), b.dtype());
}

/// f of every pair of elements of type T, which are broadcast.
template <class T, class F>
void map_pairs(const Tensor& y, const Tensor& a, const Tensor& b, const F& f) {
  if (y.numel() == 0) return;
  const auto nest =
      kernels::make_loop_nest<3>(y.shape(), {y.strides(), kernels::broadcast_strides(a.shape(), a.strides(), y.shape()),
                                             kernels::broadcast_strides(b.shape(), b.strides(), y.shape())});
  kernels::map(nest, kernels::cheap_grain, f, y.mutable_data<T>(), a.data<T>(), b.data<T>());
}

Tensor result_of(const OpInfo& info, const Tensor& a, const Tensor& b) {
  check_operands(info, a, b);
  return Tensor::empty(broadcast_shapes(info.name, a.shape(), b.shape()), a.dtype());
}

Tensor beside(const OpInfo& info, const Tensor& x, Number number) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", info.name);
  return number_tensor(info.name, number, x.dtype());
}

/// Throws for the first element that `bad` does not like.
template <class Bad>
void check_elements(const OpInfo& info, const char* what, const Tensor& x, const Bad& bad) {
  const Tensor row_major = contiguous(x.detach());
  const std::int64_t* values = row_major.data<std::int64_t>();
  for (std::int64_t i = 0; i < x.numel(); ++i)
    if (bad(values[i]))
      fail(ErrorKind::argument, "{}: {}; got {} at position {}", info.name, what, values[i], unravel(i, x.shape()));
}

// ---- quotients and remainders ----

struct FloorDivide {
  std::int64_t operator()(std::int64_t a, std::int64_t b) const {
    // The one quotient that does not fit wraps around, as sums and products do.
    if (b == -1) return static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(a));
    const std::int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
  }
  template <class T>
  T operator()(T a, T b) const {
    if (b == T{0}) return a / b;
    const T left = std::fmod(a, b);
    // (a − left) / b is whole but for rounding; the nearest whole number is meant.
    T quotient = (a - left) / b;
    if (left != T{0} && (left < T{0}) != (b < T{0})) quotient -= T{1};
    if (quotient == T{0}) return std::copysign(T{0}, a / b);
    const T below = std::floor(quotient);
    return quotient - below > T{0.5} ? below + T{1} : below;
  }
};

struct Remainder {
  std::int64_t operator()(std::int64_t a, std::int64_t b) const {
    if (b == -1) return 0;
    const std::int64_t left = a % b;
    return left != 0 && (left < 0) != (b < 0) ? left + b : left;
  }
  template <class T>
  T operator()(T a, T b) const {
    const T left = std::fmod(a, b);
    return left != T{0} && (left < T{0}) != (b < T{0}) ? left + b : left;
  }
};

template <class F>
Tensor divided(const OpInfo& info, const Tensor& a, const Tensor& b, const F& f) {
  const Tensor y = result_of(info, a, b);
  if (b.dtype() == int64) check_elements(info, "division by zero", b, [](std::int64_t v) { return v == 0; });
  dispatch_numeric(info.name, y.dtype(), [&]<class T>() { map_pairs<T>(y, a, b, f); });
  return y;
}

const OpInfo floor_divide_info{"floor_divide", "⌊a / b⌋", false};
const OpInfo remainder_info{"remainder", "a − b ⌊a / b⌋", true};

// ---- bits ----

template <class F>
Tensor bits(const OpInfo& info, const Tensor& a, const Tensor& b, const F& f) {
  const Tensor y = result_of(info, a, b);
  if (is_floating(y.dtype()))
    fail(ErrorKind::dtype, "{}: has no meaning for floating point elements; got {}; expected int64 or bool", info.name,
         y.dtype());
  if (y.dtype() == boolean)
    map_pairs<bool>(y, a, b, f);
  else
    map_pairs<std::int64_t>(y, a, b, f);
  return record_constant(info, y);
}

const OpInfo bitwise_and_info{"bitwise_and", "a and b, bit by bit", false};
const OpInfo bitwise_or_info{"bitwise_or", "a or b, bit by bit", false};
const OpInfo bitwise_xor_info{"bitwise_xor", "either a or b, bit by bit", false};
const OpInfo bitwise_not_info{"bitwise_not", "not x, bit by bit", false};
const OpInfo bitwise_left_shift_info{"bitwise_left_shift", "a 2ᵇ", false};
const OpInfo bitwise_right_shift_info{"bitwise_right_shift", "⌊a / 2ᵇ⌋", false};

constexpr auto bit_and = [](auto a, auto b) { return static_cast<decltype(a)>(a & b); };
constexpr auto bit_or = [](auto a, auto b) { return static_cast<decltype(a)>(a | b); };
constexpr auto bit_xor = [](auto a, auto b) { return static_cast<decltype(a)>(a ^ b); };

template <class F>
Tensor shifted(const OpInfo& info, const Tensor& a, const Tensor& b, const F& f) {
  const Tensor y = result_of(info, a, b);
  if (y.dtype() != int64) fail(ErrorKind::dtype, "{}: shifts bits of int64; got {}", info.name, y.dtype());
  check_elements(info, "a shift lies outside 0 … 63", b, [](std::int64_t v) { return v < 0 || v > 63; });
  map_pairs<std::int64_t>(y, a, b, f);
  return record_constant(info, y);
}

}  // namespace

Tensor floor_divide(const Tensor& a, const Tensor& b) {
  return record_constant(floor_divide_info, divided(floor_divide_info, a, b, FloorDivide{}));
}
Tensor floor_divide(const Tensor& a, Number b) { return floor_divide(a, beside(floor_divide_info, a, b)); }
Tensor floor_divide(Number a, const Tensor& b) { return floor_divide(beside(floor_divide_info, b, a), b); }

Tensor remainder(const Tensor& a, const Tensor& b) {
  return record(remainder_info, {a, b}, divided(remainder_info, a, b, Remainder{}), [&] {
    const TensorList saved = b.requires_grad() ? TensorList{a, b} : TensorList{};
    return Gradient::of_ops(saved, [](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      if (!context.needs_grad(1)) return {g, Tensor()};
      return {g, -(g * floor_divide(context.saved(0), context.saved(1)))};
    });
  });
}
Tensor remainder(const Tensor& a, Number b) { return remainder(a, beside(remainder_info, a, b)); }
Tensor remainder(Number a, const Tensor& b) { return remainder(beside(remainder_info, b, a), b); }

Tensor bitwise_and(const Tensor& a, const Tensor& b) { return bits(bitwise_and_info, a, b, bit_and); }
Tensor bitwise_and(const Tensor& a, Number b) { return bitwise_and(a, beside(bitwise_and_info, a, b)); }
Tensor bitwise_or(const Tensor& a, const Tensor& b) { return bits(bitwise_or_info, a, b, bit_or); }
Tensor bitwise_or(const Tensor& a, Number b) { return bitwise_or(a, beside(bitwise_or_info, a, b)); }
Tensor bitwise_xor(const Tensor& a, const Tensor& b) { return bits(bitwise_xor_info, a, b, bit_xor); }
Tensor bitwise_xor(const Tensor& a, Number b) { return bitwise_xor(a, beside(bitwise_xor_info, a, b)); }

Tensor bitwise_not(const Tensor& x) {
  if (!x.defined()) fail(ErrorKind::argument, "bitwise_not: the tensor is undefined; expected one with data");
  // All bits set, which for a bool is true.
  const Tensor ones = x.dtype() == boolean ? number_tensor("bitwise_not", true, boolean)
                      : x.dtype() == int64 ? number_tensor("bitwise_not", -1, int64)
                                           : x;
  return bits(bitwise_not_info, x, ones, bit_xor);
}

Tensor bitwise_left_shift(const Tensor& a, const Tensor& b) {
  return shifted(bitwise_left_shift_info, a, b, [](std::int64_t v, std::int64_t n) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << n);
  });
}
Tensor bitwise_left_shift(const Tensor& a, Number b) {
  return bitwise_left_shift(a, beside(bitwise_left_shift_info, a, b));
}
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b) {
  return shifted(bitwise_right_shift_info, a, b, [](std::int64_t v, std::int64_t n) { return v >> n; });
}
Tensor bitwise_right_shift(const Tensor& a, Number b) {
  return bitwise_right_shift(a, beside(bitwise_right_shift_info, a, b));
}

OpList integer_ops() {
  return {&floor_divide_info, &remainder_info,   &bitwise_and_info,        &bitwise_or_info,
          &bitwise_xor_info,  &bitwise_not_info, &bitwise_left_shift_info, &bitwise_right_shift_info};
}

}  // namespace saw
