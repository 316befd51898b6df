#pragma once

#include <string>

namespace [[gnu::visibility("default")]] saw {

/// What this build is and what it chose on this machine: version, build type, SIMD target, BLAS kernels, threads. One
/// line; warns of debug builds, which train many times slower.
std::string config_string();

}  // namespace saw
