#pragma once

// The gated linear unit over rows of contiguous matrices, for float and double.

#include <cstdint>

namespace saw::kernels {

/// y = a · σ(b) for the halves a, b of each row: x (rows, 2·columns), y (rows, columns).
template <class T>
void glu(const T* x, std::int64_t rows, std::int64_t columns, T* y);

/// da = dy · σ(b) and db = dy · a · σ(b) · (1 − σ(b)), side by side as in x.
template <class T>
void glu_backward(const T* x, const T* dy, std::int64_t rows, std::int64_t columns, T* dx);

}  // namespace saw::kernels
