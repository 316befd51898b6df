#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// exp(x − max) / Σ exp(x − max) along an axis; of a number: 1. A row of −inf alone gives zeros.
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
/// x − logsumexp(x) along an axis. A row of −inf alone has no distribution: it gives NaN, as −inf − (−inf) does.
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);

}  // namespace saw
