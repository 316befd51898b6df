#include "saw/autograd/kernels/conv.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm_log.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/conv.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/targets.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

/// C (m, n) += A (m, k) · B (k, n), or = without `accumulate`; of A the strides are given, B and C have contiguous
/// rows.
template <class T>
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_column,
              const T* b, std::int64_t b_row, T* c, std::int64_t c_row, bool accumulate) {
  multiply_tile(TileProduct<T>{m, n, k, a, a_row, a_column, b, b_row, c, c_row, accumulate});
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// Rows that are gathered at a time: they stay in the second cache with the columns of the matrix they meet.
constexpr std::int64_t block_rows = 64;

/// Walks over the rows of all segments.
struct RowCursor {
  std::span<const std::int64_t> offsets;
  std::size_t segment;
  std::int64_t row;

  RowCursor(std::span<const std::int64_t> offsets_, std::int64_t row_)
      : offsets(offsets_),
        segment(static_cast<std::size_t>(std::upper_bound(offsets.begin(), offsets.end(), row_) - offsets.begin()) - 1),
        row(row_) {}
  std::int64_t position() const { return row - offsets[segment]; }
  void next() {
    ++row;
    while (segment + 1 < offsets.size() && offsets[segment + 1] <= row) ++segment;
  }
};

/// Rows begin … end − 1 of the windows, one after the other.
template <class T>
void gather(const Windows& windows, const T* source, std::int64_t begin, std::int64_t end, T* to) {
  const std::int64_t taps = static_cast<std::int64_t>(windows.shifts.size()), channels = windows.channels;
  if (taps == 0) return;
  // Neighbouring rows lie side by side in the source already.
  const bool adjacent = windows.shifts.back() - windows.shifts.front() == taps - 1;
  RowCursor cursor(windows.offsets, begin);
  for (std::int64_t row = begin; row < end; ++row, cursor.next(), to += windows.width()) {
    const std::int64_t first = windows.source_offsets[cursor.segment];
    const std::int64_t length = windows.source_offsets[cursor.segment + 1] - first;
    const std::int64_t position = cursor.position() * windows.step;
    if (adjacent) {
      const std::int64_t start = position + windows.shifts.front();
      const std::int64_t from = std::clamp<std::int64_t>(-start, 0, taps);
      const std::int64_t until = std::clamp<std::int64_t>(length - start, from, taps);
      std::fill(to, to + from * channels, T{0});
      if (until > from)
        std::memcpy(to + from * channels, source + (first + start + from) * channels,
                    static_cast<std::size_t>((until - from) * channels) * sizeof(T));
      std::fill(to + until * channels, to + taps * channels, T{0});
      continue;
    }
    T* tap = to;
    for (const std::int64_t shift : windows.shifts) {
      const std::int64_t at = position + shift;
      if (at >= 0 && at < length)
        std::memcpy(tap, source + (first + at) * channels, static_cast<std::size_t>(channels) * sizeof(T));
      else
        std::fill(tap, tap + channels, T{0});
      tap += channels;
    }
  }
}

/// Rows per task so that it has at least a few hundred thousand multiply-adds.
std::int64_t grain(const Windows& windows, std::int64_t columns) {
  const std::int64_t per_row = std::max<std::int64_t>(windows.width() * columns, 1);
  return std::max<std::int64_t>(1, 1'000'000 / per_row / block_rows) * block_rows;
}

}  // namespace

