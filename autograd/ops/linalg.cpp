#include "saw/autograd/ops/linalg.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/lapack.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/matrix_batch.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/rearrange.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo cholesky_info{"cholesky", "L with L Lᵀ = a", true};
const OpInfo solve_info{"solve", "a⁻¹ b", true};
const OpInfo solve_triangular_info{"solve_triangular", "a⁻¹ b for a triangle a", true};
const OpInfo inverse_info{"inverse", "a⁻¹", true};
const OpInfo det_info{"det", "det a", true};
const OpInfo slogdet_info{"slogdet", "sign det a, log |det a|", true};
const OpInfo eigh_info{"eigh", "λ, V with a = V diag(λ) Vᵀ", true};

// ---- what all of them need ----

Tensor transposed(const Tensor& x) { return transpose(x, -1, -2); }

void check_square(const char* op, const Tensor& a) {
  if (!is_floating(a.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op, a.dtype());
  if (a.rank() < 2 || a.size(-1) != a.size(-2))
    fail(ErrorKind::shape, "{}: the matrix is not square; got {}; expected (…, n, n)", op, a.shape());
}

void check_right_side(const char* op, const Tensor& a, const Tensor& b) {
  if (b.dtype() != a.dtype())
    fail(ErrorKind::dtype, "{}: needs two operands of one dtype; got {} and {}; convert with to()", op, a.dtype(),
         b.dtype());
}

/// "the matrix", or where it stands in a batch: "matrix (1, 2) of the batch (4, 3)".
std::string which_matrix(const Shape& batch, std::int64_t index) {
  if (batch.empty()) return "the matrix";
  Shape place = batch;
  for (std::size_t axis = batch.size(); axis-- > 0; index /= batch[axis]) place[axis] = index % batch[axis];
  return fmt::format("matrix {} of the batch {}", place, batch);
}

/// f(matrix) for each of `count` matrices of order n, shared by the threads. Results for few small ones are not worth
/// waking a thread for.
template <class F>
void for_matrices(std::int64_t count, std::int64_t n, const F& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 262144 / std::max<std::int64_t>(1, n * n * n));
  parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

/// A contiguous copy off the tape, of x broadcast to `shape`, to be overwritten.
Tensor working_copy(const Tensor& x, const Shape& shape) {
  const NoGradGuard no_grad;
  Tensor copy = Tensor::empty(shape, x.dtype());
  copy.copy_(x.detach());
  return copy;
}

// ---- LU decompositions ----

struct Lu {
  Tensor factors;  // (…, n, n), as kernels::lu leaves them
  Tensor pivots;   // (…, n) int64
};

Lu decompose(const Tensor& a) {
  const std::int64_t n = a.size(-1);
  const Shape batch = batch_of(a);
  Shape pivots = batch;
  pivots.push_back(n);
  Lu lu{working_copy(a, a.shape()), Tensor::empty(pivots, int64)};
  dispatch_floating("lu", a.dtype(), [&]<class T>() {
    if (lu.factors.numel() == 0) return;
    T* factors = lu.factors.mutable_data<T>();
    std::int64_t* rows = lu.pivots.mutable_data<std::int64_t>();
    for_matrices(batch.numel(), n, [&](std::int64_t i) { kernels::lu(n, factors + i * n * n, rows + i * n); });
  });
  return lu;
}

/// Throws in the name of `op` where a matrix is singular.
void check_regular(const char* op, const Lu& lu, const char* hint) {
  const std::int64_t n = lu.factors.size(-1);
  const Shape batch = batch_of(lu.factors);
  dispatch_floating(op, lu.factors.dtype(), [&]<class T>() {
    const T* factors = lu.factors.data<T>();
    for (std::int64_t i = 0, count = batch.numel(); i < count; ++i)
      for (std::int64_t p = 0; p < n; ++p)
        if (factors[(i * n + p) * n + p] == T(0))
          fail(ErrorKind::argument, "{}: {} is singular: pivot {} of its LU decomposition is 0; got shape {}; {}", op,
               which_matrix(batch, i), p, lu.factors.shape(), hint);
  });
}

/// a⁻¹ b, or a⁻ᵀ b if `adjoint`, with the decomposition of a, which gradients of any order use again.
Tensor solve_with(const Lu& lu, const Tensor& a, const Tensor& b, bool adjoint) {
  enum Saved : std::size_t { matrix, solution, factors, pivots };
  const std::int64_t n = a.size(-1), columns = b.size(-1);
  const Shape batch = broadcast_shapes("solve", batch_of(a), batch_of(b));
  const Tensor x = working_copy(b, batch_shape(batch, n, columns));
  dispatch_floating("solve", a.dtype(), [&]<class T>() {
    if (x.numel() == 0) return;
    const std::vector<std::int64_t> starts = matrix_offsets(lu.factors, batch);
    const T* decomposed = lu.factors.data<T>();
    const std::int64_t* rows = lu.pivots.data<std::int64_t>();
    T* result = x.mutable_data<T>();
    for_matrices(batch.numel(), n, [&](std::int64_t i) {
      const std::int64_t start = starts[static_cast<std::size_t>(i)];
      kernels::lu_solve(adjoint, n, columns, decomposed + start, rows + start / n, result + i * n * columns);
    });
  });
  return record(solve_info, {a, b}, x, [&] {
    return Gradient::of_ops({a, x, lu.factors, lu.pivots}, [adjoint](const BackwardContext& context) -> TensorList {
      const Tensor y = context.saved(solution);
      const Tensor db = solve_with({context.saved(factors), context.saved(pivots)}, context.saved(matrix),
                                   context.grad_output(), !adjoint);
      Tensor da;
      if (context.needs_grad(0)) da = -(adjoint ? matmul(y, transposed(db)) : matmul(db, transposed(y)));
      return {da, db};
    });
  });
}

/// d · a⁻ᵀ with one number d for each matrix: the gradient of log |det a| for d = 1. Throws in the name of `op`.
Tensor times_inverse_transposed(const char* op, const Tensor& d, const Tensor& a, const Lu& lu) {
  check_regular(op, lu, "there its gradient is not defined");
  return unsqueeze(unsqueeze(d, -1), -1) * solve_with(lu, a, eye(a.size(-1), -1, a.dtype()), true);
}

/// f(diagonal of U, number of row exchanges) of each matrix's decomposition writes what it finds.
template <class F>
void for_determinants(const char* op, const Lu& lu, const F& f) {
  const std::int64_t n = lu.factors.size(-1);
  dispatch_floating(op, lu.factors.dtype(), [&]<class T>() {
    const T* factors = lu.factors.data<T>();
    const std::int64_t* pivots = lu.pivots.data<std::int64_t>();
    std::vector<double> diagonal(static_cast<std::size_t>(n));
    for (std::int64_t i = 0, count = batch_of(lu.factors).numel(); i < count; ++i) {
      bool odd = false;
      for (std::int64_t p = 0; p < n; ++p) {
        diagonal[static_cast<std::size_t>(p)] = static_cast<double>(factors[(i * n + p) * n + p]);
        odd ^= pivots[i * n + p] != p;
      }
      f.template operator()<T>(i, diagonal, odd);
    }
  });
}

enum DeterminantSaved : std::size_t { determined, determined_factors, determined_pivots, determinant };

}  // namespace

