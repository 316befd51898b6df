#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor input(const TensorList& in, std::size_t position) { return position < in.size() ? in[position] : Tensor(); }

Tensor layer_norm_reference(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  return naive_norm(x, weight, bias,
                    {.set_of = [](std::int64_t row, std::int64_t) { return row; }, .epsilon = epsilon});
}

Tensor rms_norm_reference(const Tensor& x, const Tensor& weight, double epsilon) {
  return naive_norm(
      x, weight, {},
      {.set_of = [](std::int64_t row, std::int64_t) { return row; }, .epsilon = epsilon, .centred = false});
}

std::vector<Sample> samples_of_layer_norm(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, double epsilon) {
    return Sample{
        .name = name,
        .inputs = std::move(inputs),
        .run = [=](const TensorList& in) { return TensorList{layer_norm(in[0], input(in, 1), input(in, 2), epsilon)}; },
        .reference =
            [=](const TensorList& in) {
              return TensorList{layer_norm_reference(in[0], input(in, 1), input(in, 2), epsilon)};
            }};
  };
  // Repeated along the last axis, a row has no variance, and its derivatives are of the size of 1/√ε: the larger ε of
  // most samples keeps them in reach of differences.
  std::vector<Sample> samples = {
      sample("plain", {make.normal({3, 5})}, 1e-5),
      sample("weight and bias", {make.normal({4, 6}), make.normal({6}), make.normal({6})}, 0.1),
      sample("weight alone", {make.normal({2, 5}), make.normal({5})}, 0.1),
      sample("longer than a vector", {make.normal({3, 37}), make.normal({37}), make.normal({37})}, 0.1),
      sample("three dimensions, large epsilon", {make.normal({2, 3, 4}), make.normal({4}), make.normal({4})}, 0.5),
      sample("one dimension", {make.normal({7}), make.normal({7}), make.normal({7})}, 0.1),
      sample("no rows", {make.normal({0, 4}), make.normal({4}), make.normal({4})}, 0.1)};
  samples.push_back(
      {.name = "bias alone",
       .inputs = {make.normal({3, 4}), make.normal({4})},
       .run = [](const TensorList& in) { return TensorList{layer_norm(in[0], {}, in[1])}; },
       .reference = [](const TensorList& in) { return TensorList{layer_norm_reference(in[0], {}, in[1], 1e-5)}; }});
  return samples;
}

std::vector<Sample> samples_of_rms_norm(SampleMaker& make) {
  const auto sample = [](const char* name, TensorList inputs, double epsilon) {
    return Sample{
        .name = name,
        .inputs = std::move(inputs),
        .run = [=](const TensorList& in) { return TensorList{rms_norm(in[0], input(in, 1), epsilon)}; },
        .reference =
            [=](const TensorList& in) { return TensorList{rms_norm_reference(in[0], input(in, 1), epsilon)}; }};
  };
  return {sample("plain", {make.normal({3, 5})}, 1e-6),
          sample("weight", {make.normal({4, 6}), make.normal({6})}, 1e-6),
          sample("longer than a vector", {make.normal({3, 37}), make.normal({37})}, 1e-6),
          sample("three dimensions, large epsilon", {make.normal({2, 3, 4}), make.normal({4})}, 0.5),
          sample("one dimension", {make.normal({7}), make.normal({7})}, 1e-6),
          sample("no rows", {make.normal({0, 4}), make.normal({4})}, 1e-6)};
}

std::vector<ErrorSample> layer_norm_errors() {
  return {{"no axis", [] { layer_norm(scalar(1.0)); }, ErrorKind::shape, "layer_norm: the input"},
          {"weight of another size",
           [] {
             layer_norm(zeros({2, 3}), zeros({2}));
           },
           ErrorKind::shape, "layer_norm: weight"},
          {"bias of another rank",
           [] {
             layer_norm(zeros({2, 3}), {}, zeros({1, 3}));
           },
           ErrorKind::shape, "layer_norm: bias"},
          {"integers",
           [] {
             layer_norm(zeros({2, 3}, int64));
           },
           ErrorKind::dtype, "layer_norm: "},
          {"mixed dtypes",
           [] {
             layer_norm(zeros({2, 3}), zeros({3}, float64));
           },
           ErrorKind::dtype, "layer_norm: weight"},
          {"negative epsilon",
           [] {
             layer_norm(zeros({2, 3}), {}, {}, -1.0);
           },
           ErrorKind::argument, "layer_norm: epsilon"}};
}

std::vector<ErrorSample> rms_norm_errors() {
  return {{"no axis", [] { rms_norm(scalar(1.0)); }, ErrorKind::shape, "rms_norm: the input"},
          {"weight of another size",
           [] {
             rms_norm(zeros({2, 3}), zeros({2}));
           },
           ErrorKind::shape, "rms_norm: weight"},
          {"integers",
           [] {
             rms_norm(zeros({2, 3}, int64));
           },
           ErrorKind::dtype, "rms_norm: "},
          {"mixed dtypes",
           [] {
             rms_norm(zeros({2, 3}, float64), zeros({3}));
           },
           ErrorKind::dtype, "rms_norm: weight"},
          {"negative epsilon",
           [] {
             rms_norm(zeros({2, 3}), {}, -1.0);
           },
           ErrorKind::argument, "rms_norm: epsilon"}};
}

}  // namespace

SampleList norm_samples() {
  return {{"layer_norm", samples_of_layer_norm, layer_norm_errors}, {"rms_norm", samples_of_rms_norm, rms_norm_errors}};
}

}  // namespace samples
