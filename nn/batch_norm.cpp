#include "saw/nn/batch_norm.h"

#include "saw/autograd/ops/batch_norm.h"
#include "saw/autograd/ops/creation.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {

BatchNorm1d::BatchNorm1d(std::int64_t channels, const BatchNorm1dOptions& options)
    : weight(param_if(options.affine, "weight", {checked_positive("BatchNorm1d", "channels", channels)}, init::ones())),
      bias(param_if(options.affine, "bias", {channels}, init::zeros())),
      running_mean(buffer("running_mean", zeros({channels}))),
      running_var(buffer("running_var", ones({channels}))),
      num_batches_tracked(buffer("num_batches_tracked", zeros({}, int64))),
      epsilon_(checked_epsilon("BatchNorm1d", options.epsilon)),
      momentum_(checked_probability("BatchNorm1d", "momentum", options.momentum)) {}

Tensor BatchNorm1d::forward(const Tensor& x) const {
  const auto scope = enter(x);
  // Checked here, because the op takes any number of channels where there are no weights, and anything without rows.
  if (x.rank() != 2 || x.size(1) != running_mean.size(0))
    fail(ErrorKind::shape, "BatchNorm1d: wrong channels; got input {}; expected (rows, {})", x.shape(),
         running_mean.size(0));
  if (!is_training()) return scope.output(batch_norm_with(x, {running_mean, running_var}, weight, bias, epsilon_));

  BatchStatistics own;
  const Tensor y = batch_norm(x, weight, bias, epsilon_, &own);
  const std::int64_t rows = x.size(0);
  if (rows == 0) return scope.output(y);
  const NoGradGuard no_grad;
  const double unbiased = static_cast<double>(rows) / static_cast<double>(rows - 1);
  running_mean.mul_(1.0 - momentum_).add_(own.mean, momentum_);
  running_var.mul_(1.0 - momentum_).add_(own.variance, momentum_ * unbiased);
  ++*num_batches_tracked.mutable_data<std::int64_t>();
  return scope.output(y);
}

}  // namespace saw::nn
