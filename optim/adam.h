#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of Adam; the defaults are PyTorch's.
struct AdamOptions {
  double learning_rate = 1e-3;  ///< about how far an element moves in a step
  double beta1 = 0.9;           ///< how much of the average gradient a step keeps
  double beta2 = 0.999;         ///< how much of the average square a step keeps
  double epsilon = 1e-8;        ///< ε, added to the root
  double weight_decay = 0.0;    ///< added to the gradient: g + weight_decay · p; AdamW keeps it apart
  bool amsgrad = false;         ///< the largest average square so far stands under the root
};

/// Adam (Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015). In step t
///
///   m ← β₁ m + (1 − β₁) g
///   v ← β₂ v + (1 − β₂) g²
///   p ← p − learning_rate · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
///
/// With AMSGrad (Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018) the largest v so far stands
/// under the root. State: "exp_avg" (m), "exp_avg_sq" (v) and "max_exp_avg_sq".
class Adam : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit Adam(const Parameters& parameters, const AdamOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit Adam(const std::vector<ParameterGroup<AdamOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<AdamOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
