#pragma once

// What attention and relative_attention ask of their options.

#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/attention.h"

namespace saw {

/// Throws Error(argument) in the name of `op` for a negative window, a dropout outside 0 … 1, an infinite scale.
inline void check_attention_options(const char* op, const AttentionOptions& options) {
  if (options.left < 0 || options.right < 0)
    fail(ErrorKind::argument, "{}: a window reaches a negative number of steps; got left {} and right {}; expected ≥ 0",
         op, options.left, options.right);
  if (!(options.dropout >= 0 && options.dropout <= 1))
    fail(ErrorKind::argument, "{}: dropout is not a probability; got {}; expected 0 … 1", op, options.dropout);
  if (std::isinf(options.scale))
    fail(ErrorKind::argument, "{}: scale is infinite; expected a finite number, or NaN for 1/√width", op);
}

}  // namespace saw
