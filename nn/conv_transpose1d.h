#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/conv.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// PyTorch's options.
struct ConvTranspose1dOptions {
  std::int64_t stride = 1;          ///< rows of the result from one row of x to the next
  std::int64_t padding = 0;         ///< positions that are cut off at either end
  std::int64_t output_padding = 0;  ///< positions more on the right: below stride or dilation
  std::int64_t groups = 1;          ///< channels in and out are cut into so many groups that do not see each other
  bool bias = true;                 ///< whether there is one
  std::int64_t dilation = 1;        ///< rows of the result from one tap of the kernel to the next
};

/// Transposed convolution over time inside each segment: x (N, in) → (N', out) with rows where output_segments() says;
/// a stride makes sequences longer. Parameters `weight` (in, out / groups, kernel) and `bias` (out), uniform in
/// ± 1/√(out / groups · kernel) at first, as PyTorch does.
class ConvTranspose1d : public Module {
 public:
  /// Throws Error(argument) for sizes below 1 and groups that do not divide the channels.
  ConvTranspose1d(std::int64_t in, std::int64_t out, std::int64_t kernel, const ConvTranspose1dOptions& options = {});

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, in) → (N', out)
  /// The segments of the result of forward.
  Segments output_segments(const Segments& segments) const;

  const Tensor& weight;  ///< (in, out / groups, kernel)
  const Tensor& bias;    ///< undefined without one

 private:
  saw::ConvTranspose1dOptions options_;
};

}  // namespace nn
}  // namespace saw
