#include "saw/autograd/ops/batch_norm.h"

#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/channel_norm_op.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
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

// ---- samples ----

Tensor input(const TensorList& in, std::size_t position) { return position < in.size() ? in[position] : Tensor(); }

std::vector<Sample> batch_norm_samples(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, double epsilon) {
    return Sample{
        .name = name,
        .inputs = std::move(inputs),
        .run = [=](const TensorList& in) { return TensorList{batch_norm(in[0], input(in, 1), input(in, 2), epsilon)}; },
        .reference =
            [=](const TensorList& in) {
              return TensorList{batch_norm_reference(in[0], input(in, 1), input(in, 2), epsilon)};
            }};
  };
  // A channel whose rows are all equal has derivatives of the size of 1/√ε: a large ε keeps them in reach of
  // differences when a sample's rows are repeated.
  std::vector<Sample> samples = {
      sample("plain", {make.normal({5, 3})}, 0.1),
      sample("weight and bias", {make.normal({6, 4}), make.normal({4}), make.normal({4})}, 0.1),
      sample("weight alone", {make.normal({4, 2}), make.normal({2})}, 0.1),
      sample("more channels than a vector holds", {make.normal({4, 37}), make.normal({37}), make.normal({37})}, 0.1),
      sample("two rows, one channel", {make.normal({2, 1}), make.normal({1}), make.normal({1})}, 0.5),
      sample("no rows", {make.normal({0, 3}), make.normal({3}), make.normal({3})}, 0.1),
      sample("no channels", {make.normal({3, 0})}, 0.1)};
  samples.push_back(
      {.name = "bias alone",
       .inputs = {make.normal({4, 3}), make.normal({3})},
       .run = [](const TensorList& in) { return TensorList{batch_norm(in[0], {}, in[1], 0.1)}; },
       .reference = [](const TensorList& in) { return TensorList{batch_norm_reference(in[0], {}, in[1], 0.1)}; }});
  // Means and variances as results; they carry no gradient.
  samples.push_back({.name = "statistics",
                     .inputs = {make.normal({7, 5})},
                     .run =
                         [](const TensorList& in) {
                           BatchStatistics statistics;
                           const NoGradGuard no_grad;
                           batch_norm(in[0], {}, {}, 1e-5, &statistics);
                           return TensorList{statistics.mean, statistics.variance};
                         },
                     .reference =
                         [](const TensorList& in) {
                           const NoGradGuard no_grad;
                           const Tensor average = mean(in[0], {0});
                           return TensorList{average, mean(square(in[0] - average), {0})};
                         },
                     .constants = {0}});
  return samples;
}

std::vector<Sample> batch_norm_with_samples(SampleMaker& make) {
  const auto sample = [&](const char* name, std::int64_t rows, std::int64_t channels, bool affine) {
    TensorList inputs = {make.normal({rows, channels}), make.normal({channels}), make.uniform({channels}, 0.5, 2.0)};
    if (affine) inputs.insert(inputs.end(), {make.normal({channels}), make.normal({channels})});
    return Sample{
        .name = name,
        .inputs = std::move(inputs),
        .run =
            [](const TensorList& in) {
              return TensorList{batch_norm_with(in[0], {in[1], in[2]}, input(in, 3), input(in, 4))};
            },
        .reference =
            [](const TensorList& in) {
              return TensorList{batch_norm_with_reference(in[0], {in[1], in[2]}, input(in, 3), input(in, 4), 1e-5)};
            },
        .constants = {1, 2}};
  };
  return {sample("plain", 3, 4, false), sample("weight and bias", 4, 19, true), sample("one row", 1, 3, true),
          sample("no rows", 0, 3, true)};
}

