#include "saw/nn/layer_norm.h"

#include "saw/autograd/ops/norm.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

/// Without weights the op would take any width.
void check_width(const char* layer, const Tensor& x, std::int64_t width) {
  if (x.rank() == 0 || x.shape().back() != width)
    fail(ErrorKind::shape, "{}: wrong width; got input {}; expected (…, {})", layer, x.shape(), width);
}

}  // namespace

LayerNorm::LayerNorm(std::int64_t width, const LayerNormOptions& options)
    : weight(param_if(options.affine, "weight", {checked_positive("LayerNorm", "the width", width)}, init::ones())),
      bias(param_if(options.affine && options.bias, "bias", {width}, init::zeros())),
      width_(width),
      epsilon_(checked_epsilon("LayerNorm", options.epsilon)) {}

Tensor LayerNorm::forward(const Tensor& x) const {
  const auto scope = enter(x);
  check_width("LayerNorm", x, width_);
  return scope.output(layer_norm(x, weight, bias, epsilon_));
}

RMSNorm::RMSNorm(std::int64_t width, const RMSNormOptions& options)
    : weight(param_if(options.affine, "weight", {checked_positive("RMSNorm", "the width", width)}, init::ones())),
      width_(width),
      epsilon_(checked_epsilon("RMSNorm", options.epsilon)) {}

Tensor RMSNorm::forward(const Tensor& x) const {
  const auto scope = enter(x);
  check_width("RMSNorm", x, width_);
  return scope.output(rms_norm(x, weight, epsilon_));
}

}  // namespace saw::nn
