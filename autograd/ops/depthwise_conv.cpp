#include "saw/autograd/ops/depthwise_conv.h"

#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/depthwise_conv.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/conv_geometry.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

/// The windows of x (N', kernel, C), gathered from x with a row of zeros behind it; times the weight, summed over taps.
Tensor depthwise_conv1d_reference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  const ConvGeometry& geometry) {
  const std::int64_t channels = x.size(1);
  const Tensor source = cat({x, zeros({1, channels}, x.dtype())}, 0);
  const Tensor windows = reshape(index_select(source, 0, tensor(conv_window_rows(geometry))),
                                 {geometry.out.rows(), geometry.kernel, channels});
  const Tensor taps = transpose(reshape(weight, {channels, geometry.kernel}), 0, 1);
  const Tensor y = sum(windows * taps, {1});
  return bias.defined() ? y + bias : y;
}

kernels::DepthwiseConv kernel_of(const ConvGeometry& geometry, std::int64_t channels) {
  return {geometry.in.offsets(), geometry.out.offsets(), channels,        geometry.kernel,
          geometry.stride,       geometry.dilation,      geometry.padding};
}

/// Gradients of (x, weight[, bias]).
TensorList depthwise_conv1d_backward(const BackwardContext& context, const ConvGeometry& geometry, bool has_bias) {
  const Tensor x = context.saved(0).contiguous(), weight = context.saved(1).contiguous();
  const Tensor grad_output = context.grad_output().contiguous();
  const kernels::DepthwiseConv convolution = kernel_of(geometry, x.size(1));
  TensorList gradients(has_bias ? 3 : 2);
  dispatch_floating("depthwise_conv1d", x.dtype(), [&]<class T>() {
    if (context.needs_grad(0)) {
      gradients[0] = Tensor::empty(x.shape(), x.dtype());
      kernels::depthwise_conv_input_gradient(convolution, grad_output.data<T>(), weight.data<T>(),
                                             gradients[0].mutable_data<T>());
    }
    if (context.needs_grad(1)) {
      gradients[1] = Tensor::empty(weight.shape(), x.dtype());
      kernels::depthwise_conv_weight_gradient(convolution, x.data<T>(), grad_output.data<T>(),
                                              gradients[1].mutable_data<T>());
    }
  });
  if (has_bias && context.needs_grad(2)) gradients[2] = sum(grad_output, {0});
  return gradients;
}

// ---- registry ----

std::vector<Sample> depthwise_conv1d_samples(SampleMaker& make) {
  struct Case {
    std::string name;
    Segments segments;
    std::int64_t channels, kernel;
    bool bias = true;
    Conv1dOptions options = {};
  };
  const Segments ragged = Segments::from_lengths({4, 0, 1, 6, 2});
  const std::vector<Case> cases = {
      {"same length", ragged, 3, 3},
      {"even kernel, no bias", ragged, 2, 4, false},
      {"kernel 1", ragged, 2, 1},
      {"causal padding", ragged, 3, 3, true, {.padding_right = 0}},
      {"looking ahead", ragged, 2, 3, true, {.padding_left = 0}},
      {"no padding, kernel longer than some sequences", ragged, 2, 3, true, {.padding_left = 0, .padding_right = 0}},
      {"no output", ragged, 2, 8, true, {.padding_left = 0, .padding_right = 0}},
      {"stride 2", ragged, 3, 3, true, {.stride = 2}},
      {"stride beyond the kernel", ragged, 2, 2, true, {.stride = 3, .padding_left = 1, .padding_right = 1}},
      {"stride 4", Segments::from_lengths({9, 5}), 2, 6, false, {.stride = 4, .padding_left = 1, .padding_right = 2}},
      {"dilation", ragged, 3, 3, true, {.dilation = 2}},
      {"dilation beyond the rows", ragged, 2, 3, true, {.dilation = 70}},
      {"dilation and stride", ragged, 2, 3, true, {.stride = 2, .dilation = 3, .padding_left = 4, .padding_right = 3}},
      {"dilation and stride with a common factor", ragged, 2, 3, true, {.stride = 4, .dilation = 2}},
      {"much padding", ragged, 2, 2, true, {.padding_left = 5, .padding_right = 4}},
      {"more channels than a vector holds", Segments::from_lengths({3, 2}), 19, 5},
      {"one channel", Segments::single(5), 1, 5},
      {"no channels", Segments::single(3), 0, 3},
      {"no rows", Segments::from_lengths({0, 0}), 3, 3},
      {"no segments", Segments(), 3, 3},
  };
  std::vector<Sample> samples;
  for (const Case& c : cases) {
    TensorList inputs = {make.normal({c.segments.rows(), c.channels}), make.normal({c.channels, 1, c.kernel})};
    if (c.bias) inputs.push_back(make.normal({c.channels}));
    const auto bias = [](const TensorList& in) { return in.size() > 2 ? in[2] : Tensor(); };
    samples.push_back({.name = c.name,
                       .inputs = std::move(inputs),
                       .run =
                           [c, bias](const TensorList& in) {
                             return TensorList{depthwise_conv1d(in[0], c.segments, in[1], bias(in), c.options)};
                           },
                       .reference =
                           [c, bias](const TensorList& in) {
                             return TensorList{depthwise_conv1d_reference(
                                 in[0], in[1], bias(in), make_conv_geometry(c.segments, c.kernel, c.options))};
                           }});
  }
  return samples;
}