std::vector<ErrorSample> batch_norm_errors() {
  const auto call = [](const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double epsilon = 1e-5) {
    return [=] { batch_norm(x, weight, bias, epsilon); };
  };
  return {{"rank", call(zeros({4})), ErrorKind::shape, "batch_norm: x has the wrong rank; got (4,)"},
          {"one row", call(zeros({1, 4})), ErrorKind::argument, "batch_norm: a single row has no variance"},
          {"weight of another size", call(zeros({2, 3}), zeros({2})), ErrorKind::shape, "batch_norm: weight"},
          {"bias of another rank", call(zeros({2, 3}), {}, zeros({1, 3})), ErrorKind::shape, "batch_norm: bias"},
          {"integers", call(zeros({2, 3}, int64)), ErrorKind::dtype, "batch_norm: needs floating point"},
          {"mixed dtypes", call(zeros({2, 3}), zeros({3}, float64)), ErrorKind::dtype, "batch_norm: weight and x"},
          {"negative epsilon", call(zeros({2, 3}), {}, {}, -1.0), ErrorKind::argument, "batch_norm: epsilon"}};
}

std::vector<ErrorSample> batch_norm_with_errors() {
  const auto call = [](const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight = {}) {
    return [=] { batch_norm_with(x, {mean, variance}, weight); };
  };
  return {{"rank", call(zeros({3}), zeros({3}), zeros({3})), ErrorKind::shape, "batch_norm_with: x has the wrong rank"},
          {"no mean", call(zeros({2, 3}), {}, zeros({3})), ErrorKind::argument, "mean or variance is undefined"},
          {"mean", call(zeros({2, 3}), zeros({2}), zeros({3})), ErrorKind::shape, "batch_norm_with: mean does not fit"},
          {"variance", call(zeros({2, 3}), zeros({3}), zeros({3}, float64)), ErrorKind::dtype, "variance and x"},
          {"weight", call(zeros({2, 3}), zeros({3}), zeros({3}), zeros({4})), ErrorKind::shape, "weight does not fit"}};
}

const OpInfo batch_norm_info{"batch_norm", "(x − mean) / √(var + ε) · weight + bias, per channel over rows", true,
                             batch_norm_samples, batch_norm_errors};
const OpInfo batch_norm_with_info{"batch_norm_with", "batch_norm with given mean and var", true,
                                  batch_norm_with_samples, batch_norm_with_errors};

void check_operands(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_channel_rows(op, x, epsilon);
  check_per_channel(op, "weight", weight, x);
  check_per_channel(op, "bias", bias, x);
}

/// All rows are one segment, each channel is a group of its own.
ChannelNorm channel_by_channel(const Tensor& x, double epsilon) {
  return {Segments::single(x.size(0)), x.size(1), epsilon};
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  BatchStatistics* statistics) {
  check_operands("batch_norm", x, weight, bias, epsilon);
  if (x.size(0) == 1)
    fail(ErrorKind::argument,
         "batch_norm: a single row has no variance; got x {}; expected several rows or none; in evaluation normalise "
         "with running statistics",
         x.shape());
  const ChannelNorm norm = channel_by_channel(x, epsilon);
  const NormStatistics own = norm.statistics(x);
  const Tensor y = norm.forward(x, own, weight, bias);
  if (statistics != nullptr && x.size(0) > 0)
    *statistics = {reshape(own.mean, {x.size(1)}), reshape(own.variance, {x.size(1)})};
  return record(batch_norm_info, {x, weight, bias}, y, [&] {
    Gradient gradient = norm.gradient(x, own, weight, true);
    gradient.reference = [epsilon](const TensorList& in) {
      return TensorList{batch_norm_reference(in[0], in[1], in[2], epsilon)};
    };
    return gradient;
  });
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
    Gradient gradient = norm.gradient(x, given, weight, false);
    gradient.reference = [given, epsilon](const TensorList& in) {
      return TensorList{batch_norm_with_reference(in[0], {given.mean, given.variance}, in[1], in[2], epsilon)};
    };
    return gradient;
  });
}

OpList batch_norm_ops() { return {&batch_norm_info, &batch_norm_with_info}; }

}  // namespace saw
