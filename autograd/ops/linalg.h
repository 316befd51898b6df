#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Linear algebra with the matrices in the last two axes; leading axes are a batch. float32 and float64. LAPACK works on
// one thread for each matrix and the threads share the batch, so the bits do not depend on their number. All throw
// Error(shape) for a matrix that is not square or operands that do not fit, Error(dtype) for other dtypes, and
// Error(argument) where a matrix has no result, with its place in the batch.

/// L (…, n, n), lower triangular with a positive diagonal, and a = L Lᵀ; or U = Lᵀ if `upper`. Only the triangle of a
/// that is asked for is read; the gradient is that of a symmetric matrix. Throws Error(argument) where a is not
/// positive definite.
Tensor cholesky(const Tensor& a, bool upper = false);

/// x with a x = b for a (…, n, n), by LU decomposition with row exchanges. b is a batch of matrices (…, n, k) whose
/// batch broadcasts against a's; or vectors, where it has one dimension or exactly a's shape without the last axis.
/// Throws Error(argument) where a is singular: a pivot is 0.
Tensor solve(const Tensor& a, const Tensor& b);

/// x with a x = b, or x a = b unless `left`, for a triangular a (…, n, n) of which only that triangle is read, and b
/// (…, n, k), or (…, k, n) unless `left`; batches broadcast. The diagonal counts as 1 if `unitriangular`. Throws
/// Error(argument) for a 0 on the diagonal.
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true, bool unitriangular = false);

/// a⁻¹ (…, n, n). solve(a, b) is faster and more exact than inverse(a) times b. Throws Error(argument) where a is
/// singular.
Tensor inverse(const Tensor& a);

/// The determinant (…) of a (…, n, n); 1 for n = 0. Its gradient throws Error(argument) where a is singular.
Tensor det(const Tensor& a);

/// What slogdet() gives.
struct Slogdet {
  Tensor sign;       ///< (…) 1, −1, or 0 for a singular matrix; its gradient is 0
  Tensor logabsdet;  ///< (…) log |det a|, −∞ for a singular matrix
};
/// The determinant as sign · exp(logabsdet), which neither overflows nor vanishes. The gradient throws Error(argument)
/// where a is singular.
Slogdet slogdet(const Tensor& a);

/// What eigh() gives: eigenvalue i belongs to column i.
struct Eigh {
  Tensor eigenvalues;   ///< (…, n), ascending
  Tensor eigenvectors;  ///< (…, n, n), orthonormal columns
};
/// a = V diag(λ) Vᵀ for a symmetric matrix a (…, n, n), whose lower triangle is read. An eigenvector is determined but
/// for its sign, which is LAPACK's, so only a function that does not depend on the signs has a meaningful gradient. The
/// gradient through eigenvectors divides by differences of eigenvalues: it is not finite where two are equal (then the
/// eigenvectors are not determined), while that through eigenvalues is always. The gradient is that of a symmetric
/// matrix. Throws Error(argument) for an element that is not finite.
Eigh eigh(const Tensor& a);

}  // namespace saw
