#include "saw/autograd/ops/conv.h"

#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/conv.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/conv_geometry.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- reference ----

/// The windows of x as rows (N', kernel·in), gathered from x with a row of zeros behind it; times the weight.
Tensor conv1d_reference(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry) {
  const std::int64_t in = x.size(1), out = weight.size(0);
  const Tensor source = cat({x, zeros({1, in}, x.dtype())}, 0);
  const Tensor windows = reshape(index_select(source, 0, tensor(conv_window_rows(geometry))),
                                 {geometry.out.rows(), geometry.kernel * in});  // (N', kernel·in)
  const Tensor matrix = reshape(permute(weight, {2, 1, 0}), {geometry.kernel * in, out});
  const Tensor y = matmul(windows, matrix);
  return bias.defined() ? y + bias : y;
}

// ---- kernels ----

kernels::Windows forward_windows(const ConvGeometry& geometry, std::int64_t channels) {
  const std::span<const std::int64_t> offsets = geometry.out.offsets();
  kernels::Windows windows{.offsets = {offsets.begin(), offsets.end()},
                           .source_offsets = geometry.in.offsets(),
                           .step = geometry.stride,
                           .shifts = {},
                           .channels = channels};
  for (std::int64_t tap = 0; tap < geometry.kernel; ++tap)
    windows.shifts.push_back(tap * geometry.dilation - geometry.padding);
  return windows;
}

/// The gradient of x is a convolution of the gradient of y, once per remainder r of positions by the stride: the
/// positions r, r + stride, … of a segment receive from the same taps.
template <class T>
void input_gradient(const ConvGeometry& geometry, const T* grad_output, const T* weight, std::int64_t out,
                    std::int64_t in, T* result) {
  const std::int64_t kernel = geometry.kernel, stride = geometry.stride;
  for (std::int64_t r = 0; r < stride; ++r) {
    kernels::Windows windows{
        .offsets = {0}, .source_offsets = geometry.out.offsets(), .step = 1, .shifts = {}, .channels = out};
    for (std::int64_t s = 0; s < geometry.in.count(); ++s) {
      const std::int64_t length = geometry.in.length(s);
      windows.offsets.push_back(windows.offsets.back() + (length > r ? (length - 1 - r) / stride + 1 : 0));
    }
    std::vector<std::int64_t> taps;
    for (std::int64_t tap = kernel; tap-- > 0;) {
      const std::int64_t distance = r + geometry.padding - tap * geometry.dilation;
      if (distance % stride != 0) continue;
      taps.push_back(tap);
      windows.shifts.push_back(distance / stride);
    }
    Scratch<T> matrix(taps.size() * static_cast<std::size_t>(out * in) + 1);  // (taps · out, in)
    parallel_for(0, static_cast<std::int64_t>(taps.size()) * out, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T* from = weight + row % out * in * kernel + taps[static_cast<std::size_t>(row / out)];
        T* to = matrix.data() + row * in;
        for (std::int64_t c = 0; c < in; ++c) to[c] = from[c * kernel];
      }
    });
    kernels::multiply_windows<T>(windows, grad_output, matrix.data(), in, nullptr, result,
                                 {geometry.in.offsets(), r, stride});
  }
}

/// Gradients of (x, weight[, bias]).
TensorList conv1d_backward(const BackwardContext& context, const ConvGeometry& geometry, bool has_bias) {
  const Tensor x = context.saved(0).contiguous(), weight = context.saved(1).contiguous();
  const Tensor grad_output = context.grad_output().contiguous();
  const std::int64_t in = x.size(1), out = weight.size(0);
  TensorList gradients(has_bias ? 3 : 2);
  dispatch_floating("conv1d", x.dtype(), [&]<class T>() {
    if (context.needs_grad(0)) {
      gradients[0] = Tensor::empty(x.shape(), x.dtype());
      input_gradient(geometry, grad_output.data<T>(), weight.data<T>(), out, in, gradients[0].mutable_data<T>());
    }
    if (context.needs_grad(1)) {
      const Tensor by_tap = Tensor::empty({out, geometry.kernel, in}, x.dtype());
      kernels::multiply_transposed_windows(forward_windows(geometry, in), x.data<T>(), grad_output.data<T>(), out,
                                           by_tap.mutable_data<T>());
      gradients[1] = transpose(by_tap, 1, 2).contiguous();
    }
  });
  if (has_bias && context.needs_grad(2)) gradients[2] = sum(grad_output, {0});
  return gradients;
}

const OpInfo conv1d_info{"conv1d", "y[u] = Σₖ W[:, :, k] x[u·stride + k·dilation − padding] + b in each segment", true};

}  // namespace

Tensor conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
              const Conv1dOptions& options) {
  check_conv_operands("conv1d", x, segments, weight, bias, "(out, in, kernel)");
  if (x.size(1) != weight.size(1))
    fail(ErrorKind::shape, "conv1d: channels differ; got x {} and weight {}; expected (rows, in) and (out, in, kernel)",
         x.shape(), weight.shape());
  const std::int64_t out = weight.size(0), in = weight.size(1), kernel = weight.size(2);
  check_conv_options("conv1d", kernel, options);
  const ConvGeometry geometry = make_conv_geometry(segments, kernel, options);
  const Tensor y = Tensor::empty({geometry.out.rows(), out}, x.dtype());
  const Tensor rows = x.detach().contiguous(), taps = weight.detach().contiguous(),
               offset = bias.defined() ? bias.detach().contiguous() : Tensor();
  dispatch_floating("conv1d", x.dtype(), [&]<class T>() {
    Scratch<T> matrix(static_cast<std::size_t>(weight.numel()) + 1);  // (kernel · in, out)
    kernels::matrix_of_weight(taps.data<T>(), out, in, kernel, matrix.data());
    kernels::multiply_windows<T>(forward_windows(geometry, in), rows.data<T>(), matrix.data(), out,
                                 offset.defined() ? offset.data<T>() : nullptr, y.mutable_data<T>(),
                                 {geometry.out.offsets(), 0, 1});
  });
  const bool has_bias = bias.defined();
  TensorList inputs = {x, weight};
  if (has_bias) inputs.push_back(bias);
  return record(conv1d_info, inputs, y, [&] {
    const auto gradients = [geometry, has_bias](const BackwardContext& context) {
      return conv1d_backward(context, geometry, has_bias);
    };
    const auto reference = [geometry](const TensorList& operands) {
      return TensorList{
          conv1d_reference(operands[0], operands[1], operands.size() > 2 ? operands[2] : Tensor(), geometry)};
    };
    return Gradient::with_reference({x, weight}, gradients, reference);
  });
}

OpList conv_ops() { return {&conv1d_info}; }

}  // namespace saw