Tensor cholesky(const Tensor& a, bool upper) {
  check_square("cholesky", a);
  if (upper) return transposed(cholesky(transposed(a)));
  const std::int64_t n = a.size(-1);
  const Shape batch = batch_of(a);
  const Tensor l = working_copy(a, a.shape());
  dispatch_floating("cholesky", a.dtype(), [&]<class T>() {
    if (l.numel() == 0) return;
    T* matrices = l.mutable_data<T>();
    std::vector<std::int64_t> minors(static_cast<std::size_t>(batch.numel()));
    for_matrices(batch.numel(), n, [&](std::int64_t i) {
      minors[static_cast<std::size_t>(i)] = kernels::cholesky(n, matrices + i * n * n);
    });
    for (std::size_t i = 0; i < minors.size(); ++i)
      if (minors[i] != 0)
        fail(ErrorKind::argument,
             "cholesky: {} is not positive definite: its leading minor of order {} is not positive; got shape {}; "
             "a little on the diagonal helps where rounding is to blame",
             which_matrix(batch, static_cast<std::int64_t>(i)), minors[i], a.shape());
  });
  return record(cholesky_info, {a}, l, [&] {
    // S = L⁻ᵀ Φ(Lᵀ dL) L⁻¹, made symmetric; Φ takes the lower triangle and half of the diagonal (Murray 2016).
    return Gradient::of_ops({l}, [](const BackwardContext& context) -> TensorList {
      const Tensor factor = context.saved(0), across = transposed(factor);
      const std::int64_t order = factor.size(-1);
      const Tensor lower = tril(ones({order, order}, factor.dtype())) - eye(order, -1, factor.dtype()) * 0.5;
      const Tensor inner = matmul(across, context.grad_output()) * lower;
      const Tensor s = solve_triangular(factor, solve_triangular(across, inner, true), false, false);
      return {(s + transposed(s)) * 0.5};
    });
  });
}

