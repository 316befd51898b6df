#pragma once

// What one time step of a group of sequences hands to the cells' formulas (recurrent_cells-inl.h).

#include <cstdint>

#include "saw/autograd/kernels/recurrent.h"

namespace saw::kernels {

/// Units begin … begin + size − 1 of `count` sequences. Row i of each array is that of sequence i, `pitch` apart.
template <class T>
struct ForwardUnits {
  const RecurrentLayer<T>* layer;
  const RecurrentResults<T>* results;
  const std::int64_t* rows;  // of the packed tensors, by sequence
  std::int64_t count, begin, size;
  const T* sums;  // R h, the gates' shares `sums_width` apart
  std::int64_t sums_pitch, sums_width;
  const T* before;  // h of the step before
  std::int64_t before_pitch;
  T* after;  // h of this step, before its projection
  std::int64_t after_pitch;
  T* cell;  // c, replaced; of an lstm
  std::int64_t cell_pitch;
};

template <class T>
struct BackwardUnits {
  const RecurrentLayer<T>* layer;
  const RecurrentResults<const T>* results;
  const RecurrentGradients<T>* gradients;
  const std::int64_t* rows;  // of the packed tensors, by sequence
  const T* const* before;    // c (lstm) or h (gru) of the step before, by sequence
  const T* upstream;         // gradient of h before its projection
  std::int64_t upstream_pitch;
  T* dhidden;  // gradient of h; a gru leaves there what goes to the step before past the product
  std::int64_t dhidden_pitch;
  T* dcell;  // gradient of c, replaced by that of the step before; of an lstm
  std::int64_t dcell_pitch;
  T* dsums;  // gradients of R h, (gates · units)
  std::int64_t dsums_pitch;
  T* unprojected;  // (N, units): h before its projection, or null
};

}  // namespace saw::kernels
