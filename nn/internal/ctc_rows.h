#pragma once

// For sources of nn/, not for users: what decoding of CTC reads.

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/tape/tensor.h"

namespace saw::nn {

/// log_probs as contiguous float64 without history. Throws for what does not fit.
inline Tensor checked_ctc_rows(const char* name, const Tensor& log_probs, const Segments& frames, std::int64_t blank) {
  if (log_probs.rank() != 2)
    fail(ErrorKind::shape, "{}: log_probs have the wrong rank; got {}; expected (N, symbols)", name, log_probs.shape());
  if (!is_floating(log_probs.dtype()))
    fail(ErrorKind::dtype, "{}: log_probs are no floating point numbers; got {}; expected float32 or float64", name,
         log_probs.dtype());
  if (log_probs.size(0) != frames.rows())
    fail(ErrorKind::shape, "{}: the rows do not match the segments; got shape {} for {}; expected {} rows", name,
         log_probs.shape(), frames, frames.rows());
  if (blank < 0 || blank >= log_probs.size(1))
    fail(ErrorKind::index, "{}: the blank is no symbol; got {}; expected 0 … {}", name, blank, log_probs.size(1) - 1);
  return to(log_probs.detach(), float64).contiguous();
}

}  // namespace saw::nn
