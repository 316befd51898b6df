#pragma once

// Reductions of contiguous memory seen as (outer, size, inner): out[o][i] = ⊕ₛ x[o][s][i], with out (outer, inner).
// size == 1 copies, size == 0 gives the neutral element. Long reductions run in fixed chunks whose results are combined
// in order.

#include <cstdint>

namespace saw::kernels {

void sum(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out);
void sum(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out);
void sum(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out);

/// out[c] = Σᵣ x[r][c] of a row-major matrix: the gradient of a bias.
template <class T>
void sum_leading(const T* x, std::int64_t rows, std::int64_t columns, T* out) {
  sum(x, 1, rows, columns, out);
}

void prod(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out);
void prod(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out);
void prod(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out);

/// The largest (smallest) element; NaN wins. size must be positive.
void amax(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out);
void amax(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out);
void amax(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out);
void amin(const float* x, std::int64_t outer, std::int64_t size, std::int64_t inner, float* out);
void amin(const double* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double* out);
void amin(const std::int64_t* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t* out);

void any(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out);
void all(const bool* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool* out);

/// The gradient of prod: dx[o][s][i] = dy[o][i] · Π of the other elements, exact also where elements are 0.
void prod_backward(const float* x, const float* dy, std::int64_t outer, std::int64_t size, std::int64_t inner,
                   float* dx);
void prod_backward(const double* x, const double* dy, std::int64_t outer, std::int64_t size, std::int64_t inner,
                   double* dx);

}  // namespace saw::kernels
