#include <algorithm>
#include <cstring>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/packing.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

// ---- context_window ----

struct Window {
  std::int64_t left, right;
  std::int64_t width() const { return left + 1 + right; }
};

/// The gradient of x: each row collects what it was shown as.
Tensor context_window_gradient(const Tensor& gradient, const Segments& segments, Window window) {
  const std::int64_t rows = segments.rows(), width = window.width(), columns = gradient.size(1) / width;
  const Tensor source = contiguous(gradient);
  Tensor result = Tensor::empty({rows, columns}, gradient.dtype());
  dispatch_floating("context_window", gradient.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    T* out = result.mutable_data<T>();
    for_rows(segments, width * columns, [&](std::int64_t row, std::int64_t b) {
      T* to = out + row * columns;
      // Row `row` stands in the windows of the rows row − right … row + left.
      const std::int64_t first = std::max(row - window.right, segments.begin(b));
      const std::int64_t last = std::min(row + window.left, segments.end(b) - 1);
      for (std::int64_t shown = first; shown <= last; ++shown) {
        const T* from = in + (shown * width + (row - shown + window.left)) * columns;
        if (shown == first)
          std::copy(from, from + columns, to);
        else
          for (std::int64_t c = 0; c < columns; ++c) to[c] += from[c];
      }
    });
  });
  return result;
}

/// For every place of the result (N·width) the row it shows, or N where that lies outside the segment.
Tensor window_rows(const Segments& segments, Window window) {
  Tensor rows = Tensor::empty({segments.rows() * window.width()}, int64);
  std::int64_t* out = rows.mutable_data<std::int64_t>();
  for (std::int64_t b = 0; b < segments.count(); ++b)
    for (std::int64_t row = segments.begin(b); row < segments.end(b); ++row)
      for (std::int64_t at = row - window.left; at <= row + window.right; ++at)
        *out++ = at >= segments.begin(b) && at < segments.end(b) ? at : segments.rows();
  return rows;
}

/// The same in recorded ops.
Tensor recorded_context_window_gradient(const Tensor& gradient, const Segments& segments, Window window) {
  const std::int64_t rows = segments.rows(), columns = gradient.size(1) / window.width();
  const Tensor places = reshape(gradient, {rows * window.width(), columns});
  const Tensor padded = zeros({rows + 1, columns}, gradient.dtype());
  return slice(index_add(padded, 0, window_rows(segments, window), places), 0, 0, rows);
}

const OpInfo context_window_info{"context_window",
                                 "y[r] = x[r − left], …, x[r + right] side by side, 0 beyond the segment", true};

// ---- pack, unpack ----

const OpInfo pack_info{"pack", "(B, T, …) to (N, …): the first length(b) rows of each b", true};
const OpInfo unpack_info{"unpack", "(N, …) to (B, T, …), with a value beyond each segment's end", true};

/// Copies each segment between its packed rows and its padded place: f(packed byte, padded byte, bytes).
template <class F>
void for_padded_segments(const Segments& segments, std::int64_t steps, std::int64_t columns, std::size_t element,
                         const F& f) {
  const std::size_t row = static_cast<std::size_t>(columns) * element;
  for_segments(segments, columns, [&](std::int64_t b) {
    if (segments.length(b) > 0)
      f(static_cast<std::size_t>(segments.begin(b)) * row, static_cast<std::size_t>(b * steps) * row,
        static_cast<std::size_t>(segments.length(b)) * row);
  });
}

}  // namespace

