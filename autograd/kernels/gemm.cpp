#include "saw/autograd/kernels/gemm.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm_log.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/gemm.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/targets.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// A narrow product: n is a few vectors at most, the last of which may be filled in part.
template <class T>
void multiply_panel(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row,
                    std::int64_t a_column, const T* b, std::int64_t b_row, T* c, std::int64_t c_row, bool accumulate) {
  const TileProduct<T> product{m, n, k, a, a_row, a_column, b, b_row, c, c_row, accumulate};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const std::int64_t all = (product.n + lanes - 1) / lanes, groups = (all + tile_vectors - 1) / tile_vectors;
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::int64_t begin = all * group / groups, end = all * (group + 1) / groups;
    const std::int64_t missing = end == all ? all * lanes - product.n : 0;
    const auto count = static_cast<std::size_t>(lanes - missing);
    switch (end - begin) {
      case 1:
        missing != 0 ? column_panel<1, true>(product, begin * lanes, count)
                     : column_panel<1, false>(product, begin * lanes, 0);
        break;
      case 2:
        missing != 0 ? column_panel<2, true>(product, begin * lanes, count)
                     : column_panel<2, false>(product, begin * lanes, 0);
        break;
      default:
        missing != 0 ? column_panel<3, true>(product, begin * lanes, count)
                     : column_panel<3, false>(product, begin * lanes, 0);
        break;
    }
  }
}

