#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/conv.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Options of Conv1d and DepthwiseConv1d. Unlike PyTorch's, the default padding keeps the length.
struct Conv1dOptions {
  std::int64_t stride = 1;    ///< rows from one result to the next
  std::int64_t dilation = 1;  ///< rows from one tap of the kernel to the next
  /// Zeros before and after each segment. −1: (kernel − 1)·dilation in all, so that stride 1 keeps every length.
  std::int64_t padding_left = -1;
  std::int64_t padding_right = -1;  ///< as padding_left
  bool bias = true;                 ///< whether there is one
  std::int64_t groups = 1;          ///< channels in and out are cut into so many groups that do not see each other
};

/// Convolution over time inside each segment: x (N, in) → (N', out), where N' = N for stride 1 and default padding;
/// else output_segments() says where the results lie. Parameters `weight` (out, in / groups, kernel) and `bias` (out),
/// uniform in ± 1/√(in / groups · kernel) at first.
class Conv1d : public Module {
 public:
  using Options = Conv1dOptions;

  /// Throws Error(argument) for sizes below 1 and groups that do not divide the channels.
  Conv1d(std::int64_t in, std::int64_t out, std::int64_t kernel, const Conv1dOptions& options = {});

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, in) → (N', out)
  /// The segments of the result of forward.
  Segments output_segments(const Segments& segments) const;

  const Tensor& weight;  ///< (out, in / groups, kernel)
  const Tensor& bias;    ///< undefined without one

 private:
  saw::Conv1dOptions options_;
};

}  // namespace nn
}  // namespace saw
