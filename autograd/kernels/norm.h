#pragma once

// Normalisation of the rows of contiguous matrices (rows, columns), for float and double.

#include <cstdint>

namespace saw::kernels {

/// y = (x − mean)·rstd·weight + bias, with rstd = 1/√(var + ε) and the biased variance. weight and bias (columns) may
/// be null; mean (relative to the row's first element) and rstd (rows) are for the backward.
template <class T>
void layer_norm_forward(const T* x, const T* weight, const T* bias, std::int64_t rows, std::int64_t columns,
                        double epsilon, T* y, T* mean, T* rstd);
/// With x̂ = (x − mean)·rstd and g = dy·weight: dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), dweight = Σ_rows dy·x̂,
/// dbias = Σ_rows dy. Those that are null are left out.
template <class T>
void layer_norm_backward(const T* x, const T* weight, const T* mean, const T* rstd, const T* dy, std::int64_t rows,
                         std::int64_t columns, T* dx, T* dweight, T* dbias);

/// y = x·rstd·weight, with rstd = 1/√(mean(x²) + ε).
template <class T>
void rms_norm_forward(const T* x, const T* weight, std::int64_t rows, std::int64_t columns, double epsilon, T* y,
                      T* rstd);
/// With x̂ = x·rstd and g = dy·weight: dx = rstd·(g − x̂·mean(g·x̂)), dweight = Σ_rows dy·x̂.
template <class T>
void rms_norm_backward(const T* x, const T* weight, const T* rstd, const T* dy, std::int64_t rows, std::int64_t columns,
                       T* dx, T* dweight);

}  // namespace saw::kernels
