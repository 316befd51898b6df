#include "saw/nn/conv_transpose1d.h"

#include <cmath>

#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

constexpr const char* layer = "ConvTranspose1d";

std::int64_t channels_of_group(std::int64_t in, std::int64_t out, std::int64_t groups) {
  checked_positive(layer, "groups", groups);
  if (checked_positive(layer, "in", in) % groups != 0 || checked_positive(layer, "out", out) % groups != 0)
    fail(ErrorKind::argument, "{}: groups do not divide the channels; got {} groups for {} channels in and {} out",
         layer, groups, in, out);
  return out / groups;
}

Initialiser uniform_by_fan(std::int64_t out, std::int64_t groups, std::int64_t kernel) {
  const double bound = std::sqrt(static_cast<double>(groups) / static_cast<double>(out * kernel));
  return init::uniform(-bound, bound);
}

}  // namespace

ConvTranspose1d::ConvTranspose1d(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                 const ConvTranspose1dOptions& options)
    : weight(param("weight",
                   {in, channels_of_group(in, out, options.groups), checked_positive(layer, "the kernel", kernel)},
                   uniform_by_fan(out, options.groups, kernel))),
      bias(param_if(options.bias, "bias", {out}, uniform_by_fan(out, options.groups, kernel))),
      options_{.stride = checked_positive(layer, "the stride", options.stride),
               .padding = checked_size(layer, "the padding", options.padding),
               .output_padding = checked_size(layer, "the output padding", options.output_padding),
               .groups = options.groups,
               .dilation = checked_positive(layer, "the dilation", options.dilation)} {}

Tensor ConvTranspose1d::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(conv_transpose1d(x, segments, weight, bias, options_));
}

Segments ConvTranspose1d::output_segments(const Segments& segments) const {
  return conv_transpose1d_segments(segments, weight.size(2), options_);
}

}  // namespace saw::nn
