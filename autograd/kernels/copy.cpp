#include "saw/autograd/kernels/copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/convert.h"
#include "saw/autograd/kernels/elementwise.h"

namespace saw {
namespace {

using kernels::cheap_grain;
using kernels::LoopNest;

constexpr std::int64_t tile = 16;  // 16 floats are a cache line: a tile reads and writes whole lines

bool is_dense(const Shape& shape, const Strides& strides) {
  std::int64_t expected = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] != 1 && strides[axis] != expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/// destination[j·row + i] = source[i·column + j] for i < columns, j < rows; element by element, but a tile at a time,
/// so that neither side touches a cache line more often than it must.
template <class T>
void transpose_tiles(const T* source, std::int64_t column, T* destination, std::int64_t row, std::int64_t columns,
                     std::int64_t rows) {
  for (std::int64_t j0 = 0; j0 < rows; j0 += tile) {
    const std::int64_t height = std::min(tile, rows - j0);
    for (std::int64_t i0 = 0; i0 < columns; i0 += tile) {
      const std::int64_t width = std::min(tile, columns - i0);
      const T* from = source + i0 * column + j0;
      T* to = destination + j0 * row + i0;
      if (height == tile && width == tile) {
        T block[tile][tile];
        for (std::int64_t i = 0; i < tile; ++i)
          for (std::int64_t j = 0; j < tile; ++j) block[i][j] = from[i * column + j];
        for (std::int64_t j = 0; j < tile; ++j)
          for (std::int64_t i = 0; i < tile; ++i) to[j * row + i] = block[i][j];
      } else {
        for (std::int64_t j = 0; j < height; ++j)
          for (std::int64_t i = 0; i < width; ++i) to[j * row + i] = from[i * column + j];
      }
    }
  }
}

/// The axis other than the innermost along which the source is contiguous, or the rank when there is none.
std::size_t source_axis(const LoopNest<2>& nest) {
  for (std::size_t axis = nest.rank - 1; axis-- > 0;)
    if (nest.strides[axis][1] == 1 && nest.sizes[axis] >= 4) return axis;
  return nest.rank;
}

template <class T>
void copy_transposed(LoopNest<2> nest, std::size_t axis, const T* source, T* destination) {
  const std::size_t inner = nest.rank - 1;
  const std::int64_t columns = nest.sizes[inner], rows = nest.sizes[axis];
  const std::int64_t source_column = nest.strides[inner][1], destination_row = nest.strides[axis][0];
  // What is left besides the two transposed axes, and the strips of rows, are the units of work.
  LoopNest<2> batch;
  for (std::size_t k = 0; k < inner; ++k) {
    if (k == axis) continue;
    batch.sizes[batch.rank] = nest.sizes[k];
    batch.strides[batch.rank++] = nest.strides[k];
  }
  batch.sizes[batch.rank++] = 1;  // row_offsets() leaves the innermost axis out
  const std::int64_t strips = (rows + tile - 1) / tile;
  const std::int64_t grain = std::max<std::int64_t>(1, cheap_grain / 2 / (tile * columns));
  parallel_for(0, batch.rows() * strips, grain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t strip = begin % strips;
      const std::int64_t count = std::min(end - begin, strips - strip);
      const auto offsets = batch.row_offsets(begin / strips);
      transpose_tiles(source + offsets[1] + strip * tile, source_column,
                      destination + offsets[0] + strip * tile * destination_row, destination_row, columns,
                      std::min(count * tile, rows - strip * tile));
      begin += count;
    }
  });
}

template <class T>
void copy_elements(const T* source, const Strides& source_strides, T* destination, const Strides& destination_strides,
                   const Shape& shape) {
  const LoopNest<2> nest = kernels::make_loop_nest<2>(shape, {destination_strides, source_strides});
  const std::int64_t to = nest.inner_stride(0), from = nest.inner_stride(1);
  if (to == 1 && from == 1) {
    kernels::for_each_row(nest, cheap_grain, [&](const auto& offsets, std::int64_t n) {
      const T* in = source + offsets[1];
      T* out = destination + offsets[0];
      if (n >= 16) {
        std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(T));
      } else {
        for (std::int64_t i = 0; i < n; ++i) out[i] = in[i];
      }
    });
  } else if (to == 1 && from == 0) {
    kernels::for_each_row(nest, cheap_grain, [&](const auto& offsets, std::int64_t n) {
      std::fill_n(destination + offsets[0], n, source[offsets[1]]);
    });
  } else if (const std::size_t axis = nest.rank < 2 ? nest.rank : source_axis(nest); axis < nest.rank && to == 1) {
    copy_transposed(nest, axis, source, destination);
  } else {
    map(
        nest, cheap_grain / 4, [](T value) { return value; }, destination, source);
  }
}

}  // namespace

void strided_copy(DType dtype, const void* source, const Strides& source_strides, void* destination,
                  const Strides& destination_strides, const Shape& shape) {
  const std::int64_t count = shape.numel();
  if (count == 0) return;
  if (count <= cheap_grain && is_dense(shape, source_strides) && is_dense(shape, destination_strides)) {
    std::memcpy(destination, source, static_cast<std::size_t>(count) * size_of(dtype));
    return;
  }
  dispatch_all(dtype, [&]<class T>() {
    copy_elements(static_cast<const T*>(source), source_strides, static_cast<T*>(destination), destination_strides,
                  shape);
  });
}

void strided_convert(DType from, const void* source, const Strides& source_strides, DType to, void* destination,
                     const Strides& destination_strides, const Shape& shape) {
  if (from == to) return strided_copy(from, source, source_strides, destination, destination_strides, shape);
  if (shape.numel() == 0) return;
  const LoopNest<2> nest = kernels::make_loop_nest<2>(shape, {destination_strides, source_strides});
  dispatch_all(from, [&]<class From>() {
    dispatch_all(to, [&]<class To>() {
      map(
          nest, cheap_grain / 2, [](From value) { return convert_element<To>(value); }, static_cast<To*>(destination),
          static_cast<const From*>(source));
    });
  });
}

}  // namespace saw
