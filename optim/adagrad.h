#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of Adagrad; the defaults are PyTorch's.
struct AdagradOptions {
  double learning_rate = 0.01;       ///< how far an element moves in its first step, about
  double learning_rate_decay = 0.0;  ///< how fast the learning rate falls with the steps
  double epsilon = 1e-10;            ///< ε, added to the root
  double weight_decay = 0.0;         ///< added to the gradient: g + weight_decay · p
  double initial_accumulator = 0.0;  ///< s before the first step
};

/// Adagrad (Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR
/// 12, 2011). In step t
///
///   s ← s + g²,   p ← p − learning_rate / (1 + (t − 1) · learning_rate_decay) · g / (√s + ε)
///
/// State: "sum" (s), initial_accumulator at the start.
class Adagrad : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit Adagrad(const Parameters& parameters, const AdagradOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit Adagrad(const std::vector<ParameterGroup<AdagradOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<AdagradOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
