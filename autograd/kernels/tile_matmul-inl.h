// Per-target tools for kernels made of many small matrix products: a product whose operands stay in the nearest caches,
// without the packing and the call that a BLAS pays for, and the transposition that brings an operand into its order.

#if defined(SAW_AUTOGRAD_KERNELS_TILE_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_TILE_MATMUL_INL_H_
#undef SAW_AUTOGRAD_KERNELS_TILE_MATMUL_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_TILE_MATMUL_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A tile of sums, a row of B and one broadcast element of A fill the registers: 32 of them, or 16.
#if HWY_TARGET == HWY_AVX3
constexpr int tile_rows = 8;
#else
constexpr int tile_rows = 4;
#endif
constexpr int tile_vectors = 3;

/// C (m, n) = A (m, k) · B (k, n), or C += A · B. A may lie in any order; the rows of B and C are contiguous.
template <class T>
struct TileProduct {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_column;
  const T* b;
  std::int64_t b_row;
  T* c;
  std::int64_t c_row;
  bool accumulate;
};

/// `rows` rows of C times `vectors` vectors of columns; with `part`, only `count` lanes of the last vector exist.
template <int rows, int vectors, bool part, class T>
HWY_INLINE void register_tile(const TileProduct<T>& product, const T* HWY_RESTRICT a, const T* HWY_RESTRICT b,
                              T* HWY_RESTRICT c, std::size_t count) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  const auto load = [&](const T* memory, int v) HWY_ATTR {
    if (part && v + 1 == vectors) return load_part(d, memory, count);
    return hn::LoadU(d, memory);
  };
  V sums[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) sums[r][v] = hn::Zero(d);
  const std::int64_t a_row = product.a_row, a_column = product.a_column, b_row = product.b_row, k = product.k;
  for (std::int64_t p = 0; p < k; ++p) {
    V b_vectors[vectors];
    for (int v = 0; v < vectors; ++v) b_vectors[v] = load(b + static_cast<std::size_t>(v) * lanes, v);
    for (int r = 0; r < rows; ++r) {
      const V element = hn::Set(d, a[r * a_row]);
      for (int v = 0; v < vectors; ++v) sums[r][v] = hn::MulAdd(element, b_vectors[v], sums[r][v]);
    }
    a += a_column;
    b += b_row;
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) {
      T* memory = c + static_cast<std::size_t>(v) * lanes;
      const V sum = product.accumulate ? hn::Add(load(memory, v), sums[r][v]) : sums[r][v];
      if (part && v + 1 == vectors)
        store_part(d, sum, memory, count);
      else
        hn::StoreU(sum, d, memory);
    }
    c += product.c_row;
  }
}

template <int rows, int vectors, bool part, class T>
HWY_INLINE void register_tile_of(int wanted, const TileProduct<T>& product, const T* a, const T* b, T* c,
                                 std::size_t count) {
  if constexpr (rows > 1) {
    if (wanted < rows) return register_tile_of<rows - 1, vectors, part>(wanted, product, a, b, c, count);
  }
  register_tile<rows, vectors, part>(product, a, b, c, count);
}

/// All rows of a panel of columns. The rows are dealt out evenly, so that no tile is left with a single one.
template <int vectors, bool part, class T>
HWY_NOINLINE void column_panel(const TileProduct<T>& product, std::int64_t column, std::size_t count) {
  const std::int64_t tiles = (product.m + tile_rows - 1) / tile_rows;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = product.m * tile / tiles, end = product.m * (tile + 1) / tiles;
    register_tile_of<tile_rows, vectors, part>(static_cast<int>(end - begin), product,
                                               product.a + begin * product.a_row, product.b + column,
                                               product.c + begin * product.c_row + column, count);
  }
}

/// Every element is one chain of multiply-adds over k in order: its value does not depend on m, n or its place.
template <class T>
void multiply_tile(const TileProduct<T>& product) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const std::int64_t whole = product.n / lanes;
  const std::int64_t panels = (whole + tile_vectors - 1) / tile_vectors;
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    const std::int64_t begin = whole * panel / panels, vectors = whole * (panel + 1) / panels - begin;
    switch (vectors) {
      case 1:
        column_panel<1, false>(product, begin * lanes, 0);
        break;
      case 2:
        column_panel<2, false>(product, begin * lanes, 0);
        break;
      default:
        column_panel<3, false>(product, begin * lanes, 0);
        break;
    }
  }
  if (whole * lanes < product.n)
    column_panel<1, true>(product, whole * lanes, static_cast<std::size_t>(product.n - whole * lanes));
}

/// to[c][r] = from[r][c] for a square of as many rows and columns as 16 bytes have elements.
#if HWY_TARGET != HWY_SCALAR
HWY_INLINE void transpose_square(const float* HWY_RESTRICT from, std::int64_t from_row, float* HWY_RESTRICT to,
                                 std::int64_t to_row) {
  const hn::FixedTag<float, 4> d;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_row);
  const auto r2 = hn::LoadU(d, from + 2 * from_row), r3 = hn::LoadU(d, from + 3 * from_row);
  const auto even_low = hn::InterleaveLower(d, r0, r2), even_high = hn::InterleaveUpper(d, r0, r2);
  const auto odd_low = hn::InterleaveLower(d, r1, r3), odd_high = hn::InterleaveUpper(d, r1, r3);
  hn::StoreU(hn::InterleaveLower(d, even_low, odd_low), d, to);
  hn::StoreU(hn::InterleaveUpper(d, even_low, odd_low), d, to + to_row);
  hn::StoreU(hn::InterleaveLower(d, even_high, odd_high), d, to + 2 * to_row);
  hn::StoreU(hn::InterleaveUpper(d, even_high, odd_high), d, to + 3 * to_row);
}
HWY_INLINE void transpose_square(const double* HWY_RESTRICT from, std::int64_t from_row, double* HWY_RESTRICT to,
                                 std::int64_t to_row) {
  const hn::FixedTag<double, 2> d;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_row);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + to_row);
}
#endif

/// to[c][r] = from[r][c] for a (rows, columns) matrix with contiguous rows.
template <class T>
void transpose_block(const T* HWY_RESTRICT from, std::int64_t from_row, std::int64_t rows, std::int64_t columns,
                     T* HWY_RESTRICT to, std::int64_t to_row) {
  std::int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr auto side = static_cast<std::int64_t>(16 / sizeof(T));
  for (; r + side <= rows; r += side) {
    const T* row = from + r * from_row;
    std::int64_t c = 0;
    for (; c + side <= columns; c += side) transpose_square(row + c, from_row, to + c * to_row + r, to_row);
    for (; c < columns; ++c)
      for (std::int64_t i = 0; i < side; ++i) to[c * to_row + r + i] = row[i * from_row + c];
  }
#endif
  for (; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) to[c * to_row + r] = from[r * from_row + c];
}

/// The same, with zeros in to[c][rows … to_row − 1].
template <class T>
void transpose_tile(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
                    std::int64_t to_row) {
  transpose_block(from, from_row, rows, columns, to, to_row);
  if (rows < to_row)
    for (std::int64_t c = 0; c < columns; ++c) std::fill(to + c * to_row + rows, to + (c + 1) * to_row, T{0});
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
