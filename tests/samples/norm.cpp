#include <algorithm>
#include <cmath>
#include <map>
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

/// The unit vectors of a matrix' rows, or its columns, in double.
Tensor naive_unit(const Tensor& x, double p, bool columns, double epsilon) {
  std::vector<double> values = doubles_of(x);
  const auto width = static_cast<std::size_t>(x.size(1));
  std::map<std::size_t, double> lengths;
  for (std::size_t i = 0; i < values.size(); ++i)
    lengths[columns ? i % width : i / width] += std::pow(std::abs(values[i]), p);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] /= std::max(std::pow(lengths[columns ? i % width : i / width], 1 / p), epsilon);
  return from_doubles(values, x.shape(), x.dtype());
}

std::vector<Sample> samples_of_normalize(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, double p, std::int64_t axis, double epsilon) {
    return Sample{
        .name = name,
        .inputs = {x},
        .run = [=](const TensorList& in) { return TensorList{normalize(in[0], p, axis, epsilon)}; },
        .reference = [=](const TensorList& in) { return TensorList{naive_unit(in[0], p, axis == 0, epsilon)}; }};
  };
  return {sample("rows", make.normal({4, 5}), 2.0, 1, 1e-12), sample("columns", make.normal({4, 5}), 2.0, 0, 1e-12),
          sample("third powers", make.away_from({3, 4}, {0.0}), 3.0, -1, 1e-12),
          sample("shorter than epsilon", make.uniform({3, 4}, 0.1, 0.2), 2.0, 1, 3.0),
          sample("no rows", make.normal({0, 4}), 2.0, 1, 1e-12)};
}

std::vector<Sample> samples_of_cosine_similarity(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& a, const Tensor& b, std::int64_t axis) {
    return Sample{
        .name = name,
        .inputs = {a, b},
        .run = [=](const TensorList& in) { return TensorList{cosine_similarity(in[0], in[1], axis)}; },
        .reference =
            [=](const TensorList& in) {
              const NoGradGuard no_grad;
              const std::int64_t rows = std::max(in[0].size(0), in[1].size(0));
              const Tensor left = expand(in[0], {rows, in[0].size(1)}), right = expand(in[1], {rows, in[0].size(1)});
              const bool columns = axis == 0;
              const std::vector<double> u = doubles_of(naive_unit(to(left, float64), 2, columns, 1e-8)),
                                        v = doubles_of(naive_unit(to(right, float64), 2, columns, 1e-8));
              std::vector<double> sums(static_cast<std::size_t>(columns ? left.size(1) : rows), 0.0);
              const auto width = static_cast<std::size_t>(left.size(1));
              for (std::size_t i = 0; i < u.size(); ++i) sums[columns ? i % width : i / width] += u[i] * v[i];
              return TensorList{from_doubles(sums, {columns ? left.size(1) : rows}, in[0].dtype())};
            }};
  };
  return {sample("rows", make.normal({4, 5}), make.normal({4, 5}), 1),
          sample("columns", make.normal({4, 5}), make.normal({4, 5}), 0),
          sample("one beside many", make.normal({1, 5}), make.normal({4, 5}), -1)};
}

std::vector<ErrorSample> normalize_errors() {
  return {{"axis", [] { normalize(zeros({3})); }, ErrorKind::argument, "normalize: axis"},
          {"epsilon",
           [] {
             normalize(zeros({2, 3}), 2.0, 1, -1.0);
           },
           ErrorKind::argument, "normalize: epsilon"}};
}

std::vector<ErrorSample> cosine_similarity_errors() {
  return {{"shapes",
           [] {
             cosine_similarity(zeros({2, 3}), zeros({2, 4}));
           },
           ErrorKind::shape, "cosine_similarity: "},
          {"axis",
           [] {
             cosine_similarity(zeros({2, 3}), zeros({2, 3}), 2);
           },
           ErrorKind::argument, "cosine_similarity: axis"}};
}

}  // namespace

SampleList norm_samples() {
  return {{"layer_norm", samples_of_layer_norm, layer_norm_errors},
          {"rms_norm", samples_of_rms_norm, rms_norm_errors},
          {"normalize", samples_of_normalize, normalize_errors},
          {"cosine_similarity", samples_of_cosine_similarity, cosine_similarity_errors}};
}

}  // namespace samples