Tensor solve(const Tensor& a, const Tensor& b) {
  check_square("solve", a);
  check_right_side("solve", a, b);
  Shape vectors = a.shape();
  vectors.erase(vectors.size() - 1);
  if (b.rank() == 1 || b.shape() == vectors) {
    if (b.shape().back() != a.size(-1))
      fail(ErrorKind::shape, "solve: the right side does not fit; got {} and {}; expected ({},)", a.shape(), b.shape(),
           a.size(-1));
    return squeeze(solve(a, unsqueeze(b, -1)), -1);
  }
  if (b.rank() < 2 || b.size(-2) != a.size(-1))
    fail(ErrorKind::shape, "solve: the right side does not fit; got {} and {}; expected (…, n, n) and (…, n, k)",
         a.shape(), b.shape());
  broadcast_shapes("solve", batch_of(a), batch_of(b));
  const Lu lu = decompose(a);
  check_regular("solve", lu, "there is no solution, or many");
  return solve_with(lu, a, b, false);
}

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular) {
  enum Saved : std::size_t { matrix, solution };
  check_square("solve_triangular", a);
  check_right_side("solve_triangular", a, b);
  const std::int64_t n = a.size(-1);
  if (b.rank() < 2 || b.size(left ? -2 : -1) != n)
    fail(ErrorKind::shape, "solve_triangular: the right side does not fit; got {} and {}; expected (…, n, n) and {}",
         a.shape(), b.shape(), left ? "(…, n, k)" : "(…, k, n)");
  const Shape batch = broadcast_shapes("solve_triangular", batch_of(a), batch_of(b));
  const std::int64_t rows = b.size(-2), columns = b.size(-1);
  const Tensor x = working_copy(b, batch_shape(batch, rows, columns));
  dispatch_floating("solve_triangular", a.dtype(), [&]<class T>() {
    if (x.numel() == 0) return;
    const MatrixOperand operand = matrix_operand(a.detach());
    const std::vector<std::int64_t> starts = matrix_offsets(operand.storage, batch);
    const T* triangles = operand.storage.data<T>();
    const std::int64_t count = batch.numel();
    for (std::int64_t i = 0; i < count && !unitriangular; ++i)
      for (std::int64_t p = 0; p < n; ++p)
        if (triangles[starts[static_cast<std::size_t>(i)] + p * (operand.leading + 1)] == T(0))
          fail(ErrorKind::argument, "solve_triangular: {} is singular: element {} of its diagonal is 0; got shape {}",
               which_matrix(batch, i), p, a.shape());
    T* result = x.mutable_data<T>();
    for_matrices(count, n, [&](std::int64_t i) {
      kernels::solve_triangular(left, upper != operand.transposed, operand.transposed, unitriangular, rows, columns,
                                triangles + starts[static_cast<std::size_t>(i)], operand.leading,
                                result + i * rows * columns);
    });
  });
  return record(solve_triangular_info, {a, b}, x, [&] {
    return Gradient::of_ops({a, x}, [=](const BackwardContext& context) -> TensorList {
      const Tensor triangle = context.saved(matrix), y = context.saved(solution);
      const Tensor db = solve_triangular(transposed(triangle), context.grad_output(), !upper, left, unitriangular);
      Tensor da;
      if (context.needs_grad(0)) {
        const Tensor full = left ? matmul(db, transposed(y)) : matmul(transposed(y), db);
        const std::int64_t diagonal = unitriangular ? 1 : 0;
        da = -(upper ? triu(full, diagonal) : tril(full, -diagonal));
      }
      return {da, db};
    });
  });
}

