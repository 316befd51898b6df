#pragma once

// For sources of optim/, not for users: what Adam and AdamW share.

#include <cmath>
#include <cstdint>

#include "saw/optim/kernels/update.h"

namespace saw::optim {

/// The coefficients of step t (from 1 on) without weight decay of either kind.
template <class Options>
kernels::AdamCoefficients adam_coefficients(const Options& options, double learning_rate, std::int64_t step) {
  const auto t = static_cast<double>(step);
  return {.l2 = 0.0,
          .decay = 1.0,
          .one_minus_beta1 = 1.0 - options.beta1,
          .beta2 = options.beta2,
          .one_minus_beta2 = 1.0 - options.beta2,
          .step_size = learning_rate / (1.0 - std::pow(options.beta1, t)),
          .root_scale = 1.0 / std::sqrt(1.0 - std::pow(options.beta2, t)),
          .epsilon = options.epsilon};
}

}  // namespace saw::optim
