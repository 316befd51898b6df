#pragma once

// For sources of autograd/, not for users: how an elementwise op is made. The op itself is a small struct:
//
//   struct Exp {
//     static constexpr Saves saves = Saves::output;
//     static constexpr auto kernel = kernels::Function::exp;                           // float32 in SIMD; optional
//     template <class T> T f(T x) const { return std::exp(x); }                        // the value
//     template <class T> T df(T y) const { return y; }                                 // the slope, from what is saved
//     Tensor gradient(const Tensor& g, const Tensor& y) const { return g * y; }        // g · slope in recorded ops
//   };
//   Tensor exp(const Tensor& x) { return run_unary(exp_info, x, Exp{}); }
//
// The drivers here own everything else: dtypes, layouts, broadcasting, threads, recording.

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/kernels/elementwise.h"
#include "saw/autograd/kernels/vector_math.h"
#include "saw/autograd/tape/record.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// What a unary op keeps for its backward.
enum class Saves { nothing, input, output };

/// A unary op; see above. With `integers` it also takes int64; with `parameter` it hands a number to its kernel.
template <class Op>
concept UnaryOp = requires(const Op& op, float x, double wide, const Tensor& t) {
  { Op::saves } -> std::convertible_to<Saves>;
  { op.f(x) } -> std::same_as<float>;
  { op.f(wide) } -> std::same_as<double>;
  { op.df(x) } -> std::same_as<float>;
  { op.df(wide) } -> std::same_as<double>;
  { op.gradient(t, t) } -> std::same_as<Tensor>;
};

template <class Op>
concept HasKernel = requires {
  { Op::kernel } -> std::convertible_to<kernels::Function>;
};

/// A float32 kernel of the op's own: op.run(x, y).
template <class Op>
concept HasOwnKernel = requires(const Op& op, std::span<const float> x, std::span<float> y) {
  op.run(x, y);
};

template <class Op>
concept TakesIntegers = requires {
  requires Op::integers;
};

/// A binary op: f(a, b), and gradients either as slopes da(a, b, y) and db(a, b, y), run as one fused pass each, or as
/// `gradients(context, a, b)` in recorded ops alone; an op with slopes gives `gradients(context, a, b, y)` besides.
/// With `kernel`, float32 runs in SIMD; with `integers` it also takes int64.
template <class Op>
concept BinaryOp = requires(const Op& op, float x, double wide) {
  { op.f(x, x) } -> std::same_as<float>;
  { op.f(wide, wide) } -> std::same_as<double>;
};

template <class Op>
concept HasSlopes = requires(const Op& op, double x) {
  { op.da(x, x, x) } -> std::same_as<double>;
  { op.db(x, x, x) } -> std::same_as<double>;
};

template <class Op>
concept HasArithmetic = requires {
  { Op::kernel } -> std::convertible_to<kernels::Arithmetic>;
};

/// Throws Error(argument) in the name of `op` for a tensor without data.
inline void check_defined(const char* op, const Tensor& x) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", op);
}

/// Throws Error(dtype) in the name of `op` unless both dtypes are equal.
inline void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorKind::dtype, "{}: the dtypes differ; got {} and {}; expected equal ones; convert with to()", op,
         a.dtype(), b.dtype());
}

