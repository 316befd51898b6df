#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor group_norm_reference(const Tensor& x, const Segments& segments, std::int64_t groups, const Tensor& weight,
                            const Tensor& bias, double epsilon) {
  const auto set_of = [&](std::int64_t row, std::int64_t column) {
    std::int64_t segment = 0;
    while (row >= segments.end(segment)) ++segment;
    return segment * groups + column / (x.size(1) / groups);
  };
  return naive_norm(x, weight, bias, {.set_of = set_of, .epsilon = epsilon});
}

std::vector<Sample> samples_of_group_norm(SampleMaker& make) {
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

}  // namespace

SampleList group_norm_samples() { return {{"group_norm", samples_of_group_norm, group_norm_errors}}; }

}  // namespace samples
