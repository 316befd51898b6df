#pragma once

#include <cstdint>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// The part of all rows whose prediction is their target, in [0, 1].
///
///   Accuracy accuracy;
///   for (…) accuracy.update(model.forward(batch), batch.tags);
///   accuracy.value();
class Accuracy {
 public:
  /// Targets of the value `ignore_index` do not count.
  explicit Accuracy(std::int64_t ignore_index = -100) : ignore_index_(ignore_index) {}

  /// Logits (…, C), of which the first largest is the prediction, or predicted ids (…) int64; targets (…) int64. Throws
  /// Error(shape), Error(dtype), and Error(index) for a target that the logits have no class for.
  void update(const Tensor& predictions, const Tensor& targets);
  /// Counts made elsewhere. Throws Error(argument) unless 0 ≤ correct ≤ count.
  void update(std::int64_t correct, std::int64_t count);
  void merge(const Accuracy& other);       ///< adds the counts of another
  void reset() { correct_ = count_ = 0; }  ///< begins anew

  /// NaN where nothing has been counted.
  double value() const;
  std::int64_t correct() const { return correct_; }  ///< rows that were right
  std::int64_t count() const { return count_; }      ///< rows that count

 private:
  std::int64_t ignore_index_, correct_ = 0, count_ = 0;
};

/// The part of all rows whose target is among the k largest logits. Of equal logits the first is the larger one, so
/// that k = 1 is Accuracy; a row with a NaN target logit counts as wrong, and NaN is larger than all numbers.
class TopKAccuracy {
 public:
  /// Throws Error(argument) for k < 1.
  explicit TopKAccuracy(std::int64_t k, std::int64_t ignore_index = -100);

  /// Logits (…, C), targets (…) int64; throws as Accuracy does.
  void update(const Tensor& logits, const Tensor& targets);
  /// Throws Error(argument) for another k.
  void merge(const TopKAccuracy& other);
  void reset() { correct_ = count_ = 0; }  ///< begins anew

  /// NaN where nothing has been counted.
  double value() const;
  std::int64_t k() const { return k_; }              ///< how many logits are looked at
  std::int64_t correct() const { return correct_; }  ///< rows that were right
  std::int64_t count() const { return count_; }      ///< rows that count

 private:
  std::int64_t k_, ignore_index_, correct_ = 0, count_ = 0;
};

}  // namespace train
}  // namespace saw
