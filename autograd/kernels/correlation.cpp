#include "saw/autograd/kernels/correlation.h"

#include <cstddef>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/correlation.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/targets.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

// How many rows of sums, and how many factors of adjacent terms, are held in registers: there are 32 of them, or 16.
constexpr int correlation_rows = 8;
#if HWY_TARGET == HWY_AVX3
constexpr int correlation_terms = 8;
#else
constexpr int correlation_terms = 4;
#endif

/// sums[row − k] += factors[k] · x for all k.
template <int row, int rows, int terms, class V>
HWY_INLINE void add_products(const V (&factors)[terms], V x, V (&sums)[rows]) {
  for (int k = 0; k < terms; ++k)
    if (row - k >= 0 && row - k < rows) sums[row - k] = hn::MulAdd(factors[k], x, sums[row - k]);
}

/// sums[r] += Σₖ factors[k] · source[r + k] for r < rows and k < terms, k in order: each row of the source is loaded
/// once and meets all factors. (Folds instead of a loop over rows, so that the arrays stay in registers.)
template <int rows, int terms, class D, class V, class T, int... row>
HWY_INLINE void add_adjacent(D d, const V (&factors)[terms], const T* source, V (&sums)[rows],
                             std::integer_sequence<int, row...> /*rows + terms − 1*/) {
  (add_products<row>(factors, hn::Load(d, source + row * strip_width), sums), ...);
}

/// `rows` rows of the result times the vector of channels at `lane` of a strip; with `part`, only `lanes` of its lanes
/// exist.
template <int rows, bool part, class T>
HWY_INLINE void correlation_tile(const Correlation<T>& c, std::int64_t strip, std::int64_t lane, std::int64_t row,
                                 std::size_t lanes) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V sums[rows];
  const T* start = c.start + strip * c.start_strip + row * c.start_row + lane;
  for (int r = 0; r < rows; ++r) sums[r] = hn::Load(d, start + r * c.start_row);
  const T* HWY_RESTRICT factor = c.factors + strip * c.factor_strip + lane;
  const T* HWY_RESTRICT source = c.source + strip * c.source_strip + row * strip_width + lane;
  const std::int64_t* HWY_RESTRICT offsets = c.offsets;
  const std::int64_t count = c.count, factor_step = c.factor_step;
  std::int64_t j = 0;
  if (c.adjacent)
    for (; j + correlation_terms <= count; j += correlation_terms) {
      V factors[correlation_terms];
      for (int k = 0; k < correlation_terms; ++k) factors[k] = hn::Load(d, factor + k * factor_step);
      add_adjacent(d, factors, source + offsets[j], sums,
                   std::make_integer_sequence<int, rows + correlation_terms - 1>());
      factor += correlation_terms * factor_step;
    }
  for (; j < count; ++j) {
    const T* HWY_RESTRICT term = source + offsets[j];
    const V f = hn::Load(d, factor);
    for (int r = 0; r < rows; ++r) sums[r] = hn::MulAdd(f, hn::Load(d, term + r * strip_width), sums[r]);
    factor += factor_step;
  }
  T* result = c.result + strip * c.result_strip + row * c.result_row + lane;
  for (int r = 0; r < rows; ++r, result += c.result_row) {
    if (part)
      store_part(d, sums[r], result, lanes);
    else
      hn::StoreU(sums[r], d, result);
  }
}

template <int rows, bool part, class T>
HWY_INLINE void correlation_tile_of(int wanted, const Correlation<T>& c, std::int64_t strip, std::int64_t lane,
                                    std::int64_t row, std::size_t lanes) {
  if constexpr (rows > 1) {
    if (wanted < rows) return correlation_tile_of<rows - 1, part>(wanted, c, strip, lane, row, lanes);
  }
  correlation_tile<rows, part>(c, strip, lane, row, lanes);
}

/// All rows of a vector of channels. The rows are dealt out evenly, so that no tile is left with a single one.
template <bool part, class T>
HWY_NOINLINE void correlate_vector(const Correlation<T>& c, std::int64_t column, std::size_t lanes) {
  const std::int64_t strip = column / strip_width, lane = column % strip_width;
  const std::int64_t tiles = (c.rows + correlation_rows - 1) / correlation_rows;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = c.rows * tile / tiles, end = c.rows * (tile + 1) / tiles;
    correlation_tile_of<correlation_rows, part>(static_cast<int>(end - begin), c, strip, lane, begin, lanes);
  }
}

template <class T>
void correlate_strips(const Correlation<T>& c) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t column = 0;
  for (; column + lanes <= c.columns; column += lanes) correlate_vector<false>(c, column, 0);
  if (column < c.columns) correlate_vector<true>(c, column, static_cast<std::size_t>(c.columns - column));
}

template <class T>
void copy_to_strips(const RowCopy<T>& copy) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = copy.columns / lanes * lanes;
  const T* HWY_RESTRICT from = copy.from;
  T* HWY_RESTRICT to = copy.to;
  const auto place = [&](std::int64_t column) {
    return to + column / strip_width * copy.to_strip + column % strip_width;
  };
  for (std::int64_t row = 0; row < copy.rows; ++row, from += copy.from_row, to += strip_width) {
    for (std::int64_t i = 0; i < whole; i += lanes) hn::Store(hn::LoadU(d, from + i), d, place(i));
    if (whole < copy.columns)  // zeros in the lanes above
      hn::Store(load_part(d, from + whole, static_cast<std::size_t>(copy.columns - whole)), d, place(whole));
  }
}

template <class T>
void transpose_rows(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
                    std::int64_t to_row) {
  transpose_tile(from, from_row, rows, columns, to, to_row);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {

template <class T>
void correlate(const Correlation<T>& c) {
  SAW_FOR_TARGET(correlate_strips<T>)(c);
}

template <class T>
void copy_rows(const RowCopy<T>& copy) {
  SAW_FOR_TARGET(copy_to_strips<T>)(copy);
}

template <class T>
void transpose_strip(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
                     std::int64_t to_row) {
  SAW_FOR_TARGET(transpose_rows<T>)(from, from_row, rows, columns, to, to_row);
}

template void correlate(const Correlation<float>&);
template void correlate(const Correlation<double>&);
template void copy_rows(const RowCopy<float>&);
template void copy_rows(const RowCopy<double>&);
template void transpose_strip(const float*, std::int64_t, std::int64_t, std::int64_t, float*, std::int64_t);
template void transpose_strip(const double*, std::int64_t, std::int64_t, std::int64_t, double*, std::int64_t);

}  // namespace saw::kernels
#endif