namespace elementwise {

inline constexpr std::int64_t vector_grain = 32768;
/// Rows shorter than this are not worth a call through the SIMD dispatch.
inline constexpr std::int64_t shortest_vector_row = 16;

template <class Op>
float kernel_parameter(const Op& op) {
  if constexpr (requires { op.parameter; })
    return static_cast<float>(op.parameter);
  else
    return 0.0f;
}

template <class T>
std::span<const T> part(const T* data, std::int64_t begin, std::int64_t end) {
  return {data + begin, static_cast<std::size_t>(end - begin)};
}

template <class T>
std::span<T> part(T* data, std::int64_t begin, std::int64_t end) {
  return {data + begin, static_cast<std::size_t>(end - begin)};
}

/// out[…] = f(in[…]…) with broadcasting; `out` has the common shape and dtype R, the inputs have dtypes A.
template <class R, class... A, class F, class... Inputs>
void map_tensors(std::int64_t grain, const F& f, const Tensor& out, const Inputs&... in) {
  static_assert(sizeof...(A) == sizeof...(Inputs));
  if (out.numel() == 0) return;
  const auto nest = kernels::make_loop_nest<sizeof...(A) + 1>(
      out.shape(), {out.strides(), kernels::broadcast_strides(in.shape(), in.strides(), out.shape())...});
  kernels::map(nest, grain, f, out.template mutable_data<R>(), in.template data<A>()...);
}

/// y = f(x), both of element type T.
template <class T, UnaryOp Op>
void unary_values(const Op& op, const Tensor& x, const Tensor& y) {
  if constexpr (std::is_same_v<T, float> && (HasKernel<Op> || HasOwnKernel<Op>)) {
    float* out = y.mutable_data<float>();
    const float* in = x.data<float>();
    if (!x.is_contiguous()) {  // the copy knows every layout well; then y is its own input
      strided_copy(float32, in, x.strides(), out, y.strides(), x.shape());
      in = out;
    }
    parallel_for(0, y.numel(), vector_grain, [&](std::int64_t begin, std::int64_t end) {
      if constexpr (HasKernel<Op>)
        kernels::apply(Op::kernel, part(in, begin, end), part(out, begin, end), kernel_parameter(op));
      else
        op.run(part(in, begin, end), part(out, begin, end));
    });
  } else {
    map_tensors<T, T>(
        kernels::costly_grain, [&op](T value) { return op.f(value); }, y, x);
  }
}

/// result = grad · f′(saved), all of element type T.
template <class T, UnaryOp Op>
void unary_slopes(const Op& op, const Tensor& grad, const Tensor& saved, const Tensor& result) {
  if constexpr (Op::saves == Saves::nothing) {
    const T slope = op.df(T{});
    map_tensors<T, T>(
        kernels::cheap_grain, [slope](T g) { return slope == T{} ? T{} : g * slope; }, result, grad);
  } else if constexpr (std::is_same_v<T, float> && HasKernel<Op>) {
    const Tensor dense_grad = grad.contiguous(), dense_saved = saved.contiguous();
    const float* g = dense_grad.data<float>();
    const float* s = dense_saved.data<float>();
    float* out = result.mutable_data<float>();
    const float parameter = kernel_parameter(op);
    parallel_for(0, result.numel(), vector_grain, [&](std::int64_t begin, std::int64_t end) {
      kernels::apply_gradient(Op::kernel, part(g, begin, end), part(s, begin, end), part(out, begin, end), parameter);
    });
  } else {
    map_tensors<T, T, T>(
        kernels::costly_grain, [&op](T g, T s) { return g * op.df(s); }, result, grad, saved);
  }
}

/// grad · f′(saved) in one pass. `saved` is undefined for an op that saves nothing.
template <UnaryOp Op>
Tensor unary_gradient(const Op& op, const Tensor& grad, const Tensor& saved) {
  const Tensor result = Tensor::empty(grad.shape(), grad.dtype());
  dispatch_floating("backward", grad.dtype(), [&]<class T>() { unary_slopes<T>(op, grad, saved, result); });
  return result;
}

/// An operand whose rows SIMD can walk over: with an inner stride of 0 or 1 once broadcast.
inline Tensor walkable(const Tensor& x) {
  if (x.rank() == 0 || x.is_contiguous()) return x;
  const std::int64_t stride = x.strides().back();
  return stride == 0 || stride == 1 || x.shape().back() == 1 ? x : x.contiguous();
}

/// y = f(a, b) with broadcasting, all of element type T.
template <class T, BinaryOp Op>
void binary_values(const Op& op, const Tensor& a, const Tensor& b, const Tensor& y) {
  const auto f = [&op](T left, T right) { return op.f(left, right); };
  if constexpr (std::is_same_v<T, float> && HasArithmetic<Op>) {
    if (y.numel() == 0) return;
    const Tensor left = walkable(a), right = walkable(b);
    const auto nest = kernels::make_loop_nest<3>(
        y.shape(), {y.strides(), kernels::broadcast_strides(a.shape(), left.strides(), y.shape()),
                    kernels::broadcast_strides(b.shape(), right.strides(), y.shape())});
    const std::array<std::int64_t, 3> strides{nest.inner_stride(0), nest.inner_stride(1), nest.inner_stride(2)};
    float* out = y.mutable_data<float>();
    const float* in_a = left.data<float>();
    const float* in_b = right.data<float>();
    const bool fits = strides[0] == 1 && (strides[1] == 1 || strides[1] == 0) && (strides[2] == 1 || strides[2] == 0);
    if (!fits || nest.inner_size() < shortest_vector_row)
      return kernels::map(nest, kernels::cheap_grain, f, out, in_a, in_b);
    kernels::for_each_row(nest, kernels::cheap_grain, [&](const auto& at, std::int64_t n) {
      kernels::apply(Op::kernel, part(in_a, at[1], at[1] + (strides[1] == 0 ? 1 : n)),
                     part(in_b, at[2], at[2] + (strides[2] == 0 ? 1 : n)), part(out, at[0], at[0] + n));
    });
  } else {
    map_tensors<T, T, T>(HasSlopes<Op> ? kernels::costly_grain : kernels::cheap_grain, f, y, a, b);
  }
}

/// grad · slope(a, b, y) in one pass, in the shape of y.
template <class Slope>
Tensor binary_gradient(const Slope& slope, const Tensor& grad, const Tensor& a, const Tensor& b, const Tensor& y) {
  const Tensor result = Tensor::empty(grad.shape(), grad.dtype());
  dispatch_floating("backward", grad.dtype(), [&]<class T>() {
    map_tensors<T, T, T, T, T>(
        kernels::costly_grain, [&slope](T g, T left, T right, T value) { return g * slope(left, right, value); },
        result, grad, a, b, y);
  });
  return result;
}

}  // namespace elementwise

