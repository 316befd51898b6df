#include "saw/nn/group_norm.h"

#include "saw/autograd/ops/group_norm.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

std::int64_t checked_groups(std::int64_t groups, std::int64_t channels) {
  checked_positive("GroupNorm", "groups", groups);
  checked_positive("GroupNorm", "channels", channels);
  if (channels % groups != 0)
    fail(ErrorKind::argument, "GroupNorm: the groups must divide the channels; got {} groups and {} channels", groups,
         channels);
  return groups;
}

}  // namespace

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options)
    : weight(param_if(options.affine, "weight", {checked_positive("GroupNorm", "channels", channels)}, init::ones())),
      bias(param_if(options.affine, "bias", {channels}, init::zeros())),
      groups_(checked_groups(groups, channels)),
      channels_(channels),
      epsilon_(checked_epsilon("GroupNorm", options.epsilon)) {}

Tensor GroupNorm::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  // Without weights the op would take any number of channels that the groups divide.
  if (x.rank() != 2 || x.size(1) != channels_)
    fail(ErrorKind::shape, "GroupNorm: wrong channels; got input {}; expected (rows, {})", x.shape(), channels_);
  return scope.output(group_norm(x, segments, groups_, weight, bias, epsilon_));
}

}  // namespace saw::nn
