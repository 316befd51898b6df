#pragma once

#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// x/(1 − p) with probability 1 − p, else 0 (Srivastava et al. 2014). The mask is a function of (seed, stream,
/// element); backward keeps a bit of each element. p in [0, 1]; p = 0 returns x.
Tensor dropout(const Tensor& x, double probability);
Tensor dropout(const Tensor& x, double probability, Generator& generator);

/// For x (N, …): drops whole rows (N), without rescaling the others when `rescale` is false: word dropout.
Tensor row_dropout(const Tensor& x, double probability, bool rescale, Generator& generator);

}  // namespace saw