/// c[i · c_row] (+)= row i of A · b, whose elements lie one after the other. Four chains of lanes run along a row.
template <class T>
void multiply_vector(std::int64_t m, std::int64_t k, const T* HWY_RESTRICT a, std::int64_t a_row,
                     const T* HWY_RESTRICT b, T* HWY_RESTRICT c, std::int64_t c_row, bool accumulate) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < m; ++i, a += a_row, c += c_row) {
    V s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
    std::int64_t p = 0;
    for (; p + 4 * lanes <= k; p += 4 * lanes) {
      s0 = hn::MulAdd(hn::LoadU(d, a + p), hn::LoadU(d, b + p), s0);
      s1 = hn::MulAdd(hn::LoadU(d, a + p + lanes), hn::LoadU(d, b + p + lanes), s1);
      s2 = hn::MulAdd(hn::LoadU(d, a + p + 2 * lanes), hn::LoadU(d, b + p + 2 * lanes), s2);
      s3 = hn::MulAdd(hn::LoadU(d, a + p + 3 * lanes), hn::LoadU(d, b + p + 3 * lanes), s3);
    }
    for (; p + lanes <= k; p += lanes) s0 = hn::MulAdd(hn::LoadU(d, a + p), hn::LoadU(d, b + p), s0);
    if (p < k) {
      const auto count = static_cast<std::size_t>(k - p);
      s1 = hn::MulAdd(load_part(d, a + p, count), load_part(d, b + p, count), s1);
    }
    const T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
    *c = accumulate ? *c + sum : sum;
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

extern "C" {
// Not in every cblas.h.
char* openblas_get_corename();
}

namespace saw::kernels {
namespace {

std::atomic<GemmObserver*> gemm_observer{nullptr};

/// C (m, n) = A (m, k) · B (k, n), or C += A · B, with any strides.
template <class T>
struct Product {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_column;
  const T* b;
  std::int64_t b_row, b_column;
  T* c;
  std::int64_t c_row, c_column;
  bool accumulate;

  double work() const { return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
};

/// The same as Cᵀ = Bᵀ · Aᵀ.
template <class T>
Product<T> transposed(const Product<T>& p) {
  return {p.n, p.m, p.k, p.b, p.b_column, p.b_row, p.a, p.a_column, p.a_row, p.c, p.c_column, p.c_row, p.accumulate};
}

template <class T>
void transpose(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
               std::int64_t to_row) {
  SAW_FOR_TARGET(transpose_block<T>)(from, from_row, rows, columns, to, to_row);
}

/// What is multiplied at a time: a panel of B stays in the first cache while the rows of a task go past it. Every
/// element of C is the sum over these pieces of k in order.
constexpr std::int64_t depth = 256;
/// Elements of B that are packed at a time, a mebibyte of floats.
constexpr std::int64_t most_packed = 262144;
/// Operands of so many bytes stay in the first cache as they are.
constexpr std::int64_t small = 32768;

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The columns of B in panels of up to three cache lines, each panel with its rows one after the other. (In place the
/// rows of a panel would be n apart, which for many n puts them all into the same few places of the cache.)
template <class T>
class Panels {
 public:
  static constexpr std::int64_t line = 64 / sizeof(T);

  explicit Panels(const Product<T>& product)
      : product_(product), lines_(ceil_div(product.n, line)), count_(ceil_div(lines_, 3)) {
    // A few rows do not repay the copy.
    const std::int64_t bytes = product.k * product.n * static_cast<std::int64_t>(sizeof(T));
    packed_ = product.b_column != 1 || (product.m >= 16 && bytes > small);
  }
  std::int64_t count() const { return count_; }
  std::int64_t first_column(std::int64_t panel) const { return lines_ * panel / count_ * line; }
  std::int64_t columns(std::int64_t panel) const {
    return std::min(first_column(panel + 1), product_.n) - first_column(panel);
  }
  /// Elements of memory that pack() needs.
  std::size_t size() const { return packed_ ? static_cast<std::size_t>(product_.k * lines_ * line) : 1; }
  const T* row(const T* memory, std::int64_t panel, std::int64_t k) const {
    if (!packed_) return product_.b + first_column(panel) + k * product_.b_row;
    return memory + first_column(panel) * product_.k + k * row_stride(panel);
  }
  std::int64_t row_stride(std::int64_t panel) const {
    return packed_ ? first_column(panel + 1) - first_column(panel) : product_.b_row;
  }
  bool packed() const { return packed_; }
  /// Copies rows begin … end − 1 of a panel.
  void pack(T* memory, std::int64_t panel, std::int64_t begin, std::int64_t end) const {
    const std::int64_t stride = row_stride(panel), width = columns(panel);
    T* to = memory + first_column(panel) * product_.k + begin * stride;
    const T* from = product_.b + first_column(panel) * product_.b_column + begin * product_.b_row;
    if (product_.b_row == 1)
      transpose(from, product_.b_column, width, end - begin, to, stride);
    else
      for (std::int64_t k = begin; k < end; ++k, from += product_.b_row, to += stride) std::copy_n(from, width, to);
  }

 private:
  Product<T> product_;
  std::int64_t lines_, count_;
  bool packed_;
};

/// The part of a product that one thread computes: some rows times some panels.
template <class T>
void multiply_task(Product<T> p, const Panels<T>& panels, const T* packed, std::int64_t first_panel,
                   std::int64_t last_panel) {
  const std::int64_t first_column = panels.first_column(first_panel);
  const std::int64_t columns = panels.first_column(last_panel - 1) + panels.columns(last_panel - 1) - first_column;
  const bool through_copy = p.c_column != 1;  // a product that was turned round; it has few columns
  Scratch<T> turned(static_cast<std::size_t>(through_copy ? p.m * columns : 1));
  T* const c = p.c + first_column * p.c_column;
  T* const to = through_copy ? turned.data() : c;
  const std::int64_t to_row = through_copy ? columns : p.c_row;
  if (through_copy && p.accumulate) transpose(c, p.c_column, columns, p.m, to, to_row);

  // A column of A is scattered over memory when A is stored transposed: its rows are brought together first. Rows of A
  // that lie multiples of a page apart would displace each other from the cache.
  const bool several = last_panel - first_panel > 1 && p.m * p.k * static_cast<std::int64_t>(sizeof(T)) > small;
  const bool gathered = several && p.a_column != 1;
  const bool copied = several && p.a_column == 1 && p.a_row * static_cast<std::int64_t>(sizeof(T)) % 4096 == 0;
  const std::int64_t pitch = (ceil_div(gathered ? p.m : depth, Panels<T>::line) | 1) * Panels<T>::line;
  Scratch<T> block(static_cast<std::size_t>(gathered ? pitch * std::min(depth, p.k) : copied ? pitch * p.m : 1));
  for (std::int64_t k = 0; k < p.k; k += depth) {
    const std::int64_t length = std::min(depth, p.k - k);
    const T* a = p.a + k * p.a_column;
    std::int64_t a_row = p.a_row, a_column = p.a_column;
    if (gathered) {
      for (std::int64_t i = 0; i < length; ++i) std::copy_n(a + i * p.a_column, p.m, block.data() + i * pitch);
      a = block.data();
      a_column = pitch;
    } else if (copied) {
      for (std::int64_t i = 0; i < p.m; ++i) std::copy_n(a + i * p.a_row, length, block.data() + i * pitch);
      a = block.data();
      a_row = pitch;
    }
    for (std::int64_t panel = first_panel; panel < last_panel; ++panel) SAW_FOR_TARGET(multiply_panel<T>)
    (p.m, panels.columns(panel), length, a, a_row, a_column, panels.row(packed, panel, k), panels.row_stride(panel),
     to + panels.first_column(panel) - first_column, to_row, p.accumulate || k > 0);
  }
  if (through_copy) transpose(to, to_row, p.m, columns, c, p.c_column);
}

/// Calls f(begin, end) for chunks, on the threads or on this one.
template <class F>
void for_chunks(bool parallel, std::int64_t count, std::int64_t grain, F f) {
  if (parallel)
    parallel_for(0, count, grain, f);
  else
    f(0, count);
}

/// A product with a single column: nothing to share between columns, so the lanes run along k.
template <class T>
void multiply_column(const Product<T>& p, bool parallel) {
  Scratch<T> column(static_cast<std::size_t>(p.b_row == 1 ? 1 : p.k));
  const T* b = p.b;
  if (p.b_row != 1) {
    for (std::int64_t i = 0; i < p.k; ++i) column[static_cast<std::size_t>(i)] = p.b[i * p.b_row];
    b = column.data();
  }
  const std::int64_t grain = std::max<std::int64_t>(1, 65536 / p.k);
  for_chunks(parallel, p.m, grain, [&](std::int64_t begin, std::int64_t end) {
    const T* a = p.a + begin * p.a_row;
    T* c = p.c + begin * p.c_row;
    SAW_FOR_TARGET(multiply_vector<T>)(end - begin, p.k, a, p.a_row, b, c, p.c_row, p.accumulate);
  });
}

/// One piece of k: packs B, then shares out the rows.
template <class T>
void multiply_piece(const Product<T>& p, bool parallel) {
  const Panels<T> panels(p);
  Scratch<T> packed(panels.size());
  if (panels.packed()) {
    const std::int64_t pieces = ceil_div(p.k, depth);
    const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (std::min(p.k, depth) * 3 * Panels<T>::line));
    for_chunks(parallel, panels.count() * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t k = i % pieces * depth;
        panels.pack(packed.data(), i / pieces, k, std::min(k + depth, p.k));
      }
    });
  }
  // Tasks of some 20 µs or more, ten times the cost of waking a thread; first the rows are cut, then the panels.
  const std::int64_t tasks = parallel ? static_cast<std::int64_t>(std::clamp(p.work() / 1.5e6, 1.0, 64.0)) : 1;
  const std::int64_t rows =
      std::clamp<std::int64_t>(ceil_div(ceil_div(p.m, tasks), 8) * 8, std::min<std::int64_t>(32, p.m), 256);
  const std::int64_t row_blocks = ceil_div(p.m, rows);
  const std::int64_t groups = std::min(panels.count(), ceil_div(tasks, row_blocks));
  for_chunks(parallel, row_blocks * groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t row = task / groups * rows, group = task % groups;
      Product<T> part = p;
      part.m = std::min(rows, p.m - row);
      part.a += row * p.a_row;
      part.c += row * p.c_row;
      multiply_task(part, panels, packed.data(), panels.count() * group / groups,
                    panels.count() * (group + 1) / groups);
    }
  });
}

