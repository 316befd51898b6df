#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Options of GroupNorm; the defaults are PyTorch's.
struct GroupNormOptions {
  double epsilon = 1e-5;  ///< ε, added to the variance
  bool affine = true;     ///< weight and bias, or neither
};

/// (x − mean) / √(variance + ε) · weight + bias with mean and biased variance over all rows of a segment and
/// channels / groups neighbouring channels (Wu & He 2018); x (N, channels) keeps its shape. Parameters `weight`
/// (channels), 1 at first, and `bias` (channels), 0 at first.
class GroupNorm : public Module {
 public:
  using Options = GroupNormOptions;

  /// Throws Error(argument) for sizes below 1, groups that do not divide the channels, or a negative epsilon.
  GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options = {});

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, channels) → (N, channels)

  const Tensor& weight;  ///< undefined without affine
  const Tensor& bias;    ///< undefined without affine

 private:
  std::int64_t groups_, channels_;
  double epsilon_;
};

}  // namespace nn
}  // namespace saw
