#pragma once

// For sources of autograd/, not for users.

#include <cstdint>

#include "saw/autograd/tape/tensor.h"

namespace saw {

/// `index` as row-major memory without history. Throws in the name of `op`: Error(dtype) unless it is int64,
/// Error(index) with place and value for the first element outside 0 … size − 1.
Tensor checked_indices(const char* op, const Tensor& index, std::int64_t size);

}  // namespace saw
