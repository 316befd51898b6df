#pragma once

// For ops with operands that may be absent: their memory, or null for kernels.

#include "saw/autograd/tape/tensor.h"

namespace saw {

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
T* mutable_data_or_null(const Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}

}  // namespace saw
