#pragma once

// For sources, not for users: float32 functions of contiguous memory, in SIMD chosen at run time. The tail runs through
// the same vector code, so an element's result depends on its value alone, never on its place. Results may overwrite
// any operand (same first element), but must not overlap one otherwise.

#include <cstddef>
#include <span>

namespace saw::kernels {

/// Functions of one variable. The comment says what their gradient is computed from, and the largest error of the
/// value in units in the last place (results below 1.2e-38 may be flushed to 0).
enum class Function {
  exp,         ///< output; 2 ulp
  log,         ///< input; 2 ulp
  tanh,        ///< output; 4 ulp
  sigmoid,     ///< output; 4 ulp
  erf,         ///< input; 8 ulp
  sqrt,        ///< output; exact
  rsqrt,       ///< output; 1 ulp
  reciprocal,  ///< output; exact
  square,      ///< input; exact
  relu,        ///< output; exact
  leaky_relu,  ///< output; parameter: slope for x < 0, not negative
  elu,         ///< output; parameter: alpha ≥ 0; 4 ulp
  gelu_erf,    ///< input; 5e-7·|x|
  gelu_tanh,   ///< input; 1e-6·|x|
  silu,        ///< input; 4 ulp
  softplus,    ///< input; 4 ulp
};

/// y = f(x).
void apply(Function function, std::span<const float> x, std::span<float> y, float parameter = 0.0f);

/// result = grad · f′, with f′ computed from `saved`: the input or the output of apply(), see Function.
void apply_gradient(Function function, std::span<const float> grad, std::span<const float> saved,
                    std::span<float> result, float parameter = 0.0f);

enum class Arithmetic { add, sub, mul, div };

/// y = a ∘ b; an operand of one element stands for that number everywhere.
void apply(Arithmetic operation, std::span<const float> a, std::span<const float> b, std::span<float> y);

/// y = x·factor + offset.
void affine(std::span<const float> x, float factor, float offset, std::span<float> y);

/// y += a·x.
void axpy(float a, std::span<const float> x, std::span<float> y);

/// y *= factor.
void scale(float factor, std::span<float> y);

/// y = value.
void fill(float value, std::span<float> y);

/// The SIMD target in use: "AVX3", "AVX2", "SSE4", …
const char* simd_target();

}  // namespace saw::kernels
