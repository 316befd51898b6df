#include "saw/autograd/ops/group_norm.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/internal/channel_norm_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/norm_range.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

Tensor group_norm_reference(const Tensor& x, const Segments& segments, std::int64_t groups, const Tensor& weight,
                            const Tensor& bias, double epsilon) {
  const std::int64_t rows = x.size(0), channels = x.size(1);
  const Tensor parts = reshape(x, {rows, groups, channels / groups});
  const auto average = [&](const Tensor& values) {
    return segment_expand(segment_mean(mean(values, {2}, true), segments), segments);
  };
  const Tensor centred = parts - average(parts);
  Tensor y = reshape(centred * rsqrt(average(square(centred)) + epsilon), {rows, channels});
  if (weight.defined()) y = y * weight;
  if (bias.defined()) y = y + bias;
  return y;
}

const OpInfo group_norm_info{"group_norm",
                             "(x − mean) / √(var + ε) · weight + bias, per group of channels in each segment", true};

}  // namespace

namespace {

Tensor group_norm_in(NormRange range, const Tensor& x, const Segments& segments, std::int64_t groups,
                     const Tensor& weight, const Tensor& bias, double epsilon) {
  check_channel_rows("group_norm", x, epsilon);
  if (x.size(0) != segments.rows())
    fail(ErrorKind::shape, "group_norm: rows do not fit the segments; got {}; expected {} rows", x.shape(),
         segments.rows());
  if (groups < 1 || x.size(1) % groups != 0)
    fail(ErrorKind::argument, "group_norm: groups do not divide the channels; got {} groups for x {}", groups,
         x.shape());
  check_per_channel("group_norm", "weight", weight, x);
  check_per_channel("group_norm", "bias", bias, x);
  const ChannelNorm norm{segments, groups, epsilon};
  const NormStatistics own = norm.statistics(x);
  if (const Tensor outside = norm.outside_float32(own, x.size(1)); range == NormRange::any && outside.defined())
    return norm_by_range(x, outside, [&](const Tensor& in) {
      const bool wide = in.dtype() == float64;
      return group_norm_in(NormRange::float32_only, in, segments, groups, wide ? to_float64(weight) : weight,
                           wide ? to_float64(bias) : bias, epsilon);
    });
  const Tensor y = norm.forward(x, own, weight, bias);
  return record(group_norm_info, {x, weight, bias}, y, [&] {
    return norm.gradient(x, own, weight, true, [segments, groups, epsilon](const TensorList& in) {
      return TensorList{group_norm_reference(in[0], segments, groups, in[1], in[2], epsilon)};
    });
  });
}

}  // namespace

Tensor group_norm(const Tensor& x, const Segments& segments, std::int64_t groups, const Tensor& weight,
                  const Tensor& bias, double epsilon) {
  return group_norm_in(NormRange::any, x, segments, groups, weight, bias, epsilon);
}

OpList group_norm_ops() { return {&group_norm_info}; }

}  // namespace saw
