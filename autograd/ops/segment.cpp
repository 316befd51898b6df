#include "saw/autograd/ops/segment.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/kernels/segment.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- segment_sum, segment_mean, segment_expand ----

const OpInfo segment_sum_info{"segment_sum", "y[b] = Σ x[r] over the rows r of segment b", true};
const OpInfo segment_mean_info{"segment_mean", "y[b] = Σ x[r] / length(b); 0 for an empty segment", true};

/// Sums without history.
Tensor summed(const char* op, const Tensor& x, const Segments& segments) {
  const Tensor source = contiguous(x.detach());
  const std::int64_t columns = row_size(x.shape());
  Tensor y = Tensor::empty(with_rows(x.shape(), segments.count()), x.dtype());
  dispatch_numeric(op, x.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    T* out = y.mutable_data<T>();
    if (columns == 0) return;
    for_segments(segments, columns, [&](std::int64_t b) {
      kernels::sum(in + segments.begin(b) * columns, 1, segments.length(b), columns, out + b * columns);
    });
  });
  return y;
}

/// 1 / length(b), or 0 for an empty segment, to be multiplied with (B, …) of that rank.
Tensor inverse_lengths(const Segments& segments, std::size_t rank, DType dtype) {
  Tensor result = Tensor::empty(with_rows(Shape::filled(rank, 1), segments.count()), dtype);
  dispatch_floating("segment_mean", dtype, [&]<class T>() {
    T* out = result.mutable_data<T>();
    for (std::int64_t b = 0; b < segments.count(); ++b)
      out[b] = segments.length(b) == 0 ? T{0} : static_cast<T>(1.0 / static_cast<double>(segments.length(b)));
  });
  return result;
}

const OpInfo segment_expand_info{"segment_expand", "y[r] = x[b] for the rows r of segment b", true};

// ---- segment_max, segment_min ----

const OpInfo segment_max_info{"segment_max", "y[b] = max x[r] over the rows r of segment b; 0 for an empty segment",
                              true};
const OpInfo segment_min_info{"segment_min", "y[b] = min x[r] over the rows r of segment b; 0 for an empty segment",
                              true};

/// The gradient of x: that of a segment's result goes to the row that won, column by column. `winners` (B, columns).
Tensor winners_gradient(const char* op, const Tensor& gradient, const Tensor& winners, const Segments& segments,
                        const Shape& shape) {
  const Tensor g = contiguous(gradient);
  const Tensor result = zeros(shape, g.dtype());
  const std::int64_t columns = row_size(shape);
  const std::int64_t* rows = winners.data<std::int64_t>();
  dispatch_floating(op, g.dtype(), [&]<class T>() {
    const T* in = g.data<T>();
    T* out = result.mutable_data<T>();
    for_segments(segments, columns, [&](std::int64_t b) {
      if (segments.length(b) == 0) return;
      for (std::int64_t c = 0; c < columns; ++c) out[rows[b * columns + c] * columns + c] = in[b * columns + c];
    });
  });
  return result;
}

/// The same in recorded ops.
Tensor recorded_winners_gradient(const Tensor& gradient, const Tensor& winners, const Segments& segments,
                                 const Shape& shape) {
  std::vector<std::int64_t> filled;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    if (segments.length(b) > 0) filled.push_back(b);
  const Tensor chosen = tensor(filled);
  const std::int64_t columns = row_size(shape);
  const Tensor g = reshape(gradient, {segments.count(), columns});
  const Tensor sum = scatter_add(zeros({segments.rows(), columns}, g.dtype()), 0, index_select(winners, 0, chosen),
                                 index_select(g, 0, chosen));
  return reshape(sum, shape);
}

Tensor segment_extremum(const OpInfo& info, kernels::Winner winner, const Tensor& x, const Segments& segments) {
  check_rows(info.name, x, segments);
  const Tensor source = contiguous(x.detach());
  const std::int64_t columns = row_size(x.shape());
  Tensor y = Tensor::empty(with_rows(x.shape(), segments.count()), x.dtype());
  Tensor winners = Tensor::empty({segments.count(), columns}, int64);  // for empty segments: −1
  dispatch_numeric(info.name, x.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    T* values = y.mutable_data<T>();
    std::int64_t* rows = winners.mutable_data<std::int64_t>();
    for_segments(segments, columns, [&](std::int64_t b) {
      const std::int64_t first = segments.begin(b);
      if (segments.length(b) > 0) {
        kernels::column_winners(winner, in + first * columns, segments.length(b), columns, first, values + b * columns,
                                rows + b * columns);
      } else {
        std::fill_n(values + b * columns, columns, T{0});
        std::fill_n(rows + b * columns, columns, std::int64_t{-1});
      }
    });
  });
  return record(info, {x}, y, [&] {
    return Gradient::with_twin(
        {winners},
        [&info, shape = x.shape(), segments](const BackwardContext& context) -> TensorList {
          return {winners_gradient(info.name, context.grad_output(), context.saved(0), segments, shape)};
        },
        [shape = x.shape(), segments](const BackwardContext& context) -> TensorList {
          return {recorded_winners_gradient(context.grad_output(), context.saved(0), segments, shape)};
        });
  });
}

