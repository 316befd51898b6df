#include "saw/autograd/ops/segment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/kernels/segment.h"
#include "saw/autograd/kernels/vector_math.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- references: one segment after the other, in plain ops ----

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

// ---- segment_max ----

const OpInfo segment_max_info{"segment_max", "y[b] = max x[r] over the rows r of segment b; 0 for an empty segment",
                              true};

// ---- segment_softmax ----

const OpInfo segment_softmax_info{"segment_softmax", "exp(x[r]) / Σ exp(x[s]) over the rows s of r's segment", true};

void exponentials(float* x, std::int64_t count) {
  const std::span<float> values(x, static_cast<std::size_t>(count));
  kernels::apply(kernels::Function::exp, values, values);
}

void exponentials(double* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = std::exp(x[i]);
}

template <class T>
void column_softmax(const T* x, std::int64_t rows, std::int64_t columns, T* y) {
  Scratch<T> statistic(static_cast<std::size_t>(columns));
  T* s = statistic.data();
  kernels::amax(x, 1, rows, columns, s);
  // A column of −∞ alone becomes 0, as in softmax.
  for (std::int64_t c = 0; c < columns; ++c)
    if (std::isinf(s[c]) && s[c] < 0) s[c] = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) y[r * columns + c] = x[r * columns + c] - s[c];
  exponentials(y, rows * columns);
  kernels::sum(y, 1, rows, columns, s);
  for (std::int64_t c = 0; c < columns; ++c) s[c] = s[c] == 0 ? T{0} : 1 / s[c];
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) y[r * columns + c] *= s[c];
}

/// dx = y·(dy − Σ y·dy).
template <class T>
void column_softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx) {
  Scratch<T> sums(static_cast<std::size_t>(columns));
  for (std::int64_t i = 0; i < rows * columns; ++i) dx[i] = y[i] * dy[i];
  kernels::sum(dx, 1, rows, columns, sums.data());
  const T* s = sums.data();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t i = r * columns + c;
      dx[i] = y[i] * (dy[i] - s[c]);
    }
}

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
  check_rows("segment_max", x, segments);
  const Tensor source = contiguous(x.detach());
  const std::int64_t columns = row_size(x.shape());
  Tensor y = Tensor::empty(with_rows(x.shape(), segments.count()), x.dtype());
  Tensor winners = Tensor::empty({segments.count(), columns}, int64);  // for empty segments: −1
  dispatch_numeric("segment_max", x.dtype(), [&]<class T>() {
    const T* in = source.data<T>();
    T* largest = y.mutable_data<T>();
    std::int64_t* rows = winners.mutable_data<std::int64_t>();
    for_segments(segments, columns, [&](std::int64_t b) {
      const std::int64_t first = segments.begin(b);
      if (segments.length(b) > 0) {
        kernels::column_winners(in + first * columns, segments.length(b), columns, first, largest + b * columns,
                                rows + b * columns);
      } else {
        std::fill_n(largest + b * columns, columns, T{0});
        std::fill_n(rows + b * columns, columns, std::int64_t{-1});
      }
    });
  });
  return record(segment_max_info, {x}, y, [&] {
    return Gradient::with_twin(
        {winners},
        [shape = x.shape(), segments, columns](const BackwardContext& context) -> TensorList {
          const Tensor g = contiguous(context.grad_output());
          const Tensor result = zeros(shape, g.dtype());
          const std::int64_t* rows = context.saved(0).data<std::int64_t>();
          dispatch_floating("segment_max", g.dtype(), [&]<class T>() {
            const T* in = g.data<T>();
            T* out = result.mutable_data<T>();
            for_segments(segments, columns, [&](std::int64_t b) {
              if (segments.length(b) == 0) return;
              for (std::int64_t c = 0; c < columns; ++c) out[rows[b * columns + c] * columns + c] = in[b * columns + c];
            });
          });
          return {result};
        },
        [shape = x.shape(), segments, columns](const BackwardContext& context) -> TensorList {
          std::vector<std::int64_t> filled;
          for (std::int64_t b = 0; b < segments.count(); ++b)
            if (segments.length(b) > 0) filled.push_back(b);
          const Tensor chosen = tensor(filled);
          const Tensor g = reshape(context.grad_output(), {segments.count(), columns});
          const Tensor sum = scatter_add(zeros({segments.rows(), columns}, g.dtype()), 0,
                                         index_select(context.saved(0), 0, chosen), index_select(g, 0, chosen));
          return {reshape(sum, shape)};
        });
  });
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
      if (segments.length(b) * columns > 0) column_softmax(in + first, segments.length(b), columns, out + first);
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
                column_softmax_backward(probability + first, in + first, segments.length(b), columns, out + first);
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
  return {&segment_sum_info, &segment_mean_info, &segment_max_info, &segment_softmax_info, &segment_expand_info};
}

}  // namespace saw
