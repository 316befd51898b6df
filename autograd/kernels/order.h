#pragma once

// Order along the middle of contiguous memory (outer, size, inner). NaN is the largest of all, and all NaN are equal.
// Float, double and int64.

#include <cstdint>

namespace saw::kernels {

/// The first position of the largest (smallest) element of every line, or of its first NaN; out is (outer, inner). size
/// must be positive.
template <class T>
void arg_extreme(bool largest, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner,
                 std::int64_t* places);

/// The first k elements, and their places, of a stable sort of every line; both results are (outer, k, inner).
template <class T>
void sort_lines(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t k, bool descending,
                T* values, std::int64_t* places);

}  // namespace saw::kernels