// ---- segment_softmax ----

const OpInfo segment_softmax_info{"segment_softmax", "exp(x[r]) / Σ exp(x[s]) over the rows s of r's segment", true};

}  // namespace

Tensor segment_sum(const Tensor& x, const Segments& segments) {
  check_rows("segment_sum", x, segments);
  return record_linear(segment_sum_info, x, summed("segment_sum", x, segments),
                       [segments](const Tensor& g) { return segment_expand(g, segments); });
}

Tensor segment_mean(const Tensor& x, const Segments& segments) {
  check_rows("segment_mean", x, segments);
  const Tensor scale = inverse_lengths(segments, x.rank(), x.dtype());
  const Tensor y = mul(summed("segment_mean", x, segments), scale);
  return record_linear(segment_mean_info, x, y,
                       [segments, scale](const Tensor& g) { return segment_expand(mul(g, scale), segments); });
}

Tensor segment_expand(const Tensor& x, const Segments& segments) {
  check_segment_count("segment_expand", x, segments);
  const Tensor source = contiguous(x.detach());
  Tensor y = Tensor::empty(with_rows(x.shape(), segments.rows()), x.dtype());
  const std::int64_t columns = row_size(x.shape());
  const std::size_t bytes = static_cast<std::size_t>(columns) * size_of(x.dtype());
  const auto* in = static_cast<const char*>(source.data(x.dtype()));
  auto* out = static_cast<char*>(y.mutable_data(x.dtype()));
  if (bytes > 0)
    for_rows(segments, columns, [=](std::int64_t row, std::int64_t b) {
      std::memcpy(out + static_cast<std::size_t>(row) * bytes, in + static_cast<std::size_t>(b) * bytes, bytes);
    });
  return record_linear(segment_expand_info, x, y, [segments](const Tensor& g) { return segment_sum(g, segments); });
}

Tensor segment_max(const Tensor& x, const Segments& segments) {
  return segment_extremum(segment_max_info, kernels::Winner::largest, x, segments);
}

Tensor segment_min(const Tensor& x, const Segments& segments) {
  return segment_extremum(segment_min_info, kernels::Winner::smallest, x, segments);
}

Tensor segment_softmax(const Tensor& x, const Segments& segments) {
  check_rows("segment_softmax", x, segments);
  const Tensor source = contiguous(x.detach());
  const std::int64_t columns = row_size(x.shape());
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating("segment_softmax", x.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    T* out = y.mutable_data<T>();
    for_segments(segments, columns, [&](std::int64_t b) {
      const std::int64_t first = segments.begin(b) * columns;
      if (segments.length(b) * columns > 0)
        kernels::column_softmax(in + first, segments.length(b), columns, out + first);
    });
  });
  return record(segment_softmax_info, {x}, y, [&] {
    return Gradient::with_twin(
        {y},
        [segments, columns](const BackwardContext& context) -> TensorList {
          const Tensor p = context.saved(0), g = contiguous(context.grad_output());
          const Tensor result = Tensor::empty(p.shape(), p.dtype());
          dispatch_floating("segment_softmax", p.dtype(), [&]<class T>() {
            const T *probability = p.data<T>(), *in = g.data<T>();
            T* out = result.mutable_data<T>();
            for_segments(segments, columns, [&](std::int64_t b) {
              const std::int64_t first = segments.begin(b) * columns;
              if (segments.length(b) * columns > 0)
                kernels::column_softmax_backward(probability + first, in + first, segments.length(b), columns,
                                                 out + first);
            });
          });
          return {result};
        },
        [segments](const BackwardContext& context) -> TensorList {
          const Tensor p = context.saved(0);
          const Tensor& g = context.grad_output();
          return {p * (g - segment_expand(segment_sum(p * g, segments), segments))};
        });
  });
}

OpList segment_ops() {
  return {&segment_sum_info, &segment_mean_info,    &segment_max_info,
          &segment_min_info, &segment_softmax_info, &segment_expand_info};
}

}  // namespace saw
