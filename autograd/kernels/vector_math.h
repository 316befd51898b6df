#pragma once

// For sources, not for users: simple changes of contiguous memory, in SIMD chosen at run time, for float and double.
// The tail runs through the same vector code, so an element's result depends on its value alone, never on its place.

#include <span>
#include <type_traits>

namespace saw::kernels {

/// y += a·x.
template <class T>
void axpy(T a, std::span<const std::type_identity_t<T>> x, std::span<std::type_identity_t<T>> y);

/// y *= factor.
template <class T>
void scale(T factor, std::span<std::type_identity_t<T>> y);

/// y = value.
template <class T>
void fill(T value, std::span<std::type_identity_t<T>> y);

/// y = eʸ.
template <class T>
void exponentials(std::span<T> y);

/// The SIMD target in use: "AVX3", "AVX2", …
const char* simd_target();

}  // namespace saw::kernels
