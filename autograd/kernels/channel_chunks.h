#pragma once

// The loops under kernels/channel_norm, each down the columns of one chunk of rows, for float and double.

#include <cstdint>

namespace saw::kernels {

/// A chunk of contiguous rows; everything else is one number per channel.
template <class T>
struct RowChunk {
  const T* x;
  const T* dy;  // may be null where it is not used
  std::int64_t rows, channels;
};

/// Of a chunk: a number near the mean, and the sums of the distances from it and of their squares.
template <class T>
struct Moments {
  T* centre;
  T* sum;
  T* squares;
};

/// y = ((x − mean) − mean_low)·scale + offset.
template <class T>
struct Normalisation {
  const T* mean;
  const T* mean_low;
  const T* scale;
  const T* offset;
};

/// Σ dy and Σ dy·x̂ of a chunk.
template <class T>
struct GradientSums {
  const T* mean;
  const T* mean_low;
  const T* rstd;
  T* dy;
  T* dy_x;
};

/// dx = dy·scale − offset − ((x − mean) − mean_low)·slope; without a slope dx = dy·scale.
template <class T>
struct InputGradient {
  const T* mean;
  const T* mean_low;
  const T* scale;
  const T* offset;
  const T* slope;  // may be null
};

/// In two walks: what the first finds is near enough to the mean for the second to lose nothing.
template <class T>
void sum_moments(const RowChunk<T>& chunk, const Moments<T>& moments);

template <class T>
void normalise(const RowChunk<T>& chunk, const Normalisation<T>& numbers, T* y);

template <class T>
void sum_gradients(const RowChunk<T>& chunk, const GradientSums<T>& sums);

template <class T>
void input_gradient(const RowChunk<T>& chunk, const InputGradient<T>& numbers, T* dx);

}  // namespace saw::kernels
