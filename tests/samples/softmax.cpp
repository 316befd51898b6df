#include <limits>

#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// x − max, with the maximum taken as 0 where it is not finite.
Tensor shifted(const Tensor& x, std::int64_t axis) {
  const Tensor maximum = amax(x.detach(), {axis}, true);
  return x - masked_fill(maximum, logical_not(isfinite(maximum)), 0.0);
}

Tensor softmax_reference(const Tensor& x, std::int64_t axis) {
  if (x.rank() == 0) return x * 0.0 + 1.0;
  if (x.numel() == 0) return affine(x, 1.0, 0.0);
  const Tensor e = exp(shifted(x, axis));
  const Tensor total = sum(e, {axis}, true);
  return e / masked_fill(total, equal(total, 0.0), 1.0);
}

Tensor log_softmax_reference(const Tensor& x, std::int64_t axis) {
  if (x.rank() == 0) return x * 0.0;
  if (x.numel() == 0) return affine(x, 1.0, 0.0);
  const Tensor s = shifted(x, axis);
  return s - log(sum(exp(s), {axis}, true));
}

using Function = Tensor (*)(const Tensor& x, std::int64_t axis);

std::vector<Sample> samples_of(Function op, Function reference, SampleMaker& make) {
  const auto sample = [=](const char* name, const Tensor& x, std::int64_t axis) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{op(in[0], axis)}; },
                  .reference = [=](const TensorList& in) { return TensorList{reference(in[0], axis)}; }};
  };
  return {
      sample("last axis", make.normal({3, 5}), -1),   sample("longer than a vector", make.normal({2, 37}), 1),
      sample("leading axis", make.normal({4, 3}), 0), sample("middle axis", make.normal({2, 5, 3}), 1),
      sample("one element", make.normal({3, 1}), -1), sample("one dimension", make.normal({6}), 0),
      sample("a number", make.normal({}), -1),        sample("large numbers", make.uniform({3, 4}, 200.0, 204.0), -1),
      sample("no rows", make.normal({0, 4}), -1),     sample("no columns", make.normal({3, 0}), -1)};
}

std::vector<ErrorSample> errors_of(const std::string& name, Function op) {
  return {{"axis out of range",
           [=] {
             op(zeros({2, 3}), 2);
           },
           ErrorKind::argument, name + ": axis"},
          {"axis of a number", [=] { op(scalar(1.0), 1); }, ErrorKind::argument, name + ": axis"},
          {"integers",
           [=] {
             op(zeros({2, 3}, int64), -1);
           },
           ErrorKind::dtype, name + ": "}};
}

std::vector<Sample> samples_of_softmax(SampleMaker& make) {
  std::vector<Sample> samples = samples_of(softmax, softmax_reference, make);
  const Tensor x = make.normal({3, 4});
  x.select(0, 1).fill_(-std::numeric_limits<double>::infinity());
  x.slice(0, 2, 3).slice(1, 1, 3).fill_(-std::numeric_limits<double>::infinity());
  samples.push_back({.name = "minus infinity in part of a row and in all of one",
                     .inputs = {x},
                     .run = [](const TensorList& in) { return TensorList{softmax(in[0])}; },
                     .reference = [](const TensorList& in) { return TensorList{softmax_reference(in[0], -1)}; },
                     .constants = {0}});
  return samples;
}
std::vector<Sample> samples_of_log_softmax(SampleMaker& make) {
  return samples_of(log_softmax, log_softmax_reference, make);
}
std::vector<ErrorSample> softmax_errors() { return errors_of("softmax", softmax); }
std::vector<ErrorSample> log_softmax_errors() { return errors_of("log_softmax", log_softmax); }

}  // namespace

SampleList softmax_samples() {
  return {{"softmax", samples_of_softmax, softmax_errors}, {"log_softmax", samples_of_log_softmax, log_softmax_errors}};
}

}  // namespace samples
