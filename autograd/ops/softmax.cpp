#include "saw/autograd/ops/softmax.h"

#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/softmax.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

/// x − max, with the maximum taken as 0 where it is not finite.
Tensor shifted(const Tensor& x, std::int64_t axis) {
  const Tensor maximum = amax(x.detach(), {axis}, true);
  return x - masked_fill(maximum, logical_not(isfinite(maximum)), 0.0);
}

Tensor softmax_reference(const Tensor& x, std::int64_t axis) {
  if (x.numel() == 0) return affine(x, 1.0, 0.0);
  const Tensor e = exp(shifted(x, axis));
  const Tensor total = sum(e, {axis}, true);
  return e / masked_fill(total, equal(total, 0.0), 1.0);
}

Tensor log_softmax_reference(const Tensor& x, std::int64_t axis) {
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
  return {sample("last axis", make.normal({3, 5}), -1),
          sample("longer than a vector", make.normal({2, 37}), 1),
          sample("leading axis", make.normal({4, 3}), 0),
          sample("middle axis", make.normal({2, 5, 3}), 1),
          sample("one element", make.normal({3, 1}), -1),
          sample("one dimension", make.normal({6}), 0),
          sample("large numbers", make.uniform({3, 4}, 200.0, 204.0), -1),
          sample("no rows", make.normal({0, 4}), -1),
          sample("no columns", make.normal({3, 0}), -1)};
}

std::vector<ErrorSample> errors_of(const std::string& name, Function op) {
  return {{"axis out of range",
           [=] {
             op(zeros({2, 3}), 2);
           },
           ErrorKind::argument, name + ": axis"},
          {"no axis at all", [=] { op(scalar(1.0), -1); }, ErrorKind::argument, name + ": axis"},
          {"integers",
           [=] {
             op(zeros({2, 3}, int64), -1);
           },
           ErrorKind::dtype, name + ": "}};
}

std::vector<Sample> softmax_samples(SampleMaker& make) {
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
std::vector<Sample> log_softmax_samples(SampleMaker& make) {
  return samples_of(log_softmax, log_softmax_reference, make);
}
std::vector<ErrorSample> softmax_errors() { return errors_of("softmax", softmax); }
std::vector<ErrorSample> log_softmax_errors() { return errors_of("log_softmax", log_softmax); }

const OpInfo softmax_info{"softmax", "exp(x) / Σ exp(x)", true, softmax_samples, softmax_errors};
const OpInfo log_softmax_info{"log_softmax", "x − log Σ exp(x)", true, log_softmax_samples, log_softmax_errors};

/// Rows of the last axis, as kernels want them.
std::int64_t rows_of(const Tensor& x) { return x.numel() == 0 ? 0 : x.numel() / x.shape().back(); }

/// Both ops: `forward` maps x to y, `backward` maps y and dy to dx, over contiguous rows; `recorded_backward` does the
/// same in recorded ops.
template <class Forward, class Backward, class Recorded>
Tensor over_last_axis(const OpInfo& info, const Tensor& x, const Forward& forward, const Backward& backward,
                      const Recorded& recorded_backward) {
  const Tensor y = dispatch_floating(info.name, x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor input = x.contiguous();
    Tensor output = Tensor::empty(x.shape(), x.dtype());
    if (rows_of(x) > 0) forward(input.data<T>(), rows_of(x), x.shape().back(), output.mutable_data<T>());
    return output;
  });
  return record(info, {x}, y, [&] {
    Gradient gradient;
    gradient.saved = {y};
    gradient.backward = [&info, backward](const BackwardContext& context) -> TensorList {
      const Tensor output = context.saved(0);
      const Tensor dy = context.grad_output().contiguous();
      Tensor dx = Tensor::empty(output.shape(), output.dtype());
      if (rows_of(output) == 0) return {dx};
      dispatch_floating(info.name, output.dtype(), [&]<class T>() {
        backward(output.data<T>(), dy.data<T>(), rows_of(output), output.shape().back(), dx.mutable_data<T>());
      });
      return {dx};
    };
    gradient.recorded_backward = [recorded_backward](const BackwardContext& context) -> TensorList {
      return {recorded_backward(context.saved(0), context.grad_output())};
    };
    return gradient;
  });
}

/// Kernels run over the last axis; another one changes places with it.
bool is_last(std::size_t axis, const Tensor& x) { return axis + 1 == x.rank(); }

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  const std::size_t a = normalize_axis("softmax", axis, x.rank());
  if (!is_last(a, x)) return softmax(x.transpose(axis, -1), -1).transpose(axis, -1);
  return over_last_axis(
      softmax_info, x, [](auto... arguments) { kernels::softmax_forward(arguments...); },
      [](auto... arguments) { kernels::softmax_backward(arguments...); },
      [](const Tensor& y, const Tensor& dy) { return y * (dy - sum(y * dy, {-1}, true)); });
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  const std::size_t a = normalize_axis("log_softmax", axis, x.rank());
  if (!is_last(a, x)) return log_softmax(x.transpose(axis, -1), -1).transpose(axis, -1);
  return over_last_axis(
      log_softmax_info, x, [](auto... arguments) { kernels::log_softmax_forward(arguments...); },
      [](auto... arguments) { kernels::log_softmax_backward(arguments...); },
      [](const Tensor& y, const Tensor& dy) { return dy - exp(y) * sum(dy, {-1}, true); });
}

OpList softmax_ops() { return {&softmax_info, &log_softmax_info}; }

}  // namespace saw
