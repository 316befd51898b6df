#include "saw/nn/linear.h"

#include <cmath>

#include "saw/autograd/ops/matmul.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

Initialiser uniform_by_fan_in(std::int64_t in) {
  const double bound = in > 0 ? 1.0 / std::sqrt(static_cast<double>(in)) : 0.0;
  return init::uniform(-bound, bound);
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, const LinearOptions& options)
    : weight(param("weight", {checked_size("Linear", "out", out), checked_size("Linear", "in", in)},
                   uniform_by_fan_in(in))),
      bias(param_if(options.bias, "bias", {out}, uniform_by_fan_in(in))) {}

Tensor Linear::forward(const Tensor& x) const {
  const auto scope = enter(x);
  return scope.output(linear(x, weight, bias));
}

}  // namespace saw::nn
