#include "saw/nn/conv1d.h"

#include <cmath>

#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

Initialiser uniform_by_fan_in(std::int64_t in, std::int64_t groups, std::int64_t kernel) {
  const double bound = std::sqrt(static_cast<double>(groups) / static_cast<double>(in * kernel));
  return init::uniform(-bound, bound);
}

/// The channels that an output sees.
std::int64_t channels_of_group(std::int64_t in, std::int64_t out, std::int64_t groups) {
  checked_positive("Conv1d", "groups", groups);
  if (checked_positive("Conv1d", "in", in) % groups != 0 || out % groups != 0)
    fail(ErrorKind::argument, "Conv1d: groups do not divide the channels; got {} groups for {} channels in and {} out",
         groups, in, out);
  return in / groups;
}

}  // namespace

Conv1d::Conv1d(std::int64_t in, std::int64_t out, std::int64_t kernel, const Conv1dOptions& options)
    : weight(param("weight",
                   {checked_positive("Conv1d", "out", out), channels_of_group(in, out, options.groups),
                    checked_positive("Conv1d", "the kernel", kernel)},
                   uniform_by_fan_in(in, options.groups, kernel))),
      bias(param_if(options.bias, "bias", {out}, uniform_by_fan_in(in, options.groups, kernel))),
      options_{.stride = checked_positive("Conv1d", "the stride", options.stride),
               .dilation = checked_positive("Conv1d", "the dilation", options.dilation),
               .padding_left = options.padding_left,
               .padding_right = options.padding_right,
               .groups = options.groups} {}

Tensor Conv1d::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(conv1d(x, segments, weight, bias, options_));
}

Segments Conv1d::output_segments(const Segments& segments) const {
  return conv1d_segments(segments, weight.size(2), options_);
}

}  // namespace saw::nn
