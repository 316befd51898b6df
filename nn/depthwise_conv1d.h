#pragma once

#include "saw/nn/conv1d.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Convolution over time of each channel by itself, inside each segment (PyTorch's Conv1d with groups = channels):
/// x (N, channels) → (N', channels), where N' = N for stride 1 and default padding; else output_segments() says where
/// the results lie. Parameters `weight` (channels, 1, kernel) and `bias` (channels), uniform in ± 1/√kernel at first.
class DepthwiseConv1d : public Module {
 public:
  using Options = Conv1dOptions;

  /// Throws Error(argument) for sizes below 1. Of the options `groups` has no meaning here.
  DepthwiseConv1d(std::int64_t channels, std::int64_t kernel, const Conv1dOptions& options = {});

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, channels) → (N', channels)
  /// The segments of the result of forward.
  Segments output_segments(const Segments& segments) const;

  const Tensor& weight;  ///< (channels, 1, kernel)
  const Tensor& bias;    ///< undefined without one

 private:
  saw::Conv1dOptions options_;
};

}  // namespace nn
}  // namespace saw
