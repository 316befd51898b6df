#pragma once

#include <string>

namespace [[gnu::visibility("default")]] saw {

/// What this build is and what it chose on this machine: version, the SIMD level of saw's own kernels (matrix products
/// are theirs), the processor that OpenBLAS takes this one for (linear algebra is its LAPACK), threads. One line; warns
/// of debug builds, which train many times slower.
///
///   saw 0.2.0, SIMD kernels of its own for AVX3, LAPACK from OpenBLAS (SkylakeX), 2 thread(s)
std::string config_string();

}  // namespace saw
