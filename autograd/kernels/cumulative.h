#pragma once

// What runs along the middle of contiguous memory (outer, size, inner), from its first element to its last. Float,
// double and int64 (which wraps around).

#include <cstdint>

namespace saw::kernels {

/// out[s] = x[0] + … + x[s], or x[s] + … + x[size − 1] where `reverse`; kept in double. Long lines run in fixed chunks.
template <class T>
void cumsum(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, bool reverse, T* out);

/// out[s] = x[0]·…·x[s]; kept in double.
template <class T>
void cumprod(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* out);
/// dx[s] = x[0]·…·x[s−1]·R[s] with R[s] = dy[s] + x[s+1]·R[s+1]: no division, so zeros need no special case. Float and
/// double.
template <class T>
void cumprod_backward(const T* x, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner, T* dx);

/// The largest (smallest) of x[0] … x[s] and its last position; NaN wins from where it appears.
template <class T>
void cumulative_extreme(bool largest, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values,
                        std::int64_t* places);

}  // namespace saw::kernels
