#pragma once

#include <cstdint>

namespace saw::kernels {

// Row-major general matrix products: C (m, n) = alpha · op(A) (m, k) · op(B) (k, n) + beta · C, where op transposes
// what is stored when its flag is set. Leading dimensions are those of the stored matrices. C is never read when beta
// is 0.

/// On the calling thread; for use inside parallel_for.
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
          const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc);
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, double alpha,
          const double* a, std::int64_t lda, const double* b, std::int64_t ldb, double beta, double* c,
          std::int64_t ldc);

/// Cut into tiles that depend on the shape alone, which the threads share: the result has the same bits for any number
/// of threads. (OpenBLAS's own threading cuts differently for each number.)
void gemm_parallel(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
                   const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
                   std::int64_t ldc);
void gemm_parallel(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, double alpha,
                   const double* a, std::int64_t lda, const double* b, std::int64_t ldb, double beta, double* c,
                   std::int64_t ldc);

/// The kernels OpenBLAS chose for this machine: "SkylakeX", "Zen", …
const char* gemm_core_name();

}  // namespace saw::kernels
