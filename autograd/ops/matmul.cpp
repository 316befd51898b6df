#include "saw/autograd/ops/matmul.h"

#include <algorithm>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm.h"
#include "saw/autograd/kernels/gemm_log.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- references ----

TensorList linear_reference(const TensorList& in) {
  const Tensor product = matmul(in[0], transpose(in[1], 0, 1));
  return {in.size() > 2 && in[2].defined() ? product + in[2] : product};
}

// ---- kernel calls ----

/// A matrix that gemm can read where it lies: one of its two strides is 1.
struct Operand {
  Tensor storage;  // keeps a copy alive if one had to be made
  bool transposed = false;
  std::int64_t leading = 0;
};

/// Looks at the last two axes; copies only where neither of them is contiguous.
Operand operand(const Tensor& x) {
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  const std::int64_t row_stride = x.strides()[x.rank() - 2], column_stride = x.strides()[x.rank() - 1];
  if ((column_stride == 1 || columns <= 1) && (row_stride >= columns || rows <= 1))
    return {x, false, std::max<std::int64_t>(row_stride, columns)};
  if ((row_stride == 1 || rows <= 1) && (column_stride >= rows || columns <= 1))
    return {x, true, std::max<std::int64_t>(column_stride, rows)};
  return {contiguous(x), false, columns};
}

/// The product of operands with at least two dimensions and equal dtype, off the tape.
Tensor product(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  Shape batch_a = a.shape(), batch_b = b.shape();
  for (int i = 0; i < 2; ++i) {
    batch_a.erase(batch_a.size() - 1);
    batch_b.erase(batch_b.size() - 1);
  }
  const Shape batch = broadcast_shapes("matmul", batch_a, batch_b);
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);

  // Rows of all matrices of the batch in one product, when they share the right operand and lie one after the other.
  if (b.rank() == 2 && a.rank() > 2 && a.is_contiguous())
    return reshape(product(reshape(a, {batch.numel() * m, k}), b), shape);

  Tensor result = Tensor::empty(shape, a.dtype());
  const Operand left = operand(a), right = operand(b);
  // Where each matrix of the batch begins, with stride 0 along broadcast axes.
  const auto offsets = [&](const Tensor& x) {
    std::vector<std::int64_t> starts{0};
    const std::size_t axes = x.rank() - 2;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::size_t from_end = batch.size() - i;
      const std::int64_t stride =
          from_end <= axes && x.shape()[axes - from_end] != 1 ? x.strides()[axes - from_end] : 0;
      std::vector<std::int64_t> next;
      next.reserve(starts.size() * static_cast<std::size_t>(batch[i]));
      for (const std::int64_t start : starts)
        for (std::int64_t j = 0; j < batch[i]; ++j) next.push_back(start + j * stride);
      starts = std::move(next);
    }
    return starts;
  };
  dispatch_floating("matmul", a.dtype(), [&]<class T>() {
    const T* pa = left.storage.data<T>();
    const T* pb = right.storage.data<T>();
    T* pc = result.mutable_data<T>();
    const std::int64_t count = batch.numel();
    if (count == 1) {
      kernels::gemm_parallel(left.transposed, right.transposed, m, n, k, pa, left.leading, pb, right.leading, pc, n,
                             false);
      return;
    }
    const auto starts_a = offsets(left.storage), starts_b = offsets(right.storage);
    kernels::log_gemm(left.transposed, right.transposed, m, n, k, sizeof(T), count);
    // Many matrices: each is multiplied by one thread. The choice depends on shapes alone.
    const std::int64_t grain = std::max<std::int64_t>(1, 262144 / std::max<std::int64_t>(1, m * n * k));
    parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t s = begin; s < end; ++s)
        kernels::gemm(left.transposed, right.transposed, m, n, k, pa + starts_a[static_cast<std::size_t>(s)],
                      left.leading, pb + starts_b[static_cast<std::size_t>(s)], right.leading, pc + s * m * n, n,
                      false);
    });
  });
  return result;
}

/// How many rows (…, columns) has. Not its elements divided by its columns: rows without columns are rows too.
std::int64_t row_count(const Tensor& x) {
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis + 1 < x.rank(); ++axis) count *= x.shape()[axis];
  return count;
}
/// x as a matrix of its rows.
Tensor flat_rows(const Tensor& x) { return reshape(x, {row_count(x), x.size(-1)}); }

void check_dtypes(const char* op, const Tensor& a, const Tensor& b) {
  if (!is_floating(a.dtype()) || a.dtype() != b.dtype())
    fail(ErrorKind::dtype, "{}: needs two floating operands of one dtype; got {} and {}; convert with to()", op,
         a.dtype(), b.dtype());
}

const OpInfo matmul_info{"matmul", "cᵢⱼ = Σₖ aᵢₖ bₖⱼ", true};

