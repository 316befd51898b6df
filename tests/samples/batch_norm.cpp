#include <cmath>
#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor input(const TensorList& in, std::size_t position) { return position < in.size() ? in[position] : Tensor(); }

Tensor batch_norm_reference(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  return naive_norm(x, weight, bias,
                    {.set_of = [](std::int64_t, std::int64_t column) { return column; }, .epsilon = epsilon});
}

Tensor batch_norm_with_reference(const Tensor& x, const BatchStatistics& statistics, const Tensor& weight,
                                 const Tensor& bias, double epsilon) {
  std::vector<double> values = doubles_of(x);
  const std::vector<double> mean = doubles_of(statistics.mean), variance = doubles_of(statistics.variance);
  const std::vector<double> scale = doubles_of(weight.defined() ? weight : ones_like(statistics.mean));
  const std::vector<double> offset = doubles_of(bias.defined() ? bias : zeros_like(statistics.mean));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % mean.size();
    values[i] = (values[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * scale[c] + offset[c];
  }
  return from_doubles(values, x.shape(), x.dtype());
}

std::vector<Sample> samples_of_batch_norm(SampleMaker& make) {
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

std::vector<Sample> samples_of_batch_norm_with(SampleMaker& make) {
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

}  // namespace

SampleList batch_norm_samples() {
  return {{"batch_norm", samples_of_batch_norm, batch_norm_errors},
          {"batch_norm_with", samples_of_batch_norm_with, batch_norm_with_errors}};
}

}  // namespace samples
