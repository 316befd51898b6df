// Tensor's changes in place.

#include <cmath>
#include <limits>
#include <type_traits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/kernels/elementwise.h"
#include "saw/autograd/kernels/vector_math.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/internal/in_place.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

void check_in_place(const char* op, const Tensor& target, const Tensor& source) {
  if (is_grad_enabled() && target.requires_grad())
    fail(ErrorKind::autograd,
         "{}: a tensor of shape {} that requires a gradient would change in place; do it under NoGradGuard", op,
         target.shape());
  if (is_grad_enabled() && source.defined() && source.requires_grad())
    fail(ErrorKind::autograd,
         "{}: values of shape {} that require a gradient would lose it; detach() them, or do it under NoGradGuard", op,
         source.shape());
  for (std::size_t axis = 0; axis < target.rank(); ++axis)
    if (target.shape()[axis] > 1 && target.strides()[axis] == 0 && target.numel() > 0)
      fail(
          ErrorKind::argument,
          "{}: elements along axis {} of shape {} are one and the same in memory; change the tensor that was expanded, "
          "or a clone()",
          op, axis, target.shape());
}

Tensor expanded_to(const char* op, const Tensor& source, const Shape& shape, DType dtype) {
  if (source.dtype() != dtype)
    fail(ErrorKind::dtype, "{}: dtypes differ; got {}; expected {}; convert with to()", op, source.dtype(), dtype);
  if (broadcast_shapes(op, source.shape(), shape) != shape)
    fail(ErrorKind::shape, "{}: the source does not broadcast to the destination; got {}; expected {}", op,
         source.shape(), shape);
  const NoGradGuard no_grad;
  return expand(source.detach(), shape);
}

Tensor number_tensor(const char* op, Number number, DType dtype) {
  const Tensor result = Tensor::empty({}, dtype);
  dispatch_all(dtype, [&]<class T>() { *result.mutable_data<T>() = number.element<T>(op); });
  return result;
}

namespace {

/// target = f(target, other) element by element, where every operand has element type T; A is that of `other`.
template <class T, class A, class F>
void update(const Tensor& target, const Tensor& other, const F& f) {
  T* to = target.mutable_data<T>();
  if (target.numel() == 0) return;
  const A* from = other.data<A>();
  const auto nest = kernels::make_loop_nest<2>(target.shape(), {target.strides(), other.strides()});
  const std::int64_t step = nest.inner_stride(0), other_step = nest.inner_stride(1);
  kernels::for_each_row(nest, kernels::cheap_grain, [&](const auto& at, std::int64_t n) {
    T* y = to + at[0];
    const A* v = from + at[1];
    if (step == 1 && other_step == 1) {
      for (std::int64_t i = 0; i < n; ++i) y[i] = f(y[i], v[i]);
    } else if (step == 1 && other_step == 0) {
      const A value = *v;
      for (std::int64_t i = 0; i < n; ++i) y[i] = f(y[i], value);
    } else {
      for (std::int64_t i = 0; i < n; ++i) y[i * step] = f(y[i * step], v[i * other_step]);
    }
  });
}

/// `other` expanded to the target, in memory that the target's changes do not reach, unless both are one view.
Tensor operand(const char* op, const Tensor& target, const Tensor& other, DType dtype) {
  const Tensor expanded = expanded_to(op, other, target.shape(), dtype);
  const bool same_view = expanded.offset() == target.offset() && expanded.strides() == target.strides();
  return expanded.storage() != target.storage() || same_view ? expanded : clone(expanded);
}

template <class F>
const Tensor& arithmetic(const char* op, const Tensor& target, const Tensor& other, const F& f) {
  check_in_place(op, target, other);
  const Tensor values = operand(op, target, other, target.dtype());
  dispatch_numeric(op, target.dtype(), [&]<class T>() { update<T, T>(target, values, f); });
  return target;
}

template <class F>
const Tensor& arithmetic(const char* op, const Tensor& target, Number number, const F& f) {
  return arithmetic(op, target, number_tensor(op, number, target.dtype()), f);
}

void check_divisible(const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "div_: the quotient is no {}; expected float32 or float64; take floor_divide, or to() first",
         x.dtype());
}

/// Sums and products of int64 wrap around, as everywhere; signed overflow would be undefined.
template <class T>
auto wrapping(T x) {
  if constexpr (std::is_same_v<T, std::int64_t>)
    return static_cast<std::uint64_t>(x);
  else
    return x;
}

