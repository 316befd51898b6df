#pragma once

// The loops under kernels/depthwise_conv, for float and double: sums of products of rows, channel by channel, over
// scratch memory that was laid out for them.

#include <cstdint>

namespace saw::kernels {

/// In scratch memory the channels are cut into strips, each a matrix with rows of this width: a whole number of vectors
/// for every target, and a cache line of floats, so that neighbouring rows fill different sets of the cache.
constexpr std::int64_t strip_width = 16;

/// result[r] = start[r] + Σⱼ factors[j] · source[offsets[j] + r], each term a row of channels. This is all three
/// kernels of a depthwise convolution: j runs over taps and r over positions, or for the gradient of the weight the
/// other way round.
template <class T>
struct Correlation {
  std::int64_t count;  // of terms
  const T* factors;
  std::int64_t factor_step, factor_strip;
  const T* source;
  std::int64_t source_strip;
  const std::int64_t* offsets;  // in elements
  bool adjacent;                // each term lies one row behind the term before
  std::int64_t rows;
  const T* start;
  std::int64_t start_row, start_strip;
  T* result;
  std::int64_t result_row, result_strip;
  std::int64_t columns;  // of the result; the other operands have whole strips
};

/// `columns` channels of rows that lie from_row elements apart, to strips; zeros in the lanes above.
template <class T>
struct RowCopy {
  const T* from;
  std::int64_t from_row;
  T* to;
  std::int64_t to_strip;
  std::int64_t rows, columns;
};

template <class T>
void correlate(const Correlation<T>& correlation);

template <class T>
void copy_rows(const RowCopy<T>& copy);

/// to[c][r] = from[r][c] for a (rows, columns) matrix with contiguous rows; zeros in to[c][rows … to_row − 1].
template <class T>
void transpose_strip(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
                     std::int64_t to_row);

}  // namespace saw::kernels
