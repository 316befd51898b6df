#pragma once

// Convolution over time as products with a matrix of windows that never exists as a whole: blocks of its rows are
// gathered into scratch memory and multiplied there. An element of a result is one chain of sums whose order does not
// depend on where the block begins, so that a sequence gets the same bits alone and in a batch.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace saw::kernels {

/// The matrix of windows over source rows (N, channels): row u of segment s holds side by side, for each shift, the
/// source row u·step + shift of that segment, or zeros where there is none.
struct Windows {
  std::vector<std::int64_t> offsets;             // of the windows' segments
  std::span<const std::int64_t> source_offsets;  // of the source's segments, as many
  std::int64_t step;
  std::vector<std::int64_t> shifts;  // ascending
  std::int64_t channels;

  std::int64_t rows() const { return offsets.back(); }
  std::int64_t width() const { return static_cast<std::int64_t>(shifts.size()) * channels; }
  /// Whether the matrix is the source itself, so that nothing need be gathered: a kernel of one tap.
  bool are_source_rows() const {
    return step == 1 && shifts.size() == 1 && shifts.front() == 0 && std::ranges::equal(offsets, source_offsets);
  }
};

/// Where the rows of a product go: row u of segment s to row offsets[s] + first + u·step.
struct RowPlaces {
  std::span<const std::int64_t> offsets;
  std::int64_t first, step;
};

/// result = windows(source) (rows, width) · matrix (width, columns) + bias. All contiguous; bias (columns) may be null.
template <class T>
void multiply_windows(const Windows& windows, const T* source, const T* matrix, std::int64_t columns, const T* bias,
                      T* result, const RowPlaces& places);

/// gradient (rows, columns)ᵀ · windows(source) → result (columns, width). Blocks of rows that depend on the sizes alone
/// are summed apart and added in order.
template <class T>
void multiply_transposed_windows(const Windows& windows, const T* source, const T* gradient, std::int64_t columns,
                                 T* result);

/// weight (out, in, kernel) → matrix (kernel · in, out).
template <class T>
void matrix_of_weight(const T* weight, std::int64_t out, std::int64_t in, std::int64_t kernel, T* matrix);

}  // namespace saw::kernels
