#pragma once

// Rows of heads whose pairs of channels are turned.

#include <cstdint>

#include "saw/autograd/kernels/attention.h"

namespace saw::kernels {

template <class T>
struct RotaryProblem {
  std::int64_t rows, heads, width;  // of x; the width is even
  HeadRows<const T> x;
  bool interleaved;          // pairs (2i, 2i + 1), else (i, i + width / 2)
  const std::int64_t* turn;  // for every row its row of the tables
  /// (turns, width), for each channel the cosine and the sine of its pair's angle; negative sines for first channels.
  const T* cosines;
  const T* sines;
};

/// y (rows, heads, width), contiguous: x · cosine + (the other of the pair) · sine.
template <class T>
void rotary_forward(const RotaryProblem<T>& problem, T* y);

}  // namespace saw::kernels
