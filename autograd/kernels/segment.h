#pragma once

// For sources, not for users.

#include <cstdint>

namespace saw::kernels {

/// The largest of each column of a contiguous matrix (rows ≥ 1, columns) and the first row that holds it, counted from
/// `first`. NaN is larger than everything. For float, double and std::int64_t.
void column_winners(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t first, float* largest,
                    std::int64_t* winners);
void column_winners(const double* x, std::int64_t rows, std::int64_t columns, std::int64_t first, double* largest,
                    std::int64_t* winners);
void column_winners(const std::int64_t* x, std::int64_t rows, std::int64_t columns, std::int64_t first,
                    std::int64_t* largest, std::int64_t* winners);

}  // namespace saw::kernels
