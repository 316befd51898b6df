#pragma once

// For sources, not for users: moving elements between layouts.

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/shape.h"

namespace saw {

/// Copies the elements of a view to another view of the same shape that does not overlap it. Strides are in elements
/// and may be 0 in the source (expand). Runs of contiguous memory are copied as such, transposed ones in blocks; large
/// copies use all threads.
void strided_copy(DType dtype, const void* source, const Strides& source_strides, void* destination,
                  const Strides& destination_strides, const Shape& shape);

/// The same with a change of dtype: floating to int64 truncates (and saturates; NaN becomes 0), to bool is ≠ 0.
void strided_convert(DType from, const void* source, const Strides& source_strides, DType to, void* destination,
                     const Strides& destination_strides, const Shape& shape);

}  // namespace saw