template <class T>
void multiply_windows(const Windows& windows, const T* source, const T* matrix, std::int64_t columns, const T* bias,
                      T* result, const RowPlaces& places) {
  const std::int64_t rows = windows.rows(), width = windows.width();
  if (rows == 0 || columns == 0) return;
  log_gemm(false, true, rows, columns, width, sizeof(T), 1);
  const bool direct = windows.are_source_rows();
  const bool in_place = places.step == 1 && places.first == 0;
  parallel_for(0, rows, grain(windows, columns), [&](std::int64_t task_begin, std::int64_t task_end) {
    Scratch<T> gathered(static_cast<std::size_t>(block_rows * std::max<std::int64_t>(width, 1)));
    Scratch<T> products(static_cast<std::size_t>(in_place ? 1 : block_rows * columns));
    for (std::int64_t begin = task_begin; begin < task_end; begin += block_rows) {
      const std::int64_t end = std::min(begin + block_rows, task_end);
      if (!direct) gather(windows, source, begin, end, gathered.data());
      const T* from = direct ? source + begin * width : gathered.data();
      T* to = in_place ? result + begin * columns : products.data();
      if (bias != nullptr)
        for (std::int64_t row = 0; row < end - begin; ++row) std::copy_n(bias, columns, to + row * columns);
      SAW_FOR_TARGET(multiply<T>)
      (end - begin, columns, width, from, width, 1, matrix, columns, to, columns, bias != nullptr);
      if (in_place) continue;
      RowCursor cursor(windows.offsets, begin);
      for (std::int64_t row = begin; row < end; ++row, cursor.next(), to += columns) {
        const std::int64_t place = places.offsets[cursor.segment] + places.first + cursor.position() * places.step;
        std::copy_n(to, columns, result + place * columns);
      }
    }
  });
}

template <class T>
void multiply_transposed_windows(const Windows& windows, const T* source, const T* gradient, std::int64_t columns,
                                 T* result) {
  const std::int64_t rows = windows.rows(), width = windows.width(), size = columns * width;
  if (size == 0) return;
  if (rows == 0) {
    std::fill_n(result, size, T{0});
    return;
  }
  log_gemm(true, false, columns, width, rows, sizeof(T), 1);
  const bool direct = windows.are_source_rows();
  // At most 16 partial results, each over enough rows to be worth its memory.
  const std::int64_t chunk = (std::max<std::int64_t>(512, (rows + 15) / 16) + block_rows - 1) / block_rows * block_rows;
  const std::int64_t chunks = (rows + chunk - 1) / chunk;
  Scratch<T> partial(static_cast<std::size_t>((chunks - 1) * size + 1));
  const auto part = [&](std::int64_t i) { return i == 0 ? result : partial.data() + (i - 1) * size; };
  parallel_for(0, rows, chunk, [&](std::int64_t task_begin, std::int64_t task_end) {
    Scratch<T> gathered(static_cast<std::size_t>(block_rows * width));
    T* to = part(task_begin / chunk);
    for (std::int64_t begin = task_begin; begin < task_end; begin += block_rows) {
      const std::int64_t end = std::min(begin + block_rows, task_end);
      if (!direct) gather(windows, source, begin, end, gathered.data());
      const T* from = direct ? source + begin * width : gathered.data();
      SAW_FOR_TARGET(multiply<T>)
      (columns, width, end - begin, gradient + begin * columns, 1, columns, from, width, to, width,
       begin != task_begin);
    }
  });
  parallel_for(0, size, 16384, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 1; i < chunks; ++i) {
      const T* from = part(i);
      for (std::int64_t at = begin; at < end; ++at) result[at] += from[at];
    }
  });
}

template <class T>
void matrix_of_weight(const T* weight, std::int64_t out, std::int64_t in, std::int64_t kernel, T* matrix) {
  constexpr std::int64_t group = 16;  // rows of the weight that are read side by side: a cache line of the matrix
  parallel_for(0, out, group, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = 0; c < in; ++c)
      for (std::int64_t tap = 0; tap < kernel; ++tap) {
        const T* from = weight + c * kernel + tap;
        T* to = matrix + (tap * in + c) * out;
        for (std::int64_t o = begin; o < end; ++o) to[o] = from[o * in * kernel];
      }
  });
}

template void multiply_windows(const Windows&, const float*, const float*, std::int64_t, const float*, float*,
                               const RowPlaces&);
template void multiply_windows(const Windows&, const double*, const double*, std::int64_t, const double*, double*,
                               const RowPlaces&);
template void multiply_transposed_windows(const Windows&, const float*, const float*, std::int64_t, float*);
template void multiply_transposed_windows(const Windows&, const double*, const double*, std::int64_t, double*);
template void matrix_of_weight(const float*, std::int64_t, std::int64_t, std::int64_t, float*);
template void matrix_of_weight(const double*, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace saw::kernels
#endif