const OpInfo linear_info{"linear", "x Wᵀ + b", true};
const OpInfo outer_info{"outer", "cᵢⱼ = aᵢ bⱼ", true};
const OpInfo addmm_info{"addmm", "β x + α a b", true};

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_dtypes("matmul", a, b);
  if (a.rank() == 0 || b.rank() == 0)
    fail(ErrorKind::shape, "matmul: needs at least 1 dimension; got {} and {}; multiply scalars with *", a.shape(),
         b.shape());
  const std::int64_t inner_a = a.size(-1), inner_b = b.rank() == 1 ? b.size(0) : b.size(-2);
  if (inner_a != inner_b)
    fail(ErrorKind::shape, "matmul: inner sizes differ; got {} and {}; expected (…, m, k) and (…, k, n)", a.shape(),
         b.shape());
  // Vectors become matrices of one row or column and lose that axis again.
  if (a.rank() == 1 || b.rank() == 1) {
    Tensor result = matmul(a.rank() == 1 ? unsqueeze(a, 0) : a, b.rank() == 1 ? unsqueeze(b, 1) : b);
    if (b.rank() == 1) result = squeeze(result, -1);
    if (a.rank() == 1) result = squeeze(result, b.rank() == 1 ? -1 : -2);
    return result;
  }
  const Tensor result = product(a.detach(), b.detach());
  return record(matmul_info, {a, b}, result, [&] {
    return Gradient::of_ops({a, b}, [](const BackwardContext& context) {
      const Tensor &g = context.grad_output(), x = context.saved(0), y = context.saved(1);
      TensorList gradients(2);
      if (context.needs_grad(0)) gradients[0] = matmul(g, transpose(y, -1, -2));
      if (context.needs_grad(1))
        // A shared right operand: one product over the rows of the whole batch.
        gradients[1] = y.rank() == 2 && x.rank() > 2 ? matmul(transpose(flat_rows(x), 0, 1), flat_rows(g))
                                                     : matmul(transpose(x, -1, -2), g);
      return gradients;
    });
  });
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_dtypes("linear", x, weight);
  if (weight.rank() != 2)
    fail(ErrorKind::shape, "linear: the weight has the wrong rank; got {}; expected (out, in)", weight.shape());
  if (x.rank() == 0 || x.size(-1) != weight.size(1))
    fail(ErrorKind::shape, "linear: the input has the wrong size; got {} for weight {}; expected (…, {})", x.shape(),
         weight.shape(), weight.size(1));
  if (bias.defined()) {
    check_dtypes("linear", x, bias);
    if (bias.shape() != Shape{weight.size(0)})
      fail(ErrorKind::shape, "linear: the bias has the wrong shape; got {}; expected ({},)", bias.shape(),
           weight.size(0));
  }
  const std::int64_t in = weight.size(1), out = weight.size(0);
  Shape shape = x.shape();
  shape.back() = out;
  Tensor y = Tensor::empty(shape, x.dtype());
  const std::int64_t rows = row_count(x);
  const Tensor flat = reshape(x.detach(), {rows, in});
  const Operand left = operand(flat), right = operand(weight.detach());
  dispatch_floating("linear", x.dtype(), [&]<class T>() {
    T* result = y.mutable_data<T>();
    if (bias.defined()) {
      // The product is added to rows that hold the bias already: no second pass over the result.
      const Tensor row = contiguous(bias.detach());
      const T* values = row.data<T>();
      parallel_for(0, rows, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(out, 1)),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) std::copy(values, values + out, result + i * out);
                   });
    }
    kernels::gemm_parallel(left.transposed, !right.transposed, rows, out, in, left.storage.data<T>(), left.leading,
                           right.storage.data<T>(), right.leading, result, out, bias.defined());
  });
  return record(linear_info, {x, weight, bias}, y, [&] {
    const auto kernel = [](const BackwardContext& context) {
      const Tensor input = context.saved(0).detach(), w = context.saved(1).detach();
      const Tensor g = flat_rows(contiguous(context.grad_output()));  // (rows, out)
      TensorList gradients(3);
      if (context.needs_grad(0)) gradients[0] = reshape(product(g, w), input.shape());
      if (context.needs_grad(1)) gradients[1] = product(transpose(g, 0, 1), flat_rows(input));
      if (context.needs_grad(2)) gradients[2] = sum(g, {0});
      return gradients;
    };
    return Gradient::with_reference({x, weight}, kernel, linear_reference);
  });
}

Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.rank() != 1 || b.rank() != 1)
    fail(ErrorKind::shape, "outer: needs two vectors; got {} and {}; expected (m,) and (n,)", a.shape(), b.shape());
  return mul(unsqueeze(a, 1), b);
}

Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, double beta, double alpha) {
  if (a.rank() != 2 || b.rank() != 2)
    fail(ErrorKind::shape, "addmm: needs two matrices; got {} and {}; expected (m, k) and (k, n)", a.shape(),
         b.shape());
  const Tensor product_of = matmul(a, b);
  if (broadcast_shapes("addmm", input.shape(), product_of.shape()) != product_of.shape())
    fail(ErrorKind::shape, "addmm: the input does not broadcast to the product; got {}; expected {} or fewer axes",
         input.shape(), product_of.shape());
  if (beta == 0) return alpha == 1 ? product_of : product_of * alpha;  // NaN in an input that does not count is no NaN
  return (beta == 1 ? input : input * beta) + (alpha == 1 ? product_of : product_of * alpha);
}

OpList matmul_ops() { return {&matmul_info, &linear_info, &outer_info, &addmm_info}; }

}  // namespace saw
