#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;  ///< of its own: p ← (1 − learning_rate · weight_decay) p
  bool amsgrad = false;
};

/// Adam with decoupled weight decay (Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019):
///
///   p ← (1 − learning_rate · weight_decay) p
///
/// and then Adam's step, whose moments see nothing of the decay. State and AMSGrad as in Adam.
class AdamW : public Optimizer {
 public:
  explicit AdamW(const Parameters& parameters, const AdamWOptions& options = {});
  explicit AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<AdamWOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
