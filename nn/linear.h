#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Options of Linear.
struct LinearOptions {
  bool bias = true;  ///< b, or W alone
};

/// y = x Wᵀ + b: x (…, in) → (…, out). Parameters `weight` (out, in) and `bias` (out), uniform in ± 1/√in at first.
class Linear : public Module {
 public:
  using Options = LinearOptions;

  /// Throws Error(argument) for a negative width.
  Linear(std::int64_t in, std::int64_t out, const LinearOptions& options = {});

  Tensor forward(const Tensor& x) const;  ///< (…, in) → (…, out)

  const Tensor& weight;  ///< (out, in)
  const Tensor& bias;    ///< undefined without one
};

}  // namespace nn
}  // namespace saw
