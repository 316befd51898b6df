#include "saw/autograd/kernels/vector_math.h"

#include <cassert>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/vector_math.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace {

using Floats = hn::ScalableTag<float>;
using V = hn::Vec<Floats>;

constexpr float half_sqrt2 = 0.70710678f;        // √½
constexpr float inverse_sqrt_2pi = 0.39894228f;  // 1/√(2π)
constexpr float two_over_sqrt_pi = 1.1283792f;
constexpr float sqrt_2_over_pi = 0.79788456f;
constexpr float gelu_cubic = 0.044715f;

HWY_INLINE V number(float value) { return hn::Set(Floats(), value); }

/// √(2/π)(x + 0.044715x³), the argument of tanh in GELU's approximation.
HWY_INLINE V gelu_inner(V x) {
  const V cubic = hn::Mul(number(gelu_cubic), hn::Mul(x, x));
  return hn::Mul(number(sqrt_2_over_pi), hn::MulAdd(cubic, x, x));
}

/// y[i] = f(x[i]).
template <class F>
HWY_INLINE void map_row(const float* x, float* y, std::size_t n, F f) {
  for_row(Floats(), n, [&](auto at) HWY_ATTR { at.store(f(at.load(x)), y); });
}

/// y[i] = f(a[i], b[i]).
template <class F>
HWY_INLINE void zip_row(const float* a, const float* b, float* y, std::size_t n, F f) {
  for_row(Floats(), n, [&](auto at) HWY_ATTR { at.store(f(at.load(a), at.load(b)), y); });
}

void run_function(Function function, const float* x, float* y, std::size_t n, float parameter) {
  const Floats d;
  const V one = number(1.0f);
  const V half = number(0.5f);
  const V p = number(parameter);
  switch (function) {
    case Function::exp:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return exp(d, v); });
    case Function::log:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return log(d, v); });
    case Function::tanh:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return tanh(d, v); });
    case Function::sigmoid:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return sigmoid(d, v); });
    case Function::erf:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return erf(d, v); });
    case Function::sqrt:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::Sqrt(v); });
    case Function::rsqrt:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::Div(one, hn::Sqrt(v)); });
    case Function::reciprocal:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::Div(one, v); });
    case Function::square:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::Mul(v, v); });
    case Function::relu:  // a comparison with NaN is false: NaN stays
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v); });
    case Function::leaky_relu:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::IfThenElse(hn::Lt(v, hn::Zero(d)), hn::Mul(p, v), v); });
    case Function::elu:
      return map_row(x, y, n, [=](V v) HWY_ATTR {
        const auto negative = hn::Lt(v, hn::Zero(d));
        return hn::IfThenElse(negative, hn::Mul(p, hn::Expm1(d, hn::IfThenElseZero(negative, v))), v);
      });
    case Function::gelu_erf:
      return map_row(x, y, n, [=](V v) HWY_ATTR {
        const V half_v = hn::Mul(half, v);
        return hn::MulAdd(half_v, erf(d, hn::Mul(v, number(half_sqrt2))), half_v);
      });
    case Function::gelu_tanh:
      return map_row(x, y, n, [=](V v) HWY_ATTR {
        const V half_v = hn::Mul(half, v);
        return hn::MulAdd(half_v, tanh(d, gelu_inner(v)), half_v);
      });
    case Function::silu:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return hn::Mul(v, sigmoid(d, v)); });
    case Function::softplus:
      return map_row(x, y, n, [=](V v) HWY_ATTR { return softplus(d, v); });
  }
}

void run_gradient(Function function, const float* grad, const float* saved, float* result, std::size_t n,
                  float parameter) {
  const Floats d;
  const V one = number(1.0f);
  const V half = number(0.5f);
  const V p = number(parameter);
  // g: gradient of the output; s: what was saved.
  switch (function) {
    case Function::exp:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Mul(g, s); });
    case Function::log:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Div(g, s); });
    case Function::tanh:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Mul(g, hn::NegMulAdd(s, s, one)); });
    case Function::sigmoid:
      return zip_row(grad, saved, result, n,
                     [=](V g, V s) HWY_ATTR { return hn::Mul(hn::Mul(g, s), hn::Sub(one, s)); });
    case Function::erf:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR {
        return hn::Mul(hn::Mul(g, number(two_over_sqrt_pi)), exp(d, hn::Neg(hn::Mul(s, s))));
      });
    case Function::sqrt:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Div(hn::Mul(half, g), s); });
    case Function::rsqrt:
      return zip_row(grad, saved, result, n,
                     [=](V g, V s) HWY_ATTR { return hn::Mul(hn::Mul(number(-0.5f), hn::Mul(g, s)), hn::Mul(s, s)); });
    case Function::reciprocal:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Mul(hn::Neg(hn::Mul(g, s)), s); });
    case Function::square:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Mul(hn::Add(g, g), s); });
    case Function::relu:
      return zip_row(grad, saved, result, n,
                     [=](V g, V s) HWY_ATTR { return hn::IfThenElseZero(hn::Gt(s, hn::Zero(d)), g); });
    case Function::leaky_relu:
      return zip_row(grad, saved, result, n,
                     [=](V g, V s) HWY_ATTR { return hn::IfThenElse(hn::Gt(s, hn::Zero(d)), g, hn::Mul(g, p)); });
    case Function::elu:  // αeˣ = y + α
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR {
        return hn::IfThenElse(hn::Gt(s, hn::Zero(d)), g, hn::Mul(g, hn::Add(s, p)));
      });
    case Function::gelu_erf:  // Φ(x) + xφ(x)
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR {
        const V cumulative = hn::MulAdd(half, erf(d, hn::Mul(s, number(half_sqrt2))), half);
        const V density = hn::Mul(number(inverse_sqrt_2pi), exp(d, hn::Mul(hn::Mul(number(-0.5f), s), s)));
        return hn::Mul(g, hn::MulAdd(s, density, cumulative));
      });
    case Function::gelu_tanh:  // (1+t)/2 + x(1−t²)/2 · √(2/π)(1 + 3·0.044715x²)
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR {
        const V t = tanh(d, gelu_inner(s));
        const V slope = hn::Mul(number(sqrt_2_over_pi), hn::MulAdd(number(3 * gelu_cubic), hn::Mul(s, s), one));
        const V bend = hn::Mul(hn::Mul(hn::Mul(half, s), hn::NegMulAdd(t, t, one)), slope);
        return hn::Mul(g, hn::Add(hn::MulAdd(half, t, half), bend));
      });
    case Function::silu:  // σ(1 + x(1−σ))
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR {
        const V gate = sigmoid(d, s);
        return hn::Mul(g, hn::Mul(gate, hn::MulAdd(s, hn::Sub(one, gate), one)));
      });
    case Function::softplus:
      return zip_row(grad, saved, result, n, [=](V g, V s) HWY_ATTR { return hn::Mul(g, sigmoid(d, s)); });
  }
}

