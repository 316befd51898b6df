#pragma once

#include <string_view>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Einstein summation: "bij,bjk->bik", "ii->i", "...ij->...ji"; without "->" the letters that occur once, in order.
/// An axis of size 1 stretches to the size that its letter has elsewhere. One or more operands; contracted pairwise
/// from the left through matmul.
Tensor einsum(std::string_view equation, const TensorList& operands);

}  // namespace saw
