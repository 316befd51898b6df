#pragma once

#include "saw/autograd/tape/tensor.h"

namespace saw::data {

/// What a function named `op` was given as sound, contiguous and off the tape. Throws Error(shape) unless it has the
/// shape (T), and Error(dtype) unless it is float32.
Tensor checked_samples(const char* op, const Tensor& samples);

/// The same for features: (frames, features) float32.
Tensor checked_frames(const char* op, const Tensor& frames);

}  // namespace saw::data