std::vector<ErrorSample> depthwise_conv1d_errors() {
  const auto call = [](const Tensor& x, const Tensor& weight, const Tensor& bias, Conv1dOptions options = {}) {
    return [=] { depthwise_conv1d(x, Segments::from_lengths({1, 2}), weight, bias, options); };
  };
  const Tensor x = zeros({3, 2}), weight = zeros({2, 1, 3}), none;
  return {
      {"rank of x", call(zeros({3}), weight, none), ErrorKind::shape, "depthwise_conv1d: x has the wrong rank"},
      {"rank of the weight", call(x, zeros({2, 3}), none), ErrorKind::shape, "expected (channels, 1, kernel)"},
      {"integers", call(zeros({3, 2}, int64), weight, none), ErrorKind::dtype, "needs floating point"},
      {"mixed dtypes", call(x, zeros({2, 1, 3}, float64), none), ErrorKind::dtype, "got float32 and float64"},
      {"channels", call(zeros({3, 5}), weight, none), ErrorKind::shape, "x (3, 5) and weight (2, 1, 3)"},
      {"several channels in", call(x, zeros({2, 2, 3}), none), ErrorKind::shape, "x (3, 2) and weight (2, 2, 3)"},
      {"rows", call(zeros({4, 2}), weight, none), ErrorKind::shape, "rows do not fit the segments"},
      {"bias", call(x, weight, zeros({3})), ErrorKind::shape, "bias does not fit; got (3,); expected (2,)"},
      {"bias's dtype", call(x, weight, zeros({2}, float64)), ErrorKind::dtype, "bias has another dtype"},
      {"kernel", call(x, zeros({2, 1, 0}), none), ErrorKind::argument, "kernel has no taps"},
      {"stride", call(x, weight, none, {.stride = 0}), ErrorKind::argument, "stride is not positive; got 0"},
      {"dilation", call(x, weight, none, {.dilation = -2}), ErrorKind::argument, "dilation is not positive; got -2"},
      {"padding", call(x, weight, none, {.padding_left = -2}), ErrorKind::argument, "padding is negative; got -2"},
  };
}

const OpInfo depthwise_conv1d_info{
    "depthwise_conv1d", "y[u, c] = Σₖ W[c, 0, k] x[u·stride + k·dilation − padding, c] + b[c] in each segment", true,
    depthwise_conv1d_samples, depthwise_conv1d_errors};

}  // namespace

Tensor depthwise_conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                        const Conv1dOptions& options) {
  check_conv_operands("depthwise_conv1d", x, segments, weight, bias, "(channels, 1, kernel)");
  const std::int64_t channels = weight.size(0), kernel = weight.size(2);
  if (x.size(1) != channels || weight.size(1) != 1)
    fail(ErrorKind::shape,
         "depthwise_conv1d: channels differ; got x {} and weight {}; expected (rows, channels) and "
         "(channels, 1, kernel)",
         x.shape(), weight.shape());
  check_conv_options("depthwise_conv1d", kernel, options);
  const ConvGeometry geometry = make_conv_geometry(segments, kernel, options);
  const Tensor y = Tensor::empty({geometry.out.rows(), channels}, x.dtype());
  const Tensor rows = x.detach().contiguous(), taps = weight.detach().contiguous(),
               offset = bias.defined() ? bias.detach().contiguous() : Tensor();
  dispatch_floating("depthwise_conv1d", x.dtype(), [&]<class T>() {
    kernels::depthwise_conv(kernel_of(geometry, channels), rows.data<T>(), taps.data<T>(),
                            offset.defined() ? offset.data<T>() : nullptr, y.mutable_data<T>());
  });
  const bool has_bias = bias.defined();
  TensorList inputs = {x, weight};
  if (has_bias) inputs.push_back(bias);
  return record(depthwise_conv1d_info, inputs, y, [&] {
    return Gradient{
        .saved = {x, weight},
        .backward =
            [geometry, has_bias](const BackwardContext& context) {
              return depthwise_conv1d_backward(context, geometry, has_bias);
            },
        .reference =
            [geometry](const TensorList& in) {
              return TensorList{depthwise_conv1d_reference(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), geometry)};
            }};
  });
}

OpList depthwise_conv_ops() { return {&depthwise_conv1d_info}; }

}  // namespace saw
