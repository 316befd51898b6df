#pragma once

#include <cstdint>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// exp of the mean of −log p(target) over all targets of all batches, in double. (The mean of the batches' perplexities
/// would be another number.)
class Perplexity {
 public:
  /// Targets of the value `ignore_index` do not count.
  explicit Perplexity(std::int64_t ignore_index = -100) : ignore_index_(ignore_index) {}

  /// Logits (…, C), targets (…) int64; targets of the value `ignore_index` do not count. Throws Error(shape),
  /// Error(dtype), Error(index).
  void update(const Tensor& logits, const Tensor& targets);
  /// A mean cross entropy in nats over `count` targets: what a training loop has at hand. Throws Error(argument) for a
  /// negative count.
  void update(double mean_loss, std::int64_t count);
  void merge(const Perplexity& other);                 ///< adds the sums of another
  void reset() { *this = Perplexity(ignore_index_); }  ///< begins anew

  /// NaN where nothing has been counted.
  double value() const;
  double cross_entropy() const;                  ///< its logarithm: nats per target
  double bits_per_target() const;                ///< the same in bits
  std::int64_t count() const { return count_; }  ///< targets that count

 private:
  std::int64_t ignore_index_, count_ = 0;
  double sum_ = 0.0;
};

}  // namespace train
}  // namespace saw
