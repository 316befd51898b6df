#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Rows of a table (V, D) for index of any shape (…) → (…, D). Rows equal to padding_index give no gradient.
Tensor embedding(const Tensor& table, const Tensor& index, std::int64_t padding_index = -1);

}  // namespace saw