Tensor inverse(const Tensor& a) {
  check_square("inverse", a);
  const std::int64_t n = a.size(-1);
  const Shape batch = batch_of(a);
  const Tensor y = working_copy(a, a.shape());
  dispatch_floating("inverse", a.dtype(), [&]<class T>() {
    if (y.numel() == 0) return;
    T* matrices = y.mutable_data<T>();
    std::vector<std::int64_t> pivots(static_cast<std::size_t>(batch.numel()));
    for_matrices(batch.numel(), n, [&](std::int64_t i) {
      pivots[static_cast<std::size_t>(i)] = kernels::inverse(n, matrices + i * n * n);
    });
    for (std::size_t i = 0; i < pivots.size(); ++i)
      if (pivots[i] != 0)
        fail(ErrorKind::argument,
             "inverse: {} is singular: pivot {} of its LU decomposition is 0; got shape {}; it has no inverse",
             which_matrix(batch, static_cast<std::int64_t>(i)), pivots[i] - 1, a.shape());
  });
  return record(inverse_info, {a}, y, [&] {
    return Gradient::of_ops({y}, [](const BackwardContext& context) -> TensorList {
      const Tensor yt = transposed(context.saved(0));
      return {-matmul(matmul(yt, context.grad_output()), yt)};
    });
  });
}

Tensor det(const Tensor& a) {
  check_square("det", a);
  const Lu lu = decompose(a);
  const Tensor y = Tensor::empty(batch_of(a), a.dtype());
  for_determinants("det", lu, [&]<class T>(std::int64_t i, const std::vector<double>& diagonal, bool odd) {
    double product = odd ? -1.0 : 1.0;
    for (const double d : diagonal) product *= d;
    y.mutable_data<T>()[i] = static_cast<T>(product);
  });
  return record(det_info, {a}, y, [&] {
    return Gradient::of_ops({a, lu.factors, lu.pivots, y}, [](const BackwardContext& context) -> TensorList {
      return {times_inverse_transposed("det", context.grad_output() * context.saved(determinant),
                                       context.saved(determined),
                                       {context.saved(determined_factors), context.saved(determined_pivots)})};
    });
  });
}

Slogdet slogdet(const Tensor& a) {
  check_square("slogdet", a);
  const Lu lu = decompose(a);
  const Shape batch = batch_of(a);
  const Tensor sign = Tensor::empty(batch, a.dtype()), logabsdet = Tensor::empty(batch, a.dtype());
  for_determinants("slogdet", lu, [&]<class T>(std::int64_t i, const std::vector<double>& diagonal, bool odd) {
    double factor = odd ? -1.0 : 1.0, sum = 0.0;
    for (const double d : diagonal) {
      factor *= d > 0 ? 1.0 : d < 0 ? -1.0 : d;  // 0 and NaN stay
      sum += std::log(std::abs(d));
    }
    sign.mutable_data<T>()[i] = static_cast<T>(factor);
    logabsdet.mutable_data<T>()[i] = static_cast<T>(sum);
  });
  const TensorList outputs = record(slogdet_info, {a}, TensorList{sign, logabsdet}, [&] {
    return Gradient::of_ops({a, lu.factors, lu.pivots}, [](const BackwardContext& context) -> TensorList {
      const Tensor d = context.grad_output(1);
      if (!d.defined()) return {Tensor()};  // the sign is constant
      return {times_inverse_transposed("slogdet", d, context.saved(determined),
                                       {context.saved(determined_factors), context.saved(determined_pivots)})};
    });
  });
  return {outputs[0], outputs[1]};
}

