#include "saw/autograd/ops/depthwise_conv.h"

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

const OpInfo depthwise_conv1d_info{
    "depthwise_conv1d", "y[u, c] = Σₖ W[c, 0, k] x[u·stride + k·dilation − padding, c] + b[c] in each segment", true};

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
    const auto gradients = [geometry, has_bias](const BackwardContext& context) {
      return depthwise_conv1d_backward(context, geometry, has_bias);
    };
    const auto reference = [geometry](const TensorList& in) {
      return TensorList{depthwise_conv1d_reference(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), geometry)};
    };
    return Gradient::with_reference({x, weight}, gradients, reference);
  });
}

OpList depthwise_conv_ops() { return {&depthwise_conv1d_info}; }

}  // namespace saw
