#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Options of BatchNorm1d; the defaults are PyTorch's.
struct BatchNorm1dOptions {
  double epsilon = 1e-5;  ///< ε, added to the variance
  double momentum = 0.1;  ///< the share of the newest batch in the running statistics
  bool affine = true;     ///< weight and bias, or neither
};

/// (x − mean) / √(variance + ε) · weight + bias, channel by channel (Ioffe & Szegedy 2015); x (N, channels) keeps its
/// shape. In training mean and biased variance are those of the N rows: real frames, never padding. Each training
/// forward, also under NoGradGuard, moves the running statistics: running = (1 − momentum) · running + momentum · own,
/// with the unbiased variance, as PyTorch has it. eval() uses the running ones, so that a row does not see its
/// neighbours. Parameters `weight`, 1 at first, and `bias`, 0 at first; buffers `running_mean`, 0 at first,
/// `running_var`, 1 at first, both (channels), and `num_batches_tracked`, int64 of shape ().
class BatchNorm1d : public Module {
 public:
  using Options = BatchNorm1dOptions;

  /// Throws Error(argument) for fewer than one channel, a negative epsilon or a momentum outside [0, 1].
  explicit BatchNorm1d(std::int64_t channels, const BatchNorm1dOptions& options = {});

  /// Throws Error(argument) for a single row in training, whose variance says nothing. No rows give no rows and change
  /// nothing.
  Tensor forward(const Tensor& x) const;

  const Tensor& weight;               ///< undefined without affine
  const Tensor& bias;                 ///< undefined without affine
  const Tensor& running_mean;         ///< (channels)
  const Tensor& running_var;          ///< (channels), unbiased
  const Tensor& num_batches_tracked;  ///< () int64: training forwards so far

 private:
  double epsilon_, momentum_;
};

}  // namespace nn
}  // namespace saw