Eigh eigh(const Tensor& a) {
  enum Saved : std::size_t { saved_values, saved_vectors };
  check_square("eigh", a);
  const std::int64_t n = a.size(-1);
  const Shape batch = batch_of(a);
  Shape values_shape = batch;
  values_shape.push_back(n);
  const Tensor values = Tensor::empty(values_shape, a.dtype()), rows = working_copy(a, a.shape());
  dispatch_floating("eigh", a.dtype(), [&]<class T>() {
    if (rows.numel() == 0) return;
    T* matrices = rows.mutable_data<T>();
    T* eigenvalues = values.mutable_data<T>();
    enum class Outcome : char { good, not_finite, no_convergence };
    std::vector<Outcome> outcomes(static_cast<std::size_t>(batch.numel()), Outcome::good);
    for_matrices(batch.numel(), n, [&](std::int64_t i) {
      T* matrix = matrices + i * n * n;
      Outcome& outcome = outcomes[static_cast<std::size_t>(i)];
      for (std::int64_t r = 0; r < n; ++r)  // LAPACK might search without end
        for (std::int64_t c = 0; c <= r; ++c)
          if (!std::isfinite(matrix[r * n + c])) outcome = Outcome::not_finite;
      if (outcome == Outcome::good && !kernels::eigh(n, matrix, eigenvalues + i * n)) outcome = Outcome::no_convergence;
    });
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      if (outcomes[i] != Outcome::good)
        fail(ErrorKind::argument, "eigh: {} {}; got shape {}", which_matrix(batch, static_cast<std::int64_t>(i)),
             outcomes[i] == Outcome::not_finite ? "has an element that is not finite"
                                                : "has eigenvalues that LAPACK did not find",
             a.shape());
  });
  Tensor vectors;
  {
    const NoGradGuard no_grad;
    vectors = transposed(rows);
  }
  const TensorList outputs = record(eigh_info, {a}, TensorList{values, vectors}, [&] {
    // V (diag(dλ) + (Vᵀ dV) / E) Vᵀ with E_ij = λ_j − λ_i and nothing on the diagonal of the quotient, made symmetric.
    return Gradient::of_ops({values, vectors}, [](const BackwardContext& context) -> TensorList {
      const Tensor v = context.saved(saved_vectors), vt = transposed(v);
      const Tensor dvalues = context.grad_output(0), dvectors = context.grad_output(1);
      const Tensor one = eye(v.size(-1), -1, v.dtype());
      Tensor inner;
      if (dvalues.defined()) inner = unsqueeze(dvalues, -1) * one;
      if (dvectors.defined()) {
        const Tensor lambda = context.saved(saved_values);
        const Tensor differences = unsqueeze(lambda, -2) - unsqueeze(lambda, -1) + one;
        const Tensor turned = matmul(vt, dvectors) * (1.0 - one) / differences;
        const Tensor even = (turned + transposed(turned)) * 0.5;
        inner = inner.defined() ? inner + even : even;
      }
      return {matmul(matmul(v, inner), vt)};
    });
  });
  return {outputs[0], outputs[1]};
}

OpList linalg_ops() {
  return {&cholesky_info, &solve_info, &solve_triangular_info, &inverse_info, &det_info, &slogdet_info, &eigh_info};
}

}  // namespace saw
