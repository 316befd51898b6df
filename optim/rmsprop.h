#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of RMSprop; the defaults are PyTorch's.
struct RMSpropOptions {
  double learning_rate = 0.01;  ///< about how far an element moves in a step
  double alpha = 0.99;          ///< how much of the average square a step keeps
  double epsilon = 1e-8;        ///< ε, added to the root
  double weight_decay = 0.0;    ///< added to the gradient: g + weight_decay · p
  double momentum = 0.0;        ///< how much of b a step keeps; 0: none is kept
  bool centered = false;        ///< divide by the standard deviation of the gradient, not by its root mean square
};

/// RMSprop (Tieleman & Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered: Graves, "Generating
/// sequences with recurrent neural networks", 2013):
///
///   v ← α v + (1 − α) g²,   centered also  a ← α a + (1 − α) g
///   d = g / (√v + ε)        centered: g / (√(v − a²) + ε)
///   b ← momentum · b + d
///   p ← p − learning_rate · b
///
/// State: "square_avg" (v), "grad_avg" (a) and "momentum_buffer" (b), the last two where they are used.
class RMSprop : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit RMSprop(const Parameters& parameters, const RMSpropOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit RMSprop(const std::vector<ParameterGroup<RMSpropOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<RMSpropOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
