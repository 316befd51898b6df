#pragma once

// For sources, not for users: kernels over the rows of one segment, a contiguous matrix (rows ≥ 1, columns).

#include <cstdint>

namespace saw::kernels {

enum class Winner { largest, smallest };

/// The largest (smallest) of each column and the first row that holds it, counted from `first`. NaN wins over
/// everything. For float, double and std::int64_t.
template <class T>
void column_winners(Winner winner, const T* x, std::int64_t rows, std::int64_t columns, std::int64_t first, T* values,
                    std::int64_t* winners);

/// y = exp(x) / Σ exp(x) down each column; a column of −∞ alone becomes 0. For float and double.
template <class T>
void column_softmax(const T* x, std::int64_t rows, std::int64_t columns, T* y);

/// dx = y·(dy − Σ y·dy) down each column. For float and double.
template <class T>
void column_softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx);

}  // namespace saw::kernels
