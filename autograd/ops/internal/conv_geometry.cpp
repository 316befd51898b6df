#include "saw/autograd/ops/internal/conv_geometry.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"

namespace saw {
namespace {

struct Padding {
  std::int64_t left, right;
};

Padding padding_of(std::int64_t kernel, const Conv1dOptions& options) {
  const std::int64_t all = (kernel - 1) * options.dilation;
  const std::int64_t left = options.padding_left, right = options.padding_right;
  if (left < 0 && right < 0) return {all / 2, all - all / 2};
  if (left < 0) return {std::max<std::int64_t>(all - right, 0), right};
  if (right < 0) return {left, std::max<std::int64_t>(all - left, 0)};
  return {left, right};
}

}  // namespace

void check_conv_options(const char* op, std::int64_t kernel, const Conv1dOptions& options) {
  if (kernel < 1) fail(ErrorKind::argument, "{}: kernel has no taps; got {}; expected ≥ 1", op, kernel);
  if (options.stride < 1) fail(ErrorKind::argument, "{}: stride is not positive; got {}", op, options.stride);
  if (options.dilation < 1) fail(ErrorKind::argument, "{}: dilation is not positive; got {}", op, options.dilation);
  if (options.padding_left < -1 || options.padding_right < -1)
    fail(ErrorKind::argument, "{}: padding is negative; got {} and {}; expected ≥ 0, or -1 to keep lengths", op,
         options.padding_left, options.padding_right);
  // So that the lengths that they make can be computed at all.
  constexpr std::int64_t most = std::int64_t{1} << 60;
  std::int64_t reach = 0;
  if (__builtin_mul_overflow(kernel, options.dilation, &reach) ||
      std::max({reach, options.padding_left, options.padding_right}) > most)
    fail(ErrorKind::argument, "{}: kernel, dilation or padding is too large; got {}, {}, and {} and {}", op, kernel,
         options.dilation, options.padding_left, options.padding_right);
}

void check_conv_operands(const char* op, const Tensor& x, const Segments& segments, const Tensor& weight,
                         const Tensor& bias, const char* layout) {
  if (x.rank() != 2)
    fail(ErrorKind::shape, "{}: x has the wrong rank; got {}; expected (rows, channels)", op, x.shape());
  if (weight.rank() != 3)
    fail(ErrorKind::shape, "{}: weight has the wrong rank; got {}; expected {}", op, weight.shape(), layout);
  dispatch_floating(op, x.dtype(), []<class T>() {});
  if (weight.dtype() != x.dtype())
    fail(ErrorKind::dtype, "{}: x and weight have different dtypes; got {} and {}; expected equal ones", op,
         to_string(x.dtype()), to_string(weight.dtype()));
  if (x.size(0) != segments.rows())
    fail(ErrorKind::shape, "{}: rows do not fit the segments; got {}; expected {} rows", op, x.shape(),
         segments.rows());
  if (!bias.defined()) return;
  if (bias.dtype() != x.dtype())
    fail(ErrorKind::dtype, "{}: bias has another dtype than x; got {}; expected {}", op, to_string(bias.dtype()),
         to_string(x.dtype()));
  if (bias.shape() != Shape{weight.size(0)})
    fail(ErrorKind::shape, "{}: bias does not fit; got {}; expected {}", op, bias.shape(), Shape{weight.size(0)});
}

ConvGeometry make_conv_geometry(const Segments& segments, std::int64_t kernel, const Conv1dOptions& options) {
  return {segments,         conv1d_segments(segments, kernel, options),
          kernel,           options.stride,
          options.dilation, padding_of(kernel, options).left};
}

std::vector<std::int64_t> conv_window_rows(const ConvGeometry& geometry) {
  std::vector<std::int64_t> rows;
  for (std::int64_t s = 0; s < geometry.out.count(); ++s)
    for (std::int64_t u = 0; u < geometry.out.length(s); ++u)
      for (std::int64_t tap = 0; tap < geometry.kernel; ++tap) {
        const std::int64_t t = u * geometry.stride + tap * geometry.dilation - geometry.padding;
        rows.push_back(t >= 0 && t < geometry.in.length(s) ? geometry.in.begin(s) + t : geometry.in.rows());
      }
  return rows;
}

std::int64_t conv1d_output_length(std::int64_t length, std::int64_t kernel, const Conv1dOptions& options) {
  check_conv_options("conv1d_output_length", kernel, options);
  if (length < 0) fail(ErrorKind::argument, "conv1d_output_length: length is negative; got {}", length);
  const Padding padding = padding_of(kernel, options);
  const std::int64_t room = length + padding.left + padding.right - ((kernel - 1) * options.dilation + 1);
  return length == 0 || room < 0 ? 0 : room / options.stride + 1;
}

Segments conv1d_segments(const Segments& segments, std::int64_t kernel, const Conv1dOptions& options) {
  std::vector<std::int64_t> lengths = segments.lengths();
  for (std::int64_t& length : lengths) length = conv1d_output_length(length, kernel, options);
  return Segments::from_lengths(lengths);
}

}  // namespace saw
