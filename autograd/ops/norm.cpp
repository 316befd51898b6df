#include "saw/autograd/ops/norm.h"

#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/norm.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/optional_data.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

Tensor layer_norm_reference(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  const Tensor shifted = x - x.detach().slice(-1, 0, 1);  // a common offset would cost the mean its last digits
  const Tensor centred = shifted - mean(shifted, {-1}, true);
  Tensor y = centred * rsqrt(mean(square(centred), {-1}, true) + epsilon);
  if (weight.defined()) y = y * weight;
  if (bias.defined()) y = y + bias;
  return y;
}

Tensor rms_norm_reference(const Tensor& x, const Tensor& weight, double epsilon) {
  const Tensor y = x * rsqrt(mean(square(x), {-1}, true) + epsilon);
  return weight.defined() ? y * weight : y;
}

// ---- samples ----

Tensor input(const TensorList& in, std::size_t position) { return position < in.size() ? in[position] : Tensor(); }

std::vector<Sample> layer_norm_samples(SampleMaker& make) {
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

std::vector<Sample> rms_norm_samples(SampleMaker& make) {
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

const OpInfo layer_norm_info{"layer_norm", "(x − mean) / √(var + ε) · weight + bias", true, layer_norm_samples,
                             layer_norm_errors};
const OpInfo rms_norm_info{"rms_norm", "x / √(mean(x²) + ε) · weight", true, rms_norm_samples, rms_norm_errors};

// ---- both ----

void check_parameter(const char* op, const char* name, const Tensor& parameter, const Tensor& x) {
  if (!parameter.defined()) return;
  if (parameter.dtype() != x.dtype())
    fail(ErrorKind::dtype, "{}: {} and input have different dtypes; got {} and {}", op, name, parameter.dtype(),
         x.dtype());
  if (parameter.shape() != Shape{x.shape().back()})
    fail(ErrorKind::shape, "{}: {} does not fit the input's last axis; got {} for input {}; expected {}", op, name,
         parameter.shape(), x.shape(), Shape{x.shape().back()});
}

void check_input(const char* op, const Tensor& x, double epsilon) {
  if (x.rank() == 0)
    fail(ErrorKind::shape, "{}: the input has no axis to normalise; got shape {}; expected (…, d)", op, x.shape());
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "{}: needs floating point elements; got {}; expected float32 or float64", op, x.dtype());
  if (!(epsilon >= 0))
    fail(ErrorKind::argument, "{}: epsilon must not be negative; got {}; expected a small positive number", op,
         epsilon);
}

struct Size {
  std::int64_t rows, columns;
};
Size size_of_rows(const Tensor& x) {
  const std::int64_t columns = x.shape().back();
  return {columns == 0 ? 0 : x.numel() / columns, columns};
}

Tensor contiguous_or_undefined(const Tensor& x) { return x.defined() ? x.contiguous() : x; }

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_input("layer_norm", x, epsilon);
  check_parameter("layer_norm", "weight", weight, x);
  check_parameter("layer_norm", "bias", bias, x);
  const Size size = size_of_rows(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Tensor means = Tensor::empty({size.rows}, x.dtype()), rstds = Tensor::empty({size.rows}, x.dtype());
  dispatch_floating("layer_norm", x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor rows = x.contiguous(), w = contiguous_or_undefined(weight), b = contiguous_or_undefined(bias);
    kernels::layer_norm_forward(rows.data<T>(), data_or_null<T>(w), data_or_null<T>(b), size.rows, size.columns,
                                epsilon, y.mutable_data<T>(), means.mutable_data<T>(), rstds.mutable_data<T>());
  });
  return record(layer_norm_info, {x, weight, bias}, y, [&] {
    Gradient gradient;
    gradient.saved = {x, means, rstds};
    if (weight.defined()) gradient.saved.push_back(weight);
    gradient.backward = [has_weight = weight.defined(), size](const BackwardContext& context) -> TensorList {
      const Tensor rows = context.saved(0).contiguous(), mean = context.saved(1), rstd = context.saved(2);
      const Tensor w = has_weight ? context.saved(3).contiguous() : Tensor();
      const Tensor dy = context.grad_output().contiguous();
      const auto wanted = [&](std::size_t i, const Shape& shape) {
        return context.needs_grad(i) ? Tensor::empty(shape, rows.dtype()) : Tensor();
      };
      const Tensor dx = wanted(0, rows.shape()), dw = wanted(1, {size.columns}), db = wanted(2, {size.columns});
      dispatch_floating("layer_norm", rows.dtype(), [&]<class T>() {
        kernels::layer_norm_backward(rows.data<T>(), data_or_null<T>(w), mean.data<T>(), rstd.data<T>(), dy.data<T>(),
                                     size.rows, size.columns, mutable_data_or_null<T>(dx), mutable_data_or_null<T>(dw),
                                     mutable_data_or_null<T>(db));
      });
      return {dx, dw, db};
    };
    gradient.reference = [epsilon](const TensorList& in) {
      return TensorList{layer_norm_reference(in[0], in[1], in[2], epsilon)};
    };
    return gradient;
  });
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon) {
  check_input("rms_norm", x, epsilon);
  check_parameter("rms_norm", "weight", weight, x);
  const Size size = size_of_rows(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Tensor rstds = Tensor::empty({size.rows}, x.dtype());
  dispatch_floating("rms_norm", x.dtype(), [&]<class T>() {
    const NoGradGuard no_grad;
    const Tensor rows = x.contiguous(), w = contiguous_or_undefined(weight);
    kernels::rms_norm_forward(rows.data<T>(), data_or_null<T>(w), size.rows, size.columns, epsilon, y.mutable_data<T>(),
                              rstds.mutable_data<T>());
  });
  return record(rms_norm_info, {x, weight}, y, [&] {
    Gradient gradient;
    gradient.saved = {x, rstds};
    if (weight.defined()) gradient.saved.push_back(weight);
    gradient.backward = [has_weight = weight.defined(), size](const BackwardContext& context) -> TensorList {
      const Tensor rows = context.saved(0).contiguous(), rstd = context.saved(1);
      const Tensor w = has_weight ? context.saved(2).contiguous() : Tensor();
      const Tensor dy = context.grad_output().contiguous();
      const Tensor dx = context.needs_grad(0) ? Tensor::empty(rows.shape(), rows.dtype()) : Tensor();
      const Tensor dw = context.needs_grad(1) ? Tensor::empty({size.columns}, rows.dtype()) : Tensor();
      dispatch_floating("rms_norm", rows.dtype(), [&]<class T>() {
        kernels::rms_norm_backward(rows.data<T>(), data_or_null<T>(w), rstd.data<T>(), dy.data<T>(), size.rows,
                                   size.columns, mutable_data_or_null<T>(dx), mutable_data_or_null<T>(dw));
      });
      return {dx, dw};
    };
    gradient.reference = [epsilon](const TensorList& in) {
      return TensorList{rms_norm_reference(in[0], in[1], epsilon)};
    };
    return gradient;
  });
}

OpList norm_ops() { return {&layer_norm_info, &rms_norm_info}; }

}  // namespace saw
