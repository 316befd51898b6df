#pragma once

#include <cstddef>
#include <vector>

#include "saw/autograd/tape/tensor.h"
#include "saw/data/verification.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// Collects the scores of trials for data::equal_error_rate() and data::min_detection_cost().
class EqualErrorRate {
 public:
  /// A trial: the score of two utterances, and whether they are of one speaker. Throws Error(argument) for NaN.
  void update(double score, bool is_target);
  /// Many of them: scores (N) floating, is_target (N) bool. Throws Error(shape), Error(dtype), Error(argument).
  void update(const Tensor& scores, const Tensor& is_target);
  void merge(const EqualErrorRate& other);  ///< adds the trials of another
  void reset();                             ///< begins anew

  /// In [0, 1]; NaN unless there are trials of both kinds.
  double value() const;
  /// NaN unless there are trials of both kinds.
  double min_detection_cost(const data::DetectionCostOptions& options = {}) const;
  std::size_t count() const { return scores_.size(); }  ///< trials

 private:
  bool has_both_kinds() const;

  std::vector<double> scores_;
  std::vector<bool> is_target_;
};

}  // namespace train
}  // namespace saw
