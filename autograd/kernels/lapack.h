#pragma once

// Decompositions of one square matrix (n, n) by LAPACK, and solutions made with them, on the calling thread; for float
// and double. Matrices are contiguous and row-major unless said otherwise. LAPACK counts down the columns, so it sees
// the transpose of what lies here: nothing is copied to hide that, each function asks LAPACK for what comes out right.

#include <cstdint>

namespace saw::kernels {

/// The lower triangle of `a`, read as a symmetric matrix, becomes L with L Lᵀ = a; the upper one becomes 0. Returns 0,
/// or the order of the first leading minor that is not positive.
template <class T>
std::int64_t cholesky(std::int64_t n, T* a);

/// LU decomposition with row exchanges of the transpose of `a`, in place: a = L U Pᵀ with the lower triangle L and,
/// above the ones of its diagonal, U. pivots[i] is the row that row i changed places with.
template <class T>
void lu(std::int64_t n, T* a, std::int64_t* pivots);

/// b (n, columns) becomes a⁻¹ b, or a⁻ᵀ b if `transpose`, for the a that lu() decomposed.
template <class T>
void lu_solve(bool transpose, std::int64_t n, std::int64_t columns, const T* lu, const std::int64_t* pivots, T* b);

/// `a` becomes its inverse. Returns 0, or the position (from 1) of the first pivot that is 0.
template <class T>
std::int64_t inverse(std::int64_t n, T* a);

/// b (rows, columns) becomes op(a)⁻¹ b if `left`, else b op(a)⁻¹, for a triangular matrix `a` with that leading
/// dimension, which `transpose` takes the transpose of. `upper` says where a's numbers are as it lies, and `unit` that
/// its diagonal is 1 whatever is there.
template <class T>
void solve_triangular(bool left, bool upper, bool transpose, bool unit, std::int64_t rows, std::int64_t columns,
                      const T* a, std::int64_t leading, T* b);

/// The eigenvalues, ascending, of the symmetric matrix whose lower triangle is that of `a`; the rows of `a` become the
/// eigenvectors. False where the iteration did not converge.
template <class T>
bool eigh(std::int64_t n, T* a, T* eigenvalues);

}  // namespace saw::kernels
