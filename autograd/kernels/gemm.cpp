#include "saw/autograd/kernels/gemm.h"

#include <cblas.h>

#include <algorithm>
#include <atomic>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm_log.h"
#include "saw/autograd/kernels/one_blas_thread.h"

extern "C" {
// Not in every cblas.h.
char* openblas_get_corename();
}

namespace saw::kernels {
namespace {

std::atomic<GemmObserver*> gemm_observer{nullptr};

CBLAS_TRANSPOSE flag(bool transpose) { return transpose ? CblasTrans : CblasNoTrans; }

void call(bool ta, bool tb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, flag(ta), flag(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void call(bool ta, bool tb, int m, int n, int k, double alpha, const double* a, int lda, const double* b, int ldb,
          double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, flag(ta), flag(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

template <class T>
void multiply(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t lda,
              const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
    return;
  }
  const OneBlasThread one_thread;
  // BLAS wants a leading dimension of at least the row length, also for a single row, whose stride is arbitrary.
  const auto at_least = [](std::int64_t ld, std::int64_t columns) {
    return static_cast<int>(std::max<std::int64_t>({ld, columns, 1}));
  };
  call(ta, tb, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), alpha, a, at_least(lda, ta ? m : k), b,
       at_least(ldb, tb ? k : n), beta, c, at_least(ldc, n));
}

/// How many pieces an extent is cut into: few, since every tile packs its operands anew, and at least `smallest` each.
std::int64_t block(std::int64_t extent, std::int64_t pieces, std::int64_t smallest) {
  const std::int64_t size = std::max((extent + pieces - 1) / pieces, smallest);
  return (size + 15) / 16 * 16;
}

template <class T>
void multiply_parallel(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
                       std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
  log_gemm(ta, tb, m, n, k, sizeof(T), 1);
  constexpr double smallest_tile = 1.5e6;  // multiply-adds; about 20 µs, ten times the cost of waking a thread
  const double work =
      static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::max<std::int64_t>(k, 1));
  const auto pieces = static_cast<std::int64_t>(std::clamp(work / smallest_tile, 1.0, 8.0));
  std::int64_t rows = m, columns = n;
  if (pieces > 1) {
    // The longer side is cut first; tiles stay large enough for OpenBLAS's inner kernels.
    if (m >= n) {
      rows = block(m, pieces, 48);
      const std::int64_t left = std::max<std::int64_t>(1, pieces / ((m + rows - 1) / rows));
      columns = block(n, left, 96);
    } else {
      columns = block(n, pieces, 48);
      const std::int64_t left = std::max<std::int64_t>(1, pieces / ((n + columns - 1) / columns));
      rows = block(m, left, 96);
    }
  }
  const std::int64_t row_tiles = std::max<std::int64_t>(1, (m + rows - 1) / std::max<std::int64_t>(rows, 1));
  const std::int64_t column_tiles = std::max<std::int64_t>(1, (n + columns - 1) / std::max<std::int64_t>(columns, 1));
  parallel_for(0, row_tiles * column_tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const std::int64_t i = tile / column_tiles * rows, j = tile % column_tiles * columns;
      multiply(ta, tb, std::min(rows, m - i), std::min(columns, n - j), k, alpha, ta ? a + i : a + i * lda, lda,
               tb ? b + j * ldb : b + j, ldb, beta, c + i * ldc + j, ldc);
    }
  });
}

}  // namespace

void gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
          std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc) {
  multiply(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, double alpha, const double* a,
          std::int64_t lda, const double* b, std::int64_t ldb, double beta, double* c, std::int64_t ldc) {
  multiply(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void gemm_parallel(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
                   std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc) {
  multiply_parallel(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void gemm_parallel(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, double alpha, const double* a,
                   std::int64_t lda, const double* b, std::int64_t ldb, double beta, double* c, std::int64_t ldc) {
  multiply_parallel(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

const char* gemm_core_name() { return openblas_get_corename(); }

GemmObserver* set_gemm_observer(GemmObserver* observer) { return gemm_observer.exchange(observer); }

void log_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
              std::size_t element_bytes, std::int64_t repeats) {
  if (GemmObserver* observer = gemm_observer.load(std::memory_order_relaxed); observer != nullptr)
    observer->observe({transpose_a, transpose_b, m, n, k, element_bytes, repeats});
}

}  // namespace saw::kernels
