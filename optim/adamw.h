#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of AdamW; the defaults are PyTorch's.
struct AdamWOptions {
  double learning_rate = 1e-3;  ///< about how far an element moves in a step
  double beta1 = 0.9;           ///< how much of the average gradient a step keeps
  double beta2 = 0.999;         ///< how much of the average square a step keeps
  double epsilon = 1e-8;        ///< ε, added to the root
  double weight_decay = 0.01;   ///< of its own: p ← (1 − learning_rate · weight_decay) p
  bool amsgrad = false;         ///< the largest average square so far stands under the root
};

/// Adam with decoupled weight decay (Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019):
///
///   p ← (1 − learning_rate · weight_decay) p
///
/// and then Adam's step, whose moments see nothing of the decay. State and AMSGrad as in Adam.
class AdamW : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit AdamW(const Parameters& parameters, const AdamWOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<AdamWOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
