#pragma once

#include <cstdint>

namespace saw::kernels {

// Row-major matrix products: C (m, n) = op(A) (m, k) · op(B) (k, n), or C += that with `accumulate`, where op
// transposes what is stored when its flag is set. Leading dimensions are those of the stored matrices. C is never read
// without `accumulate`.
//
// An element of C is the same chain of multiply-adds over k wherever it lies and whoever computes it: its bits depend
// on its row of A, its column of B and k alone, not on m, on n (but for n = 1, see gemm.cpp) or on the threads. So a
// row of a batch has the bits that it has alone.

/// On the calling thread; for use inside parallel_for.
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
          std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate);
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
          std::int64_t lda, const double* b, std::int64_t ldb, double* c, std::int64_t ldc, bool accumulate);

/// Shared by the threads.
void gemm_parallel(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                   std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate);
void gemm_parallel(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
                   std::int64_t lda, const double* b, std::int64_t ldb, double* c, std::int64_t ldc, bool accumulate);

/// The kernels OpenBLAS chose for this machine: "SkylakeX", "Zen", …
const char* gemm_core_name();

}  // namespace saw::kernels