Tensor context_window(const Tensor& x, const Segments& segments, std::int64_t left, std::int64_t right) {
  if (x.rank() != 2) fail(ErrorKind::shape, "context_window: x must be (N, C); got shape {}", x.shape());
  check_rows("context_window", x, segments);
  if (left < 0 || right < 0)
    fail(ErrorKind::argument, "context_window: left and right must not be negative; got {} and {}", left, right);
  const Window window{left, right};
  const std::int64_t columns = x.shape()[1];
  std::int64_t width = 0;
  if (__builtin_add_overflow(left, right, &width) || __builtin_add_overflow(width, 1, &width) ||
      __builtin_mul_overflow(width, columns, &width))
    fail(ErrorKind::argument, "context_window: left and right are too large; got {} and {}", left, right);
  const Tensor source = contiguous(x.detach());
  Tensor y = Tensor::empty({x.shape()[0], width}, x.dtype());
  const std::size_t bytes = static_cast<std::size_t>(columns) * size_of(x.dtype());
  const auto* in = static_cast<const char*>(source.data(x.dtype()));
  auto* out = static_cast<char*>(y.mutable_data(x.dtype()));
  if (bytes > 0)
    for_rows(segments, window.width() * columns, [&](std::int64_t row, std::int64_t b) {
      // Neighbouring rows lie side by side in memory as they shall in the result: one copy, and zeros around it.
      const std::int64_t first = std::max(row - left, segments.begin(b));
      const std::int64_t last = std::min(row + right, segments.end(b) - 1);
      const std::size_t before = static_cast<std::size_t>(first - (row - left)) * bytes;
      const std::size_t copied = static_cast<std::size_t>(last - first + 1) * bytes;
      const std::size_t all = static_cast<std::size_t>(window.width()) * bytes;
      char* to = out + static_cast<std::size_t>(row) * all;
      std::memset(to, 0, before);
      std::memcpy(to + before, in + static_cast<std::size_t>(first) * bytes, copied);
      std::memset(to + before + copied, 0, all - before - copied);
    });
  return record(context_window_info, {x}, y, [&] {
    const auto with = [segments, window](auto gradient_of_x) {
      return [=](const BackwardContext& context) -> TensorList {
        return {gradient_of_x(context.grad_output(), segments, window)};
      };
    };
    return Gradient::with_twin({}, with(context_window_gradient), with(recorded_context_window_gradient));
  });
}

Tensor pack(const Tensor& padded, const Segments& segments) {
  if (padded.rank() < 2) fail(ErrorKind::shape, "pack: needs (B, T, …); got shape {}", padded.shape());
  check_segment_count("pack", padded, segments);
  const std::int64_t steps = padded.shape()[1];
  if (segments.max_length() > steps)
    fail(ErrorKind::shape, "pack: a segment is longer than the padded tensor; got length {} for shape {}",
         segments.max_length(), padded.shape());
  Shape shape = padded.shape();
  shape.erase(0);
  shape[0] = segments.rows();
  const Tensor source = contiguous(padded.detach());
  Tensor y = Tensor::empty(shape, padded.dtype());
  const auto* in = static_cast<const char*>(source.data(padded.dtype()));
  auto* out = static_cast<char*>(y.mutable_data(padded.dtype()));
  for_padded_segments(segments, steps, row_size(shape), size_of(padded.dtype()),
                      [=](std::size_t packed_byte, std::size_t padded_byte, std::size_t bytes) {
                        std::memcpy(out + packed_byte, in + padded_byte, bytes);
                      });
  return record_linear(pack_info, padded, y,
                       [segments, steps](const Tensor& g) { return unpack(g, segments, 0.0, steps); });
}

Tensor unpack(const Tensor& packed, const Segments& segments, double value, std::int64_t length) {
  check_rows("unpack", packed, segments);
  const std::int64_t longest = segments.max_length(), steps = length == -1 ? longest : length;
  if (steps < longest)
    fail(ErrorKind::argument, "unpack: the length is smaller than the longest segment; got {}; expected at least {}",
         length, longest);
  Shape shape = packed.shape();
  shape[0] = steps;
  shape.insert(0, segments.count());
  element_count("unpack", shape);
  const Tensor source = contiguous(packed.detach());
  Tensor y = full(shape, value, packed.dtype());
  const auto* in = static_cast<const char*>(source.data(packed.dtype()));
  auto* out = static_cast<char*>(y.mutable_data(packed.dtype()));
  for_padded_segments(segments, steps, row_size(packed.shape()), size_of(packed.dtype()),
                      [=](std::size_t packed_byte, std::size_t padded_byte, std::size_t bytes) {
                        std::memcpy(out + padded_byte, in + packed_byte, bytes);
                      });
  return record_linear(unpack_info, packed, y, [segments](const Tensor& g) { return pack(g, segments); });
}

OpList packing_ops() { return {&context_window_info, &pack_info, &unpack_info}; }

}  // namespace saw
