#pragma once

// For sources of nn/, not for users: sizes that constructors were given.

#include <cstdint>

#include "saw/autograd/base/internal/check.h"

namespace saw::nn {

/// `value`, unless it is negative: then throws Error(argument) in the name of `layer`.
inline std::int64_t checked_size(const char* layer, const char* what, std::int64_t value) {
  if (value < 0) fail(ErrorKind::argument, "{}: {} must not be negative; got {}", layer, what, value);
  return value;
}

/// `value`, unless it is below 1: then throws Error(argument) in the name of `layer`.
inline std::int64_t checked_positive(const char* layer, const char* what, std::int64_t value) {
  if (value < 1) fail(ErrorKind::argument, "{}: {} must be at least 1; got {}", layer, what, value);
  return value;
}

/// `value`, unless it is no probability: then throws Error(argument) in the name of `layer`.
inline double checked_probability(const char* layer, const char* what, double value) {
  if (!(value >= 0.0 && value <= 1.0))
    fail(ErrorKind::argument, "{}: {} must be in [0, 1]; got {}", layer, what, value);
  return value;
}

/// `value`, unless it is negative or NaN: then throws Error(argument) in the name of `layer`.
inline double checked_epsilon(const char* layer, double value) {
  if (!(value >= 0.0)) fail(ErrorKind::argument, "{}: epsilon must not be negative; got {}", layer, value);
  return value;
}

}  // namespace saw::nn