template <class F>
HWY_INLINE void run_operands(const float* a, bool repeat_a, const float* b, bool repeat_b, float* y, std::size_t n,
                             F f) {
  if (repeat_a && repeat_b) {
    const V value = f(number(*a), number(*b));
    for_row(Floats(), n, [=](auto at) HWY_ATTR { at.store(value, y); });
  } else if (repeat_b) {
    const V right = number(*b);
    map_row(a, y, n, [=](V left) HWY_ATTR { return f(left, right); });
  } else if (repeat_a) {
    const V left = number(*a);
    map_row(b, y, n, [=](V right) HWY_ATTR { return f(left, right); });
  } else {
    zip_row(a, b, y, n, f);
  }
}

void run_arithmetic(Arithmetic operation, const float* a, bool repeat_a, const float* b, bool repeat_b, float* y,
                    std::size_t n) {
  const auto run = [=](auto f) HWY_ATTR { run_operands(a, repeat_a, b, repeat_b, y, n, f); };
  switch (operation) {
    case Arithmetic::add:
      return run([](V left, V right) HWY_ATTR { return hn::Add(left, right); });
    case Arithmetic::sub:
      return run([](V left, V right) HWY_ATTR { return hn::Sub(left, right); });
    case Arithmetic::mul:
      return run([](V left, V right) HWY_ATTR { return hn::Mul(left, right); });
    case Arithmetic::div:
      return run([](V left, V right) HWY_ATTR { return hn::Div(left, right); });
  }
}

void run_affine(const float* x, float factor, float offset, float* y, std::size_t n) {
  const V slope = number(factor);
  const V shift = number(offset);
  map_row(x, y, n, [=](V v) HWY_ATTR { return hn::MulAdd(v, slope, shift); });
}

void run_axpy(float a, const float* x, float* y, std::size_t n) {
  const V factor = number(a);
  zip_row(x, y, y, n, [=](V v, V sum) HWY_ATTR { return hn::MulAdd(factor, v, sum); });
}

void run_scale(float factor, float* y, std::size_t n) {
  const V slope = number(factor);
  map_row(y, y, n, [=](V v) HWY_ATTR { return hn::Mul(v, slope); });
}

void run_fill(float value, float* y, std::size_t n) {
  const V v = number(value);
  for_row(Floats(), n, [=](auto at) HWY_ATTR { at.store(v, y); });
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace saw::kernels {

HWY_EXPORT(run_function);
HWY_EXPORT(run_gradient);
HWY_EXPORT(run_arithmetic);
HWY_EXPORT(run_affine);
HWY_EXPORT(run_axpy);
HWY_EXPORT(run_scale);
HWY_EXPORT(run_fill);
HWY_EXPORT(target_name);

void apply(Function function, std::span<const float> x, std::span<float> y, float parameter) {
  assert(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(run_function)(function, x.data(), y.data(), y.size(), parameter);
}

void apply_gradient(Function function, std::span<const float> grad, std::span<const float> saved,
                    std::span<float> result, float parameter) {
  assert(grad.size() == result.size() && saved.size() == result.size());
  HWY_DYNAMIC_DISPATCH(run_gradient)(function, grad.data(), saved.data(), result.data(), result.size(), parameter);
}

void apply(Arithmetic operation, std::span<const float> a, std::span<const float> b, std::span<float> y) {
  assert((a.size() == y.size() || a.size() == 1) && (b.size() == y.size() || b.size() == 1));
  HWY_DYNAMIC_DISPATCH(run_arithmetic)
  (operation, a.data(), a.size() != y.size(), b.data(), b.size() != y.size(), y.data(), y.size());
}

void affine(std::span<const float> x, float factor, float offset, std::span<float> y) {
  assert(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(run_affine)(x.data(), factor, offset, y.data(), y.size());
}

void axpy(float a, std::span<const float> x, std::span<float> y) {
  assert(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(run_axpy)(a, x.data(), y.data(), y.size());
}

void scale(float factor, std::span<float> y) { HWY_DYNAMIC_DISPATCH(run_scale)(factor, y.data(), y.size()); }

void fill(float value, std::span<float> y) { HWY_DYNAMIC_DISPATCH(run_fill)(value, y.data(), y.size()); }

const char* simd_target() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

}  // namespace saw::kernels

#endif  // HWY_ONCE
