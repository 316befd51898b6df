#pragma once

// For sources of autograd/, not for users: how an elementwise op is run and recorded. Its formulas are a struct that is
// compiled once per SIMD target (kernels/elementwise-inl.h); the drivers here own dtypes, layouts, broadcasting,
// threads and the tape.
//
//   Tensor silu(const Tensor& x) { return run_unary(silu_info, x, Silu{}, SAW_FOR_TARGET(Silu::kernels)()); }

#include <cstddef>
#include <initializer_list>

#include "saw/autograd/kernels/elementwise_row.h"
#include "saw/autograd/ops/internal/formula_tensor.h"
#include "saw/autograd/tape/record.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// What a unary op keeps for its backward.
enum class Saves { nothing, input, output };

/// Which operands a gradient of a binary op is computed from.
enum class Needs { nothing, a, b, both };

constexpr bool needs_a(Needs needs) { return needs == Needs::a || needs == Needs::both; }
constexpr bool needs_b(Needs needs) { return needs == Needs::b || needs == Needs::both; }

/// Throws Error(argument) in the name of `op` for a tensor without data.
void check_defined(const char* op, const Tensor& x);

/// Throws Error(dtype) in the name of `op` unless both dtypes are equal.
void check_same_dtype(const char* op, const Tensor& a, const Tensor& b);

namespace elementwise {

/// A fresh tensor of that shape: the formula for every element of the operands, which broadcast to it and have one
/// dtype. `op` points to the struct of formulas.
Tensor apply(const char* name, const kernels::RowFunctions& formula, const void* op, const Shape& shape,
             std::initializer_list<Tensor> operands);

/// The same into a view that exists.
void apply_into(const char* name, const kernels::RowFunctions& formula, const void* op, const Tensor& result,
                std::initializer_list<Tensor> operands);

}  // namespace elementwise

/// f(x) for every element, recorded.
template <class Op>
Tensor run_unary(const OpInfo& info, const Tensor& x, const Op& op, const kernels::UnaryKernels& kernels) {
  check_defined(info.name, x);
  const Tensor y = elementwise::apply(info.name, kernels.value, &op, x.shape(), {x});
  return record(info, {x}, y, [&] {
    const auto saved = [](const BackwardContext& context) {
      return Op::saves == Saves::nothing ? context.grad_output() : context.saved(0);
    };
    return Gradient::with_twin(
        Op::saves == Saves::nothing ? TensorList{} : TensorList{Op::saves == Saves::input ? x : y},
        [op, formula = kernels.gradient, saved, &info](const BackwardContext& context) -> TensorList {
          const Tensor& g = context.grad_output();
          return {elementwise::apply(info.name, formula, &op, g.shape(), {g, saved(context)})};
        },
        [op, saved](const BackwardContext& context) -> TensorList {
          return {op.gradient(context.grad_output(), saved(context))};
        });
  });
}

/// f(a, b) for every pair of elements, broadcast, recorded. An operand is saved only if a gradient that is asked for
/// is computed from it.
template <class Op>
Tensor run_binary(const OpInfo& info, const Tensor& a, const Tensor& b, const Op& op,
                  const kernels::BinaryKernels& kernels) {
  check_defined(info.name, a);
  check_defined(info.name, b);
  check_same_dtype(info.name, a, b);
  const Tensor y =
      elementwise::apply(info.name, kernels.value, &op, broadcast_shapes(info.name, a.shape(), b.shape()), {a, b});
  return record(info, {a, b}, y, [&] {
    constexpr Needs of_a = Op::gradient_a_needs, of_b = Op::gradient_b_needs;
    const bool keeps_a = (needs_a(of_a) && a.requires_grad()) || (needs_a(of_b) && b.requires_grad());
    const bool keeps_b = (needs_b(of_a) && a.requires_grad()) || (needs_b(of_b) && b.requires_grad());
    TensorList saved{keeps_a ? a : Tensor(), keeps_b ? b : Tensor()};
    // In place of an operand that a formula does not look at stands g.
    const auto operand = [](const BackwardContext& context, std::size_t index, bool used) {
      return used ? context.saved(index) : context.grad_output();
    };
    const auto recorded = [op, operand](const BackwardContext& context) -> TensorList {
      const Tensor& g = context.grad_output();
      TensorList result(2);
      if (context.needs_grad(0))
        result[0] = op.gradient_a(g, operand(context, 0, needs_a(of_a)), operand(context, 1, needs_b(of_a)));
      if (context.needs_grad(1))
        result[1] = op.gradient_b(g, operand(context, 0, needs_a(of_b)), operand(context, 1, needs_b(of_b)));
      return result;
    };
    if constexpr (of_a == Needs::nothing && of_b == Needs::nothing) {
      return Gradient::of_ops(std::move(saved), recorded);
    } else {
      return Gradient::with_twin(
          std::move(saved),
          [op, kernels, operand, &info](const BackwardContext& context) -> TensorList {
            const Tensor& g = context.grad_output();
            TensorList result(2);
            if (context.needs_grad(0))
              result[0] =
                  elementwise::apply(info.name, kernels.gradient_a, &op, g.shape(),
                                     {g, operand(context, 0, needs_a(of_a)), operand(context, 1, needs_b(of_a))});
            if (context.needs_grad(1))
              result[1] =
                  elementwise::apply(info.name, kernels.gradient_b, &op, g.shape(),
                                     {g, operand(context, 0, needs_a(of_b)), operand(context, 1, needs_b(of_b))});
            return result;
          },
          recorded);
    }
  });
}

}  // namespace saw
