#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A weighted mean, Σ wᵢ·xᵢ / Σ wᵢ, in double: a loss over batches of different sizes, for instance.
///
///   Mean loss;
///   loss.update(batch_loss.item(), words_of_batch);
///   loss.value();
class Mean {
 public:
  Mean() = default;
  /// One that goes on from the sums of an earlier one.
  Mean(double sum, double weight);

  /// Throws Error(argument) for a weight that is negative or not finite. NaN values stay visible: the mean is NaN then.
  void update(double value, double weight = 1.0);
  /// Every element counts once; floating or int64, any shape.
  void update(const Tensor& values);
  /// Every element with the weight of the same place; equal shapes, else Error(shape).
  void update(const Tensor& values, const Tensor& weights);
  void merge(const Mean& other);    ///< adds the sums of another
  void reset() { *this = Mean(); }  ///< begins anew

  /// NaN where nothing has been counted.
  double value() const;
  double sum() const { return sum_; }        ///< Σ wᵢ·xᵢ
  double weight() const { return weight_; }  ///< Σ wᵢ

 private:
  double sum_ = 0.0, weight_ = 0.0;
};

}  // namespace train
}  // namespace saw
