#include <cmath>
#include <limits>
#include <numbers>

#include "samples/families.h"
#include "samples/pointwise.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor glu_reference(const Tensor& x) {
  const std::int64_t width = x.size(-1);
  return slice(x, -1, 0, width / 2) * sigmoid(slice(x, -1, width / 2, width));
}

std::vector<Sample> samples_of_glu(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [](const TensorList& in) { return TensorList{glu(in[0])}; },
                  .reference = [](const TensorList& in) { return TensorList{glu_reference(in[0])}; }};
  };
  return {sample("rows", make.normal({3, 8})),
          sample("one axis", make.normal({6})),
          sample("three axes, longer than a vector", make.normal({2, 3, 38})),
          sample("gates open and shut", make.uniform({2, 20}, -30.0, 30.0)),
          sample("one channel", make.normal({4, 2})),
          sample("no rows", make.normal({0, 4})),
          sample("no channels", make.normal({3, 0}))};
}

std::vector<ErrorSample> glu_errors() {
  return {{"no axis", [] { glu(scalar(1.0)); }, ErrorKind::shape, "glu: the input has no axis to halve"},
          {"odd",
           [] {
             glu(zeros({2, 3}));
           },
           ErrorKind::shape, "glu: the last axis has no halves; got shape (2, 3)"},
          {"integers",
           [] {
             glu(zeros({2, 4}, int64));
           },
           ErrorKind::dtype, "glu: needs floating point"}};
}

Tensor swiglu_reference(const Tensor& x) {
  const std::int64_t width = x.size(-1);
  const Tensor gate = slice(x, -1, 0, width / 2);
  return gate / (exp(-gate) + 1.0) * slice(x, -1, width / 2, width);
}

std::vector<Sample> samples_of_swiglu(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [](const TensorList& in) { return TensorList{swiglu(in[0])}; },
                  .reference = [](const TensorList& in) { return TensorList{swiglu_reference(in[0])}; }};
  };
  return {sample("rows", make.normal({3, 8})),
          sample("one axis", make.normal({6})),
          sample("three axes, longer than a vector", make.normal({2, 3, 38})),
          sample("gates open and shut", make.uniform({2, 20}, -30.0, 30.0)),
          sample("one channel", make.normal({4, 2})),
          sample("no rows", make.normal({0, 4})),
          sample("no channels", make.normal({3, 0}))};
}

std::vector<ErrorSample> swiglu_errors() {
  return {{"no axis", [] { swiglu(scalar(1.0)); }, ErrorKind::shape, "swiglu: the input has no axis to halve"},
          {"odd",
           [] {
             swiglu(zeros({2, 3}));
           },
           ErrorKind::shape, "swiglu: the last axis has no halves; got shape (2, 3)"},
          {"integers",
           [] {
             swiglu(zeros({2, 4}, int64));
           },
           ErrorKind::dtype, "swiglu: needs floating point"}};
}

}  // namespace

SampleList glu_samples() { return {{"glu", samples_of_glu, glu_errors}, {"swiglu", samples_of_swiglu, swiglu_errors}}; }

}  // namespace samples