constexpr auto plus = [](auto a, auto b) { return static_cast<decltype(a)>(wrapping(a) + wrapping(b)); };
constexpr auto minus = [](auto a, auto b) { return static_cast<decltype(a)>(wrapping(a) - wrapping(b)); };
constexpr auto times = [](auto a, auto b) { return static_cast<decltype(a)>(wrapping(a) * wrapping(b)); };

}  // namespace

const Tensor& Tensor::fill_(Number value) const {
  check_in_place("fill_", *this);
  return copy_(number_tensor("fill_", value, dtype()));
}

const Tensor& Tensor::zero_() const {
  check_in_place("zero_", *this);
  return copy_(number_tensor("zero_", 0, dtype()));
}

const Tensor& Tensor::copy_(const Tensor& source) const {
  check_in_place("copy_", *this, source);
  const Tensor expanded = expanded_to("copy_", source, shape(), dtype());
  // Overlapping views of one storage would be read while they are written.
  const Tensor distinct = source.storage() == storage() ? saw::clone(expanded) : expanded;
  strided_copy(dtype(), distinct.data(dtype()), distinct.strides(), mutable_data(dtype()), strides(), shape());
  return *this;
}

const Tensor& Tensor::add_(const Tensor& other, double scale) const {
  check_in_place("add_", *this, other);
  const Tensor values = operand("add_", *this, other, dtype());
  if (dtype() == float32 && is_contiguous() && values.is_contiguous()) {
    float* to = mutable_data<float>();
    const float* from = values.data<float>();
    parallel_for(0, numel(), 32768, [&](std::int64_t begin, std::int64_t end) {
      const auto count = static_cast<std::size_t>(end - begin);
      kernels::axpy(static_cast<float>(scale), {from + begin, count}, {to + begin, count});
    });
    return *this;
  }
  if (scale == 1.0) return arithmetic("add_", *this, values, plus);
  dispatch_numeric("add_", dtype(), [&]<class T>() {
    const T factor = Number(scale).element<T>("add_");
    update<T, T>(*this, values, [factor](T a, T b) { return plus(a, times(factor, b)); });
  });
  return *this;
}

const Tensor& Tensor::add_(Number number) const { return arithmetic("add_", *this, number, plus); }
const Tensor& Tensor::sub_(const Tensor& other) const { return arithmetic("sub_", *this, other, minus); }
const Tensor& Tensor::sub_(Number number) const { return arithmetic("sub_", *this, number, minus); }
const Tensor& Tensor::mul_(const Tensor& factor) const { return arithmetic("mul_", *this, factor, times); }

const Tensor& Tensor::mul_(Number factor) const {
  if (dtype() != float32 || !is_contiguous()) return arithmetic("mul_", *this, factor, times);
  check_in_place("mul_", *this);
  float* values = mutable_data<float>();
  const float scale = factor.element<float>("mul_");
  parallel_for(0, numel(), 32768, [&](std::int64_t begin, std::int64_t end) {
    kernels::scale(scale, {values + begin, static_cast<std::size_t>(end - begin)});
  });
  return *this;
}

const Tensor& Tensor::div_(const Tensor& divisor) const {
  check_divisible(*this);
  return arithmetic("div_", *this, divisor, [](auto a, auto b) {
    if constexpr (std::is_floating_point_v<decltype(a)>)
      return a / b;
    else
      return a;
  });
}

const Tensor& Tensor::div_(Number divisor) const {
  check_divisible(*this);
  return div_(number_tensor("div_", divisor, dtype()));
}

const Tensor& Tensor::clamp_(Number low, Number high) const {
  check_in_place("clamp_", *this);
  dispatch_numeric("clamp_", dtype(), [&]<class T>() {
    const T least = low.element<T>("clamp_"), most = high.element<T>("clamp_");
    if (!(least <= most))
      fail(ErrorKind::argument, "clamp_: low must not lie above high; got low {}, high {}", least, most);
    update<T, T>(*this, *this, [least, most](T x, T) { return x < least ? least : x > most ? most : x; });
  });
  return *this;
}

const Tensor& Tensor::masked_fill_(const Tensor& mask, Number value) const {
  check_in_place("masked_fill_", *this);
  if (mask.dtype() != boolean)
    fail(ErrorKind::dtype, "masked_fill_: the mask must be bool; got {}; make one with a comparison", mask.dtype());
  const Tensor holds = operand("masked_fill_", *this, mask, boolean);
  dispatch_all(dtype(), [&]<class T>() {
    const T chosen = value.element<T>("masked_fill_");
    update<T, bool>(*this, holds, [chosen](T x, bool hit) { return hit ? chosen : x; });
  });
  return *this;
}

}  // namespace saw
