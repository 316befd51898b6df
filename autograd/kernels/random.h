#pragma once

// For sources, not for users: Philox (see autograd/random.h), many counters at once.

#include <cstdint>

namespace saw::kernels {

/// Which elements of a stream are kept: those whose 32-bit word (word i mod 4 of block i / 4) is at least `threshold`.
struct KeepMask {
  std::uint64_t seed;
  std::uint64_t stream;
  std::uint32_t threshold;
};

/// y[i] = x[i]·scale where element begin + i of the stream is kept, else 0. `begin` must be a multiple of 4. y may be
/// x.
template <class T>
void keep_scaled(const KeepMask& mask, std::int64_t begin, std::int64_t count, const T* x, T scale, T* y);

}  // namespace saw::kernels
