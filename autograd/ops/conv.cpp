#include "saw/autograd/ops/conv.h"

#include <algorithm>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/conv.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/depthwise_conv.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/conv_geometry.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
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

/// Each group by itself, side by side.
Tensor grouped_conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                      const Conv1dOptions& options) {
  const std::int64_t groups = options.groups, out = weight.size(0);
  if (groups < 1 || out % groups != 0 || x.size(1) % groups != 0)
    fail(ErrorKind::argument, "conv1d: groups do not divide the channels; got {} groups for x {} and weight {}", groups,
         x.shape(), weight.shape());
  if (x.size(1) != weight.size(1) * groups)
    fail(ErrorKind::shape,
         "conv1d: channels differ; got x {} and weight {} in {} groups; expected (rows, in) and (out, in / groups, "
         "kernel)",
         x.shape(), weight.shape(), groups);
  Conv1dOptions each = options;
  each.groups = 1;
  if (groups == x.size(1) && groups == out) return depthwise_conv1d(x, segments, weight, bias, each);
  const auto part = [groups](const Tensor& values, std::int64_t axis, std::int64_t group) {
    const std::int64_t width = values.size(axis) / groups;
    return slice(values, axis, group * width, (group + 1) * width);
  };
  TensorList parts;
  for (std::int64_t g = 0; g < groups; ++g)
    parts.push_back(
        conv1d(part(x, 1, g), segments, part(weight, 0, g), bias.defined() ? part(bias, 0, g) : Tensor(), each));
  return cat(parts, 1);
}

const OpInfo conv_transpose1d_info{
    "conv_transpose1d", "y[t·stride + k·dilation − padding] += W[:, :, k]ᵀ x[t], + b, in each segment", true};

std::int64_t transposed_length(std::int64_t length, std::int64_t kernel, const ConvTranspose1dOptions& options) {
  if (length == 0) return 0;
  return std::max<std::int64_t>(0, (length - 1) * options.stride - 2 * options.padding +
                                       (kernel - 1) * options.dilation + options.output_padding + 1);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
              const Conv1dOptions& options) {
  check_conv_operands("conv1d", x, segments, weight, bias, "(out, in, kernel)");
  if (options.groups != 1) return grouped_conv1d(x, segments, weight, bias, options);
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

Segments conv_transpose1d_segments(const Segments& segments, std::int64_t kernel,
                                   const ConvTranspose1dOptions& options) {
  constexpr const char* name = "conv_transpose1d";
  check_conv_options(name, kernel, {.stride = options.stride, .dilation = options.dilation});
  if (options.padding < 0) fail(ErrorKind::argument, "{}: padding is negative; got {}", name, options.padding);
  if (options.output_padding < 0 || options.output_padding >= std::max(options.stride, options.dilation))
    fail(ErrorKind::argument, "{}: output_padding must be below stride or dilation; got {} for stride {}, dilation {}",
         name, options.output_padding, options.stride, options.dilation);
  std::vector<std::int64_t> lengths = segments.lengths();
  for (std::int64_t& length : lengths) length = transposed_length(length, kernel, options);
  return Segments::from_lengths(lengths);
}

Tensor conv_transpose1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose1dOptions& options) {
  check_conv_operands("conv_transpose1d", x, segments, weight, Tensor(), "(in, out / groups, kernel)");
  const std::int64_t in = weight.size(0), width = weight.size(1), kernel = weight.size(2), groups = options.groups;
  if (x.size(1) != in)
    fail(
        ErrorKind::shape,
        "conv_transpose1d: channels differ; got x {} and weight {}; expected (rows, in) and (in, out / groups, kernel)",
        x.shape(), weight.shape());
  if (groups < 1 || in % groups != 0)
    fail(ErrorKind::argument, "conv_transpose1d: groups do not divide the channels; got {} groups for x {}", groups,
         x.shape());
  if (bias.defined() && (bias.dtype() != x.dtype() || bias.shape() != Shape{width * groups}))
    fail(bias.dtype() != x.dtype() ? ErrorKind::dtype : ErrorKind::shape,
         "conv_transpose1d: bias does not fit; got {} {}; expected {} {}", to_string(bias.dtype()), bias.shape(),
         to_string(x.dtype()), Shape{width * groups});
  const Segments result = conv_transpose1d_segments(segments, kernel, options);

  // Every row times every tap, and where each of these products is added; those beyond a segment's ends are left out.
  std::vector<std::int64_t> products, places;
  for (std::int64_t s = 0; s < segments.count(); ++s)
    for (std::int64_t t = 0; t < segments.length(s); ++t)
      for (std::int64_t tap = 0; tap < kernel; ++tap) {
        const std::int64_t place = t * options.stride + tap * options.dilation - options.padding;
        if (place < 0 || place >= result.length(s)) continue;
        products.push_back((segments.begin(s) + t) * kernel + tap);
        places.push_back(result.begin(s) + place);
      }
  const Tensor which = tensor(products), to_rows = tensor(places);
  TensorList parts;
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t begin = g * (in / groups), end = begin + in / groups;
    const Tensor matrix = reshape(permute(slice(weight, 0, begin, end), {0, 2, 1}), {in / groups, kernel * width});
    const Tensor by_tap = reshape(matmul(slice(x, 1, begin, end), matrix), {x.size(0) * kernel, width});
    parts.push_back(index_add(zeros({result.rows(), width}, x.dtype()), 0, to_rows, index_select(by_tap, 0, which)));
  }
  const Tensor y = groups == 1 ? parts[0] : cat(parts, 1);
  return bias.defined() ? y + bias : y;
}

OpList conv_ops() { return {&conv1d_info, &conv_transpose1d_info}; }

}  // namespace saw
