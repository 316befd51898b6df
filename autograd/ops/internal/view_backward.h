#pragma once

// For sources of autograd/, not for users: the gradient that all views have in common.

#include <functional>

#include "saw/autograd/tape/tensor.h"

namespace saw {

using View = std::function<Tensor(const Tensor& whole)>;

/// Zeros of `shape` whose `view` holds x. The gradient of a view; and the view is the gradient of it.
Tensor view_backward(const Tensor& x, const Shape& shape, const View& view);

}  // namespace saw
