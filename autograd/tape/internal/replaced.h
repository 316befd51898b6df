#pragma once

// For sources, not for users: leaves in whose place a model has put others, so that an optimizer that still holds them
// can say so instead of training what nobody uses.

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Marks a leaf that requires a gradient; does nothing to other tensors.
void mark_replaced(const Tensor& leaf);
bool is_replaced(const Tensor& leaf);

}  // namespace saw
