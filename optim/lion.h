#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of Lion.
struct LionOptions {
  double learning_rate = 1e-4;  ///< how far every element moves in a step
  double beta1 = 0.9;           ///< the share of the average in what gives the sign
  double beta2 = 0.99;          ///< how much of the average a step keeps
  double weight_decay = 0.0;    ///< of its own: p ← (1 − learning_rate · weight_decay) p
};

/// Lion (Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023). In each step
///
///   p ← p − learning_rate · (sign(β₁ m + (1 − β₁) g) + weight_decay · p)
///   m ← β₂ m + (1 − β₂) g
///
/// Every element moves by the learning rate whatever the size of its gradient: it wants a learning rate 3 to 10 times
/// smaller than AdamW's and a weight decay as many times larger. State: "exp_avg" (m).
class Lion : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit Lion(const Parameters& parameters, const LionOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit Lion(const std::vector<ParameterGroup<LionOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<LionOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
