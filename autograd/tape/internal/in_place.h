#pragma once

// For sources of autograd/, not for users: the rules for changes in place.

#include "saw/autograd/base/number.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// What must hold before `target` changes, to values of `source` if there is one. Throws in the name of `op`:
/// Error(autograd) where recording is on and a gradient would be lost, Error(argument) where several elements of the
/// target are one and the same in memory.
void check_in_place(const char* op, const Tensor& target, const Tensor& source = {});

/// `source` expanded to the shape of `target`, without history. Throws Error(dtype) unless the dtypes are equal,
/// Error(shape) where it does not broadcast to that shape.
Tensor expanded_to(const char* op, const Tensor& source, const Shape& shape, DType dtype);

/// A number as a 0-dimensional tensor of that dtype; Error(dtype) where it is inexact.
Tensor number_tensor(const char* op, Number number, DType dtype);

}  // namespace saw
