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
void sum_moments(const RowChunk<float>& chunk, const Moments<float>& moments);
void sum_moments(const RowChunk<double>& chunk, const Moments<double>& moments);

void normalise(const RowChunk<float>& chunk, const Normalisation<float>& numbers, float* y);
void normalise(const RowChunk<double>& chunk, const Normalisation<double>& numbers, double* y);

void sum_gradients(const RowChunk<float>& chunk, const GradientSums<float>& sums);
void sum_gradients(const RowChunk<double>& chunk, const GradientSums<double>& sums);

void input_gradient(const RowChunk<float>& chunk, const InputGradient<float>& numbers, float* dx);
void input_gradient(const RowChunk<double>& chunk, const InputGradient<double>& numbers, double* dx);

}  // namespace saw::kernels
