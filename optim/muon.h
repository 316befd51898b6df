#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "saw/optim/optimizer.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// What the learning rate is multiplied by for a matrix (rows, columns).
enum class MuonScale {
  original,         ///< √max(1, rows / columns) (Jordan 2024)
  match_rms_adamw,  ///< 0.2 · √max(rows, columns): steps as large as AdamW's (Liu et al. 2025)
};

/// Options of Muon; the defaults are PyTorch's.
struct MuonOptions {
  double learning_rate = 1e-3;  ///< of matrices whose singular values are all about 1
  double weight_decay = 0.1;    ///< of its own: p ← (1 − learning_rate · weight_decay) p
  double momentum = 0.95;       ///< how much of B a step keeps
  bool nesterov = true;         ///< looks ahead along the momentum
  std::array<double, 3> ns_coefficients = {3.4445, -4.7750, 2.0315};  ///< a, b, c
  double epsilon = 1e-7;                                              ///< the smallest norm that is divided by
  std::int64_t ns_steps = 5;                                          ///< times the polynomial is applied, 0 to 99
  MuonScale scale = MuonScale::original;                              ///< what the learning rate is multiplied by
};

/// Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024), for matrices: the step is the
/// momentum with all its singular values brought near 1.
///
///   B ← momentum · B + (1 − momentum) g,   U = nesterov ? (1 − momentum) g + momentum · B : B
///   X = U / max(‖U‖, ε), and ns_steps times  A = X Xᵀ,  X ← a X + (b A + c A²) X
///   p ← (1 − learning_rate · weight_decay) p − learning_rate · scale · X
///
/// computed in the parameter's dtype, where PyTorch rounds X to bfloat16. Biases, norms and embeddings belong into an
/// AdamW beside it:
///
///   optim::Muon muon(hidden_matrices, {.learning_rate = 0.02});
///   optim::AdamW adam(all_others, {.learning_rate = 3e-4});
///
/// State: "momentum_buffer" (B). The constructor also throws Error(argument) for a parameter that is no matrix; step()
/// throws Error(autograd) for a sparse gradient.
class Muon : public Optimizer {
 public:
  /// All parameters with the same options.
  explicit Muon(const Parameters& parameters, const MuonOptions& options = {});
  /// Groups of parameters with options of their own.
  explicit Muon(const std::vector<ParameterGroup<MuonOptions>>& groups);

 private:
  bool is_elementwise() const override { return false; }
  void update_whole(const Whole& whole) const override;

  std::vector<MuonOptions> options_;  // per group
};

}  // namespace optim
}  // namespace saw