/// f(x) for every element, recorded.
template <UnaryOp Op>
Tensor run_unary(const OpInfo& info, const Tensor& x, const Op& op) {
  check_defined(info.name, x);
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const auto compute = [&]<class T>() { elementwise::unary_values<T>(op, x, y); };
  if constexpr (TakesIntegers<Op>)
    dispatch_numeric(info.name, x.dtype(), compute);
  else
    dispatch_floating(info.name, x.dtype(), compute);
  return record(info, {x}, y, [&] {
    const auto saved = [](const BackwardContext& context) {
      return Op::saves == Saves::nothing ? Tensor() : context.saved(0);
    };
    Gradient gradient;
    if (Op::saves != Saves::nothing) gradient.saved = {Op::saves == Saves::input ? x : y};
    gradient.backward = [op, saved](const BackwardContext& context) -> TensorList {
      return {elementwise::unary_gradient(op, context.grad_output(), saved(context))};
    };
    gradient.recorded_backward = [op, saved](const BackwardContext& context) -> TensorList {
      return {op.gradient(context.grad_output(), saved(context))};
    };
    return gradient;
  });
}

/// f(a, b) for every pair of elements, broadcast, recorded.
template <BinaryOp Op>
Tensor run_binary(const OpInfo& info, const Tensor& a, const Tensor& b, const Op& op) {
  check_defined(info.name, a);
  check_defined(info.name, b);
  check_same_dtype(info.name, a, b);
  const Tensor y = Tensor::empty(broadcast_shapes(info.name, a.shape(), b.shape()), a.dtype());
  const auto compute = [&]<class T>() { elementwise::binary_values<T>(op, a, b, y); };
  if constexpr (TakesIntegers<Op>)
    dispatch_numeric(info.name, a.dtype(), compute);
  else
    dispatch_floating(info.name, a.dtype(), compute);
  return record(info, {a, b}, y, [&] {
    Gradient gradient;
    if constexpr (HasSlopes<Op>) {
      gradient.saved = {a, b, y};
      gradient.backward = [op](const BackwardContext& context) -> TensorList {
        const Tensor& grad = context.grad_output();
        const Tensor left = context.saved(0), right = context.saved(1), value = context.saved(2);
        TensorList result(2);
        if (context.needs_grad(0))
          result[0] = elementwise::binary_gradient([&op](auto p, auto q, auto v) { return op.da(p, q, v); }, grad, left,
                                                   right, value);
        if (context.needs_grad(1))
          result[1] = elementwise::binary_gradient([&op](auto p, auto q, auto v) { return op.db(p, q, v); }, grad, left,
                                                   right, value);
        return result;
      };
      gradient.recorded_backward = [op](const BackwardContext& context) -> TensorList {
        return op.gradients(context, context.saved(0), context.saved(1), context.saved(2));
      };
    } else if constexpr (requires(const BackwardContext& context) { op.gradients(context); }) {
      gradient.backward = [op](const BackwardContext& context) -> TensorList { return op.gradients(context); };
      gradient.plain = true;
    } else {  // each operand is saved for the other's gradient, and only for that
      gradient.saved = {b.requires_grad() ? a : Tensor(), a.requires_grad() ? b : Tensor()};
      gradient.backward = [op](const BackwardContext& context) -> TensorList {
        return op.gradients(context, context.needs_grad(1) ? context.saved(0) : Tensor(),
                            context.needs_grad(0) ? context.saved(1) : Tensor());
      };
      gradient.plain = true;
    }
    return gradient;
  });
}

}  // namespace saw
