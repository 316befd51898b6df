#include "saw/autograd/ops/group_norm.h"

#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/channel_norm_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
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

std::vector<Sample> group_norm_samples(SampleMaker& make) {
  const Segments ragged = Segments::from_lengths({4, 0, 1, 3});
  const auto sample = [&](const char* name, const Segments& segments, std::int64_t channels, std::int64_t groups,
                          std::size_t parameters, double epsilon) {
    TensorList inputs = {make.normal({segments.rows(), channels})};
    for (std::size_t i = 0; i < parameters; ++i) inputs.push_back(make.normal({channels}));
    const auto parameter = [](const TensorList& in, std::size_t i) { return i < in.size() ? in[i] : Tensor(); };
    return Sample{
        .name = name,
        .inputs = std::move(inputs),
        .run =
            [=](const TensorList& in) {
              return TensorList{group_norm(in[0], segments, groups, parameter(in, 1), parameter(in, 2), epsilon)};
            },
        .reference =
            [=](const TensorList& in) {
              return TensorList{
                  group_norm_reference(in[0], segments, groups, parameter(in, 1), parameter(in, 2), epsilon)};
            }};
  };
  // Equal elements have derivatives of the size of 1/√ε; a large ε keeps them in reach of differences.
  return {sample("plain", ragged, 6, 2, 0, 0.1),
          sample("weight alone", ragged, 4, 2, 1, 0.1),
          sample("weight and bias", ragged, 6, 3, 2, 0.1),
          sample("one group", ragged, 5, 1, 2, 0.1),
          sample("a group per channel", ragged, 3, 3, 2, 0.5),
          sample("more channels than a vector holds", Segments::from_lengths({3, 2}), 38, 2, 2, 0.1),
          sample("no rows", Segments::from_lengths({0, 0}), 4, 2, 2, 0.1),
          sample("no segments", Segments(), 4, 2, 2, 0.1)};
}

std::vector<ErrorSample> group_norm_errors() {
  const auto call = [](const Tensor& x, std::int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                       double epsilon = 1e-5) {
    return [=] { group_norm(x, Segments::from_lengths({1, 2}), groups, weight, bias, epsilon); };
  };
  return {{"rank", call(zeros({3}), 1), ErrorKind::shape, "group_norm: x has the wrong rank; got (3,)"},
          {"rows", call(zeros({4, 2}), 1), ErrorKind::shape, "group_norm: rows do not fit the segments; got (4, 2)"},
          {"groups", call(zeros({3, 4}), 3), ErrorKind::argument, "groups do not divide the channels; got 3 groups"},
          {"no groups", call(zeros({3, 4}), 0), ErrorKind::argument, "groups do not divide the channels; got 0 groups"},
          {"weight", call(zeros({3, 4}), 2, zeros({2})), ErrorKind::shape, "group_norm: weight does not fit"},
          {"bias", call(zeros({3, 4}), 2, {}, zeros({1, 4})), ErrorKind::shape, "group_norm: bias does not fit"},
          {"integers", call(zeros({3, 4}, int64), 2), ErrorKind::dtype, "group_norm: needs floating point"},
          {"mixed dtypes", call(zeros({3, 4}), 2, zeros({4}, float64)), ErrorKind::dtype, "group_norm: weight and x"},
          {"negative epsilon", call(zeros({3, 4}), 2, {}, {}, -1.0), ErrorKind::argument, "group_norm: epsilon"}};
}

const OpInfo group_norm_info{"group_norm",
                             "(x − mean) / √(var + ε) · weight + bias, per group of channels in each segment", true,
                             group_norm_samples, group_norm_errors};

}  // namespace

Tensor group_norm(const Tensor& x, const Segments& segments, std::int64_t groups, const Tensor& weight,
                  const Tensor& bias, double epsilon) {
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
  const Tensor y = norm.forward(x, own, weight, bias);
  return record(group_norm_info, {x, weight, bias}, y, [&] {
    Gradient gradient = norm.gradient(x, own, weight, true);
    gradient.reference = [segments, groups, epsilon](const TensorList& in) {
      return TensorList{group_norm_reference(in[0], segments, groups, in[1], in[2], epsilon)};
    };
    return gradient;
  });
}

OpList group_norm_ops() { return {&group_norm_info}; }

}  // namespace saw
