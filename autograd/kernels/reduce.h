#pragma once

// Reductions of contiguous memory seen as (outer, size, inner): out[o][i] = ⊕ₛ x[o][s][i], with out (outer, inner).
// size == 1 copies, size == 0 gives the neutral element. Long reductions run in fixed chunks whose results are combined
// in order. T is float, double or int64 (which wraps around).

#include <cstdint>

namespace saw::kernels {

template <class T>
void sum(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out);
template <class T>
void prod(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out);
/// The largest (smallest) element; NaN wins. size must be positive.
template <class T>
void amax(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out);
template <class T>
void amin(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out);

void any(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out);
void all(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out);

/// out[c] = Σᵣ x[r][c] of a row-major matrix: the gradient of a bias.
template <class T>
void sum_leading(const T* x, std::int64_t rows, std::int64_t columns, T* out) {
  sum(x, 1, rows, columns, out);
}

/// The gradient of prod: dx[o][s][i] = dy[o][i] · Π of the other elements, exact also where elements are 0. Float and
/// double; the products are kept in double.
template <class T>
void prod_backward(const T* x, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner, T* dx);

}  // namespace saw::kernels
