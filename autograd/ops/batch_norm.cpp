#include "saw/autograd/ops/batch_norm.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/internal/channel_norm_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/norm_range.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

Tensor scaled(Tensor y, const Tensor& weight, const Tensor& bias) {
  if (weight.defined()) y = y * weight;
  if (bias.defined()) y = y + bias;
  return y;
}

Tensor batch_norm_reference(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  if (x.size(0) == 0) return scaled(x, weight, bias);
  const Tensor shifted = x - x.detach().slice(0, 0, 1);  // a common offset would cost the mean its last digits
  const Tensor centred = shifted - mean(shifted, {0}, true);
  return scaled(centred * rsqrt(mean(square(centred), {0}, true) + epsilon), weight, bias);
}

Tensor batch_norm_with_reference(const Tensor& x, const BatchStatistics& statistics, const Tensor& weight,
                                 const Tensor& bias, double epsilon) {
  return scaled((x - statistics.mean.detach()) * rsqrt(statistics.variance.detach() + epsilon), weight, bias);
}

const OpInfo batch_norm_info{"batch_norm", "(x − mean) / √(var + ε) · weight + bias, per channel over rows", true};
const OpInfo batch_norm_with_info{"batch_norm_with", "batch_norm with given mean and var", true};

void check_operands(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_channel_rows(op, x, epsilon);
  check_per_channel(op, "weight", weight, x);
  check_per_channel(op, "bias", bias, x);
}

/// All rows are one segment, each channel is a group of its own.
ChannelNorm channel_by_channel(const Tensor& x, double epsilon) {
  return {Segments::single(x.size(0)), x.size(1), epsilon};
}

Tensor batch_norm_in(NormRange range, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                     BatchStatistics* statistics) {
  check_operands("batch_norm", x, weight, bias, epsilon);
  if (x.size(0) == 1)
    fail(ErrorKind::argument,
         "batch_norm: a single row has no variance; got x {}; expected several rows or none; in evaluation normalise "
         "with running statistics",
         x.shape());
  const ChannelNorm norm = channel_by_channel(x, epsilon);
  const NormStatistics own = norm.statistics(x);
  if (const Tensor outside = norm.outside_float32(own, x.size(1)); range == NormRange::any && outside.defined()) {
    BatchStatistics narrow, wide;
    const Tensor y = norm_by_range(x, outside, [&](const Tensor& in) {
      const bool is_wide = in.dtype() == float64;
      return batch_norm_in(NormRange::float32_only, in, is_wide ? to_float64(weight) : weight,
                           is_wide ? to_float64(bias) : bias, epsilon, is_wide ? &wide : &narrow);
    });
    const Tensor channels = outside.select(0, 0);
    if (statistics != nullptr)
      *statistics = {where(channels, to(wide.mean, float32), narrow.mean),
                     where(channels, to(wide.variance, float32), narrow.variance)};
    return y;
  }
  const Tensor y = norm.forward(x, own, weight, bias);
  if (statistics != nullptr && x.size(0) > 0)
    *statistics = {reshape(own.mean, {x.size(1)}), reshape(own.variance, {x.size(1)})};
  return record(batch_norm_info, {x, weight, bias}, y, [&] {
    return norm.gradient(x, own, weight, true, [epsilon](const TensorList& in) {
      return TensorList{batch_norm_reference(in[0], in[1], in[2], epsilon)};
    });
  });
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  BatchStatistics* statistics) {
  return batch_norm_in(NormRange::any, x, weight, bias, epsilon, statistics);
}

Tensor batch_norm_with(const Tensor& x, const BatchStatistics& statistics, const Tensor& weight, const Tensor& bias,
                       double epsilon) {
  check_operands("batch_norm_with", x, weight, bias, epsilon);
  if (!statistics.mean.defined() || !statistics.variance.defined())
    fail(ErrorKind::argument, "batch_norm_with: mean or variance is undefined; expected both for x {}", x.shape());
  check_per_channel("batch_norm_with", "mean", statistics.mean, x);
  check_per_channel("batch_norm_with", "variance", statistics.variance, x);
  const ChannelNorm norm = channel_by_channel(x, epsilon);
  const NormStatistics given{statistics.mean.detach().contiguous(), Tensor(),
                             statistics.variance.detach().contiguous()};
  const Tensor y = norm.forward(x, given, weight, bias);
  return record(batch_norm_with_info, {x, weight, bias}, y, [&] {
    return norm.gradient(x, given, weight, false, [given, epsilon](const TensorList& in) {
      return TensorList{batch_norm_with_reference(in[0], {given.mean, given.variance}, in[1], in[2], epsilon)};
    });
  });
}

OpList batch_norm_ops() { return {&batch_norm_info, &batch_norm_with_info}; }

}  // namespace saw
