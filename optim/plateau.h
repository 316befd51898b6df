#pragma once

#include <cstdint>

#include "saw/autograd/state_dict.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

class Optimizer;

/// Which of two values of a metric is the better one.
enum class Better {
  smaller,  ///< a loss, an error rate
  larger,   ///< an accuracy
};
/// How a threshold is meant.
enum class Threshold {
  relative,  ///< as a part of the best value: a better one is beyond best · (1 ± threshold)
  absolute,  ///< as it is: a better one is beyond best ± threshold
};

/// When ReduceOnPlateau reduces, and how far; the defaults are PyTorch's.
struct PlateauOptions {
  Better better = Better::smaller;                 ///< of two metrics: a loss or an accuracy
  double factor = 0.1;                             ///< in [0, 1)
  std::int64_t patience = 10;                      ///< bad epochs in a row that are put up with
  double threshold = 1e-4;                         ///< by how much a metric must be better than the best to count
  Threshold threshold_kind = Threshold::relative;  ///< how the threshold is meant
  std::int64_t cooldown = 0;                       ///< epochs after a reduction that do not count as bad
  double minimum_rate = 0.0;                       ///< no learning rate goes below it
  double epsilon = 1e-8;                           ///< a reduction by no more than this is not made
};

/// Multiplies the learning rates of an optimizer, which must outlive it, by `factor` when a metric has not become
/// better for more than `patience` epochs.
///
///   optim::ReduceOnPlateau plateau(adam, {.factor = 0.5, .patience = 3});
///   …                                        // once per epoch
///   plateau.step(dev_loss);
///
/// A metric that is NaN is never better. It changes the optimizer's rates themselves, so it does not go together with a
/// Schedule, which sets them anew. The constructor throws Error(argument) for options out of range.
class ReduceOnPlateau {
 public:
  /// Throws Error(argument) for options out of range.
  explicit ReduceOnPlateau(Optimizer& optimizer, const PlateauOptions& options = {});

  /// Returns whether a learning rate was reduced.
  bool step(double metric);
  double best() const { return best_; }  ///< the best metric so far, an infinity before the first

  /// "best" and "learning_rate" (groups) float64, "bad_epochs" and "cooldown" int64.
  StateDict state_dict() const;
  /// Takes such a state over, and sets the learning rates of that time. Throws Error(argument) for one that does not
  /// fit, and then changes nothing.
  void load_state_dict(const StateDict& state);

 private:
  bool is_better(double metric) const;
  bool reduce();

  Optimizer& optimizer_;
  PlateauOptions options_;
  double best_;
  std::int64_t bad_epochs_ = 0;
  std::int64_t cooldown_left_ = 0;
};

}  // namespace optim
}  // namespace saw
