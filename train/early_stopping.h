#pragma once

#include <cstdint>

#include "saw/autograd/state_dict.h"
#include "saw/optim/plateau.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// What is better, and how long it is waited for.
struct EarlyStoppingOptions {
  optim::Better better = optim::Better::larger;  ///< of two values: an accuracy, or a loss
  std::int64_t patience = 0;  ///< stop after so many evaluations in a row that were no improvement; 0: never
  double minimum_gain = 0.0;  ///< by how much (more than) a value must be better than the best one
  /// A value equal to the best one takes its place: of equally good weights those trained longer. Patience counts it as
  /// no improvement.
  bool later_of_equals = false;
};

/// The best value of a metric, when it was reached, and whether it is time to give up.
///
///   train::EarlyStopping best({.better = optim::Better::larger, .patience = 5});
///   if (best.update(step, dev_accuracy)) weights = model.snapshot();
///   if (best.should_stop()) break;
///
/// NaN is never better. The constructor throws Error(argument) for options out of range.
class EarlyStopping {
 public:
  /// Throws Error(argument) for a negative patience, and a minimum_gain that is negative or not finite.
  explicit EarlyStopping(const EarlyStoppingOptions& options = {});

  /// Takes the value of an evaluation after `step`; whether it is the best so far.
  bool update(std::int64_t step, double value);
  /// Whether `patience` evaluations in a row brought no improvement.
  bool should_stop() const { return options_.patience > 0 && since_best_ >= options_.patience; }
  /// The best value, an infinity before the first; and its step, -1 before the first.
  double best() const { return best_; }
  std::int64_t best_step() const { return best_step_; }  ///< see best()
  /// Evaluations since the best one.
  std::int64_t since_best() const { return since_best_; }

  /// "best" float64, "best_step" and "since_best" int64.
  StateDict state_dict() const;
  /// Throws Error(argument) for a state that does not fit, and then changes nothing.
  void load_state_dict(const StateDict& state);

 private:
  EarlyStoppingOptions options_;
  double best_;
  std::int64_t best_step_ = -1, since_best_ = 0;
};

}  // namespace train
}  // namespace saw
