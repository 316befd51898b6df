#include "saw/autograd/ops/internal/elementwise_op.h"

#include <array>
#include <cstdint>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/elementwise.h"
#include "saw/autograd/ops/copy.h"

namespace saw {

void check_defined(const char* op, const Tensor& x) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", op);
}

void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorKind::dtype, "{}: the dtypes differ; got {} and {}; expected equal ones; convert with to()", op,
         a.dtype(), b.dtype());
}

namespace elementwise {
namespace {

/// Elements per chunk of work.
constexpr std::int64_t grain = 32768;
/// Rows shorter than this are not worth a call each.
constexpr std::int64_t shortest_row = 16;
constexpr std::size_t most = kernels::ElementwiseRow<float>::most_operands;

/// Operands laid out for rows: their data, and strides towards the common shape.
template <class T>
struct Operands {
  std::size_t count = 0;
  std::array<Tensor, most> tensors;
  std::array<const T*, most> data{};
};

bool repeats_everywhere(const Strides& strides) {
  for (const std::int64_t stride : strides)
    if (stride != 0) return false;
  return true;
}

/// x with a unit stride along its last axis or none at all, so that SIMD can walk over its rows.
Tensor walkable(const Tensor& x) {
  if (x.rank() == 0 || x.is_contiguous()) return x;
  const std::int64_t stride = x.strides().back();
  return stride == 0 || stride == 1 || x.shape().back() == 1 ? x : contiguous(x);
}

/// Every operand has the elements of the result one after the other, or is a single number.
template <class T>
void apply_flat(kernels::RowFunction<T> formula, const void* op, const Operands<T>& operands,
                const std::array<bool, most>& repeats, T* out, std::int64_t n) {
  parallel_for(0, n, grain, [&](std::int64_t begin, std::int64_t end) {
    kernels::ElementwiseRow<T> row;
    row.repeats = repeats;
    for (std::size_t k = 0; k < operands.count; ++k) row.in[k] = operands.data[k] + (repeats[k] ? 0 : begin);
    row.out = out + begin;
    row.n = static_cast<std::size_t>(end - begin);
    formula(op, row);
  });
}

template <class T>
void apply_rows(kernels::RowFunction<T> formula, const void* op, Operands<T>& operands, const Tensor& result) {
  constexpr std::size_t K = most + 1;
  std::array<Strides, K> strides;
  strides.fill(result.strides());
  const auto make_nest = [&] {
    for (std::size_t k = 0; k < operands.count; ++k) {
      const Tensor& x = operands.tensors[k];
      operands.data[k] = x.data<T>();
      strides[k + 1] = kernels::broadcast_strides(x.shape(), x.strides(), result.shape());
    }
    return kernels::make_loop_nest<K>(result.shape(), strides);
  };
  auto nest = make_nest();
  const auto fits = [&] {
    for (std::size_t k = 0; k < operands.count; ++k) {
      const std::int64_t stride = nest.inner_stride(k + 1);
      if (stride != 0 && stride != 1) return false;
    }
    return nest.inner_size() >= shortest_row || nest.rank <= 1;
  };
  if (!fits()) {  // spread out, everything is one long row
    for (std::size_t k = 0; k < operands.count; ++k)
      if (!repeats_everywhere(strides[k + 1]))
        operands.tensors[k] = contiguous(operands.tensors[k].detach().expand(result.shape()));
    nest = make_nest();
  }
  std::array<bool, most> repeats{};
  for (std::size_t k = 0; k < operands.count; ++k) repeats[k] = nest.inner_stride(k + 1) == 0 && nest.inner_size() != 1;
  T* out = result.mutable_data<T>();
  kernels::for_each_row(nest, grain, [&](const std::array<std::int64_t, K>& at, std::int64_t n) {
    kernels::ElementwiseRow<T> row;
    row.repeats = repeats;
    for (std::size_t k = 0; k < operands.count; ++k) row.in[k] = operands.data[k] + at[k + 1];
    row.out = out + at[0];
    row.n = static_cast<std::size_t>(n);
    formula(op, row);
  });
}

template <class T>
void apply_typed(kernels::RowFunction<T> formula, const void* op, std::initializer_list<Tensor> inputs,
                 const Tensor& result) {
  if (result.numel() == 0) return;
  Operands<T> operands;
  bool flat = result.is_contiguous();
  std::array<bool, most> repeats{};
  for (const Tensor& x : inputs) {
    const std::size_t k = operands.count++;
    repeats[k] = x.numel() == 1 && result.numel() != 1;
    flat = flat && (repeats[k] || (x.shape() == result.shape() && x.is_contiguous()));
    operands.tensors[k] = x;
    operands.data[k] = x.data<T>();
  }
  if (flat) return apply_flat(formula, op, operands, repeats, result.mutable_data<T>(), result.numel());
  const NoGradGuard no_grad;
  // Rows of the result need a unit stride too.
  if (!result.is_contiguous() && (result.strides().back() != 1 || result.shape().back() == 1)) {
    const Tensor dense = Tensor::empty(result.shape(), result.dtype());
    apply_typed(formula, op, inputs, dense);
    result.copy_(dense);
    return;
  }
  for (std::size_t k = 0; k < operands.count; ++k) operands.tensors[k] = walkable(operands.tensors[k]);
  apply_rows(formula, op, operands, result);
}

}  // namespace

void apply_into(const char* name, const kernels::RowFunctions& formula, const void* op, const Tensor& result,
                std::initializer_list<Tensor> operands) {
  const auto run = [&]<class T>() { apply_typed<T>(formula.get<T>(), op, operands, result); };
  const DType dtype = operands.begin()->dtype();
  if (formula.integers != nullptr)
    dispatch_numeric(name, dtype, run);
  else
    dispatch_floating(name, dtype, run);
}

Tensor apply(const char* name, const kernels::RowFunctions& formula, const void* op, const Shape& shape,
             std::initializer_list<Tensor> operands) {
  const Tensor result = Tensor::empty(shape, operands.begin()->dtype());
  apply_into(name, formula, op, result, operands);
  return result;
}

}  // namespace elementwise
}  // namespace saw
