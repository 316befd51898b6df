#include <algorithm>
#include <cstring>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
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

Tensor context_window_reference(const Tensor& x, const Segments& segments, Window window) {
  const std::int64_t rows = x.size(0), columns = x.size(1);
  const Tensor padded = cat({x, zeros({1, columns}, x.dtype())});
  return reshape(index_select(padded, 0, window_rows(segments, window)), {rows, window.width() * columns});
}

/// The gradient of x: each row collects what it was shown as.
Tensor context_window_gradient(const Tensor& gradient, const Segments& segments, Window window) {
  const std::int64_t rows = segments.rows(), width = window.width(), columns = gradient.size(1) / width;
  if (needs_record({gradient})) {
    const Tensor places = reshape(gradient, {rows * width, columns});
    const Tensor padded = zeros({rows + 1, columns}, gradient.dtype());
    return slice(index_add(padded, 0, window_rows(segments, window), places), 0, 0, rows);
  }
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

std::vector<Sample> context_window_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments, Window window) {
    return Sample{
        .name = name,
        .inputs = {x},
        .run =
            [=](const TensorList& in) {
              return TensorList{context_window(in[0], segments, window.left, window.right)};
            },
        .reference =
            [=](const TensorList& in) { return TensorList{context_window_reference(in[0], segments, window)}; }};
  };
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  return {sample("both sides", make.normal({8, 3}), segments, {1, 1}),
          sample("wider than a segment", make.normal({8, 2}), segments, {2, 3}),
          sample("left only", make.normal({8, 2}), segments, {2, 0}),
          sample("the row alone", make.normal({8, 2}), segments, {0, 0}),
          sample("nothing", make.normal({0, 2}), Segments(), {1, 1}),
          sample("no columns", make.normal({8, 0}), segments, {1, 1})};
}

std::vector<ErrorSample> context_window_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"rows",
           [=] {
             context_window(zeros({4, 2}), segments, 1, 1);
           },
           ErrorKind::shape, "context_window: the rows do not match"},
          {"rank", [=] { context_window(zeros({5}), segments, 1, 1); }, ErrorKind::shape,
           "context_window: x must be (N, C)"},
          {"negative",
           [=] {
             context_window(zeros({5, 2}), segments, -1, 1);
           },
           ErrorKind::argument, "context_window: left and right"},
          {"too wide",
           [=] {
             const std::int64_t most = std::numeric_limits<std::int64_t>::max();
             context_window(zeros({5, 2}), segments, most, most);
           },
           ErrorKind::argument, "context_window: left and right are too large"}};
}

const OpInfo context_window_info{"context_window",
                                 "y[r] = x[r − left], …, x[r + right] side by side, 0 beyond the segment", true,
                                 context_window_samples, context_window_errors};

// ---- pack, unpack ----

std::vector<Sample> pack_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [segments](const TensorList& in) { return TensorList{pack(in[0], segments)}; },
                  .reference =
                      [segments](const TensorList& in) {
                        Shape row = in[0].shape();
                        row.erase(0);
                        TensorList parts = {zeros(with_rows(row, 0), in[0].dtype())};
                        for (std::int64_t b = 0; b < segments.count(); ++b)
                          parts.push_back(slice(select(in[0], 0, b), 0, 0, segments.length(b)));
                        return TensorList{cat(parts)};
                      }};
  };
  return {sample("three dimensions", make.normal({4, 5, 2}), Segments::from_lengths({3, 0, 5, 1})),
          sample("two dimensions", make.normal({2, 3}), Segments::from_lengths({3, 2})),
          sample("nothing", make.normal({0, 3, 2}), Segments()),
          sample("integers", make.integers({2, 3}, 0, 9), Segments::from_lengths({1, 2}))};
}

std::vector<ErrorSample> pack_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"count",
           [=] {
             pack(zeros({3, 3}), segments);
           },
           ErrorKind::shape, "pack: needs one row per segment"},
          {"too short",
           [=] {
             pack(zeros({2, 2}), segments);
           },
           ErrorKind::shape, "pack: a segment is longer"},
          {"rank", [=] { pack(zeros({2}), segments); }, ErrorKind::shape, "pack: needs (B, T, …)"}};
}

const OpInfo pack_info{"pack", "(B, T, …) to (N, …): the first length(b) rows of each b", true, pack_samples,
                       pack_errors};

std::vector<Sample> unpack_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments, double value,
                         std::int64_t length) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{unpack(in[0], segments, value, length)}; },
                  .reference =
                      [=](const TensorList& in) {
                        const std::int64_t steps = length < 0 ? segments.max_length() : length;
                        TensorList parts;
                        for (std::int64_t b = 0; b < segments.count(); ++b) {
                          Shape before = Shape::filled(in[0].rank(), 0), after = before;
                          after[0] = steps - segments.length(b);
                          parts.push_back(pad(rows_of(in[0], segments, b), before, after, value));
                        }
                        return TensorList{stack(parts)};
                      }};
  };
  return {sample("longest", make.normal({8, 3}), Segments::from_lengths({3, 0, 1, 4}), 0.0, -1),
          sample("value and length", make.normal({5}), Segments::from_lengths({2, 3}), -1.5, 4),
          sample("three dimensions", make.normal({3, 2, 2}), Segments::from_lengths({1, 2}), 0.0, -1),
          sample("empty segments alone", make.normal({0, 2}), Segments::from_lengths({0, 0}), 1.0, 2)};
}

std::vector<ErrorSample> unpack_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"rows",
           [=] {
             unpack(zeros({4, 2}), segments);
           },
           ErrorKind::shape, "unpack: the rows do not match"},
          {"too short",
           [=] {
             unpack(zeros({5, 2}), segments, 0.0, 2);
           },
           ErrorKind::argument, "unpack: the length is smaller"}};
}

const OpInfo unpack_info{"unpack", "(N, …) to (B, T, …), with a value beyond each segment's end", true, unpack_samples,
                         unpack_errors};

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
  return record_linear(context_window_info, x, y,
                       [segments, window](const Tensor& g) { return context_window_gradient(g, segments, window); });
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
