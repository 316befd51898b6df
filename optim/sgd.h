#pragma once

#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// Options of SGD; the defaults are PyTorch's.
struct SGDOptions {
  double learning_rate = 1e-3;  ///< how far a step goes along the (averaged) gradient
  double momentum = 0.0;        ///< μ; 0: none is kept
  double dampening = 0.0;       ///< how much less than fully a gradient enters the momentum; not in the first step
  double weight_decay = 0.0;    ///< added to the gradient: g + weight_decay · p
  bool nesterov = false;        ///< looks ahead along the momentum
};

/// Stochastic gradient descent (Robbins & Monro 1951). With momentum μ
///
///   b ← μ b + (1 − dampening) g        (b ← g in the first step)
///   p ← p − learning_rate · b          Nesterov: p ← p − learning_rate · (g + μ b)
///
/// in the form of Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
/// learning", ICML 2013, with the learning rate outside of b, as in PyTorch. State: "momentum_buffer". Throws
/// Error(argument) for Nesterov without momentum or with dampening.
class SGD : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit SGD(const Parameters& parameters, const SGDOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit SGD(const std::vector<ParameterGroup<SGDOptions>>& groups);

 private:
  void update(const Piece& piece) const override;

  std::vector<SGDOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