template <class T>
void multiply(Product<T> p, bool parallel) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {
    if (!p.accumulate)
      for (std::int64_t i = 0; i < p.m; ++i) std::fill_n(p.c + i * p.c_row, p.n, T(0));
    return;
  }
  if (p.n == 1 && p.a_column == 1) return multiply_column(p, parallel);
  // Turned round, what is packed is the smaller operand and the lanes lie along the longer side.
  const bool few_rows = p.b_column != 1 && p.m <= 64 && p.m < p.n;
  const bool few_columns = p.a_column != 1 && p.n < Panels<T>::line && p.n < p.m;
  if (few_rows || few_columns) p = transposed(p);
  const std::int64_t length = std::max<std::int64_t>(1, most_packed / p.n / depth) * depth;
  for (std::int64_t k = 0; k < p.k; k += length) {
    Product<T> piece = p;
    piece.k = std::min(length, p.k - k);
    piece.a += k * p.a_column;
    piece.b += k * p.b_row;
    piece.accumulate = p.accumulate || k > 0;
    multiply_piece(piece, parallel);
  }
}

template <class T>
Product<T> product(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda,
                   const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate) {
  return {m, n, k, a, ta ? 1 : lda, ta ? lda : 1, b, tb ? 1 : ldb, tb ? ldb : 1, c, ldc, 1, accumulate};
}

}  // namespace

void gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
          const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate) {
  multiply(product(ta, tb, m, n, k, a, lda, b, ldb, c, ldc, accumulate), false);
}
void gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t lda,
          const double* b, std::int64_t ldb, double* c, std::int64_t ldc, bool accumulate) {
  multiply(product(ta, tb, m, n, k, a, lda, b, ldb, c, ldc, accumulate), false);
}
void gemm_parallel(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
                   const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate) {
  log_gemm(ta, tb, m, n, k, sizeof(float), 1);
  multiply(product(ta, tb, m, n, k, a, lda, b, ldb, c, ldc, accumulate), true);
}
void gemm_parallel(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t lda,
                   const double* b, std::int64_t ldb, double* c, std::int64_t ldc, bool accumulate) {
  log_gemm(ta, tb, m, n, k, sizeof(double), 1);
  multiply(product(ta, tb, m, n, k, a, lda, b, ldb, c, ldc, accumulate), true);
}

const char* gemm_core_name() { return openblas_get_corename(); }

GemmObserver* set_gemm_observer(GemmObserver* observer) { return gemm_observer.exchange(observer); }

void log_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
              std::size_t element_bytes, std::int64_t repeats) {
  if (GemmObserver* observer = gemm_observer.load(std::memory_order_relaxed); observer != nullptr)
    observer->observe({transpose_a, transpose_b, m, n, k, element_bytes, repeats});
}

}  // namespace saw::kernels

#endif  // HWY_ONCE
