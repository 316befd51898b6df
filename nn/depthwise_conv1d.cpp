#include "saw/nn/depthwise_conv1d.h"

#include <cmath>

#include "saw/autograd/ops/depthwise_conv.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

Initialiser uniform_by_kernel(std::int64_t kernel) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(kernel));
  return init::uniform(-bound, bound);
}

}  // namespace

DepthwiseConv1d::DepthwiseConv1d(std::int64_t channels, std::int64_t kernel, const Conv1dOptions& options)
    : weight(param("weight",
                   {checked_positive("DepthwiseConv1d", "channels", channels), 1,
                    checked_positive("DepthwiseConv1d", "the kernel", kernel)},
                   uniform_by_kernel(kernel))),
      bias(param_if(options.bias, "bias", {channels}, uniform_by_kernel(kernel))),
      options_{.stride = checked_positive("DepthwiseConv1d", "the stride", options.stride),
               .dilation = checked_positive("DepthwiseConv1d", "the dilation", options.dilation),
               .padding_left = options.padding_left,
               .padding_right = options.padding_right} {}

Tensor DepthwiseConv1d::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(depthwise_conv1d(x, segments, weight, bias, options_));
}

Segments DepthwiseConv1d::output_segments(const Segments& segments) const {
  return conv1d_segments(segments, weight.size(2), options_);
}

}  // namespace saw::nn
