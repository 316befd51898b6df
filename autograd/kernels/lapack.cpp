#include "saw/autograd/kernels/lapack.h"

#include <cblas.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/kernels/one_blas_thread.h"

// OpenBLAS comes without a header for its LAPACK. Fortran passes the lengths of strings at the end; those routines that
// OpenBLAS has written anew in C do not look at them.
extern "C" {
void spotrf_(const char* uplo, const blasint* n, float* a, const blasint* lda, blasint* info, std::size_t uplo_length);
void dpotrf_(const char* uplo, const blasint* n, double* a, const blasint* lda, blasint* info, std::size_t uplo_length);
void sgetrf_(const blasint* m, const blasint* n, float* a, const blasint* lda, blasint* pivots, blasint* info);
void dgetrf_(const blasint* m, const blasint* n, double* a, const blasint* lda, blasint* pivots, blasint* info);
void sgetri_(const blasint* n, float* a, const blasint* lda, const blasint* pivots, float* work,
             const blasint* work_size, blasint* info);
void dgetri_(const blasint* n, double* a, const blasint* lda, const blasint* pivots, double* work,
             const blasint* work_size, blasint* info);
void ssyevd_(const char* job, const char* uplo, const blasint* n, float* a, const blasint* lda, float* eigenvalues,
             float* work, const blasint* work_size, blasint* integers, const blasint* integers_size, blasint* info,
             std::size_t job_length, std::size_t uplo_length);
void dsyevd_(const char* job, const char* uplo, const blasint* n, double* a, const blasint* lda, double* eigenvalues,
             double* work, const blasint* work_size, blasint* integers, const blasint* integers_size, blasint* info,
             std::size_t job_length, std::size_t uplo_length);
}

namespace saw::kernels {
namespace {

/// The same routine for either type.
template <class T, class Single, class Double>
auto of_type(Single single, Double twice) {
  if constexpr (std::is_same_v<T, float>)
    return single;
  else
    return twice;
}

/// LAPACK's LU decomposition in place. Returns 0 or the position (from 1) of the first pivot that is 0.
template <class T>
blasint decompose(blasint n, T* a, blasint* pivots) {
  blasint info = 0;
  of_type<T>(sgetrf_, dgetrf_)(&n, &n, a, &n, pivots, &info);
  return info;
}

}  // namespace

template <class T>
std::int64_t cholesky(std::int64_t n, T* a) {
  const OneBlasThread one_thread;
  const auto order = static_cast<blasint>(n);
  blasint info = 0;
  // The transpose's upper triangle is what lies in the lower one: a = Uᵀ U there is L Lᵀ here.
  of_type<T>(spotrf_, dpotrf_)("U", &order, a, &order, &info, 1);
  if (info != 0) return info;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!(a[i * n + i] > 0)) return i + 1;  // NaN, which OpenBLAS lets pass
    std::fill(a + i * n + i + 1, a + (i + 1) * n, T(0));
  }
  return 0;
}

template <class T>
void lu(std::int64_t n, T* a, std::int64_t* pivots) {
  const OneBlasThread one_thread;
  Scratch<blasint> rows(static_cast<std::size_t>(n));
  decompose(static_cast<blasint>(n), a, rows.data());
  for (std::int64_t i = 0; i < n; ++i) pivots[i] = rows[static_cast<std::size_t>(i)] - 1;
}

template <class T>
void lu_solve(bool transpose, std::int64_t n, std::int64_t columns, const T* lu, const std::int64_t* pivots, T* b) {
  const auto exchange = [&](std::int64_t i) {
    if (pivots[i] != i) std::swap_ranges(b + i * columns, b + (i + 1) * columns, b + pivots[i] * columns);
  };
  // With a = L U Pᵀ: a x = b is L (U (Pᵀ x)) = b, and aᵀ x = b is P Uᵀ Lᵀ x = b.
  if (transpose) {
    for (std::int64_t i = 0; i < n; ++i) exchange(i);
    solve_triangular(true, true, true, true, n, columns, lu, n, b);
    solve_triangular(true, false, true, false, n, columns, lu, n, b);
  } else {
    solve_triangular(true, false, false, false, n, columns, lu, n, b);
    solve_triangular(true, true, false, true, n, columns, lu, n, b);
    for (std::int64_t i = n; i-- > 0;) exchange(i);
  }
}

template <class T>
std::int64_t inverse(std::int64_t n, T* a) {
  const OneBlasThread one_thread;
  const auto order = static_cast<blasint>(n);
  const blasint work_size = order * 64;  // columns that are worked on at once
  Scratch<blasint> pivots(static_cast<std::size_t>(n));
  Scratch<T> work(static_cast<std::size_t>(work_size));
  blasint info = decompose(order, a, pivots.data());
  // The inverse of the transpose is the transpose of the inverse.
  if (info == 0) of_type<T>(sgetri_, dgetri_)(&order, a, &order, pivots.data(), work.data(), &work_size, &info);
  return info;
}

template <class T>
void solve_triangular(bool left, bool upper, bool transpose, bool unit, std::int64_t rows, std::int64_t columns,
                      const T* a, std::int64_t leading, T* b) {
  const OneBlasThread one_thread;
  of_type<T>(cblas_strsm, cblas_dtrsm)(CblasRowMajor, left ? CblasLeft : CblasRight, upper ? CblasUpper : CblasLower,
                                       transpose ? CblasTrans : CblasNoTrans, unit ? CblasUnit : CblasNonUnit,
                                       static_cast<blasint>(rows), static_cast<blasint>(columns), T(1), a,
                                       static_cast<blasint>(leading), b, static_cast<blasint>(columns));
}

template <class T>
bool eigh(std::int64_t n, T* a, T* eigenvalues) {
  const OneBlasThread one_thread;
  const auto order = static_cast<blasint>(n);
  const blasint work_size = 1 + 6 * order + 2 * order * order, integers_size = 3 + 5 * order;
  Scratch<T> work(static_cast<std::size_t>(work_size));
  Scratch<blasint> integers(static_cast<std::size_t>(integers_size));
  blasint info = 0;
  // The transpose's upper triangle is the lower one here; its eigenvectors are columns there and rows here.
  of_type<T>(ssyevd_, dsyevd_)("V", "U", &order, a, &order, eigenvalues, work.data(), &work_size, integers.data(),
                               &integers_size, &info, 1, 1);
  return info == 0;
}

template std::int64_t cholesky(std::int64_t, float*);
template std::int64_t cholesky(std::int64_t, double*);
template void lu(std::int64_t, float*, std::int64_t*);
template void lu(std::int64_t, double*, std::int64_t*);
template void lu_solve(bool, std::int64_t, std::int64_t, const float*, const std::int64_t*, float*);
template void lu_solve(bool, std::int64_t, std::int64_t, const double*, const std::int64_t*, double*);
template std::int64_t inverse(std::int64_t, float*);
template std::int64_t inverse(std::int64_t, double*);
template void solve_triangular(bool, bool, bool, bool, std::int64_t, std::int64_t, const float*, std::int64_t, float*);
template void solve_triangular(bool, bool, bool, bool, std::int64_t, std::int64_t, const double*, std::int64_t,
                               double*);
template bool eigh(std::int64_t, float*, float*);
template bool eigh(std::int64_t, double*, double*);

}  // namespace saw::kernels
