#pragma once

#include <cstdint>

#include "saw/autograd/state_dict.h"

namespace saw::train {

/// Notices a loss that grows and grows: its exponential mean over some 50 steps against the first two.
class LossWatch {
 public:
  explicit LossWatch(double factor) : factor_(factor) {}

  /// Whether the training diverges.
  bool update(double loss);
  double first() const { return first_; }
  double smoothed() const { return smoothed_; }

  StateDict state_dict() const;
  void load_state_dict(const StateDict& state);

 private:
  double factor_;
  double first_ = 0.0, smoothed_ = 0.0;
  std::int64_t count_ = 0;
};

}  // namespace saw::train
