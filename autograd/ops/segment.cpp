#include "saw/autograd/ops/segment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "saw/autograd/check.h"
#include "saw/autograd/dispatch.h"
#include "saw/autograd/kernels/reduce.h"
#include "saw/autograd/kernels/vector_math.h"
#include "saw/autograd/memory.h"
#include "saw/autograd/op_info.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/families.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/parallel.h"
#include "saw/autograd/record.h"

namespace saw {
namespace {

constexpr std::int64_t elements_per_chunk = 1 << 15;

/// Records y as made from x by something linear; `backward` maps the gradient of y to that of x in recorded ops.
template <class F>
Tensor record_linear(const OpInfo& info, const Tensor& x, const Tensor& y, const F& backward) {
  return record(info, {x}, y, [&] {
    Gradient gradient;
    gradient.backward = [backward](const BackwardContext& context) -> TensorList {
      return {backward(context.grad_output())};
    };
    gradient.plain = true;
    return gradient;
  });
}

void check_rows(const char* op, const Tensor& x, const Segments& segments) {
  if (x.rank() < 1 || x.shape()[0] != segments.rows())
    fail(ErrorKind::shape, "{}: the rows do not match the segments; got shape {} for {}; expected {} rows", op,
         x.shape(), segments, segments.rows());
}

void check_segment_count(const char* op, const Tensor& x, const Segments& segments) {
  if (x.rank() < 1 || x.shape()[0] != segments.count())
    fail(ErrorKind::shape, "{}: needs one row per segment; got shape {} for {}; expected {} rows", op, x.shape(),
         segments, segments.count());
}

/// Elements of one row.
std::int64_t row_size(const Shape& shape) {
  std::int64_t size = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) size *= shape[axis];
  return size;
}

Shape with_rows(const Shape& shape, std::int64_t rows) {
  Shape result = shape;
  result[0] = rows;
  return result;
}

/// Calls f(segment) for all of them, in parallel.
template <class F>
void for_segments(const Segments& segments, std::int64_t columns, const F& f) {
  const std::int64_t cost = segments.rows() * columns / std::max<std::int64_t>(segments.count(), 1) + 1;
  parallel_for(0, segments.count(), std::max<std::int64_t>(1, elements_per_chunk / cost),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t segment = begin; segment < end; ++segment) f(segment);
               });
}

/// Calls f(row, segment) for all rows, in parallel.
template <class F>
void for_rows(const Segments& segments, std::int64_t columns, const F& f) {
  const std::span<const std::int64_t> offsets = segments.offsets();
  parallel_for(0, segments.rows(), std::max<std::int64_t>(1, elements_per_chunk / (columns + 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 std::int64_t segment = std::upper_bound(offsets.begin(), offsets.end(), begin) - offsets.begin() - 1;
                 for (std::int64_t row = begin; row < end; ++row) {
                   while (row >= segments.end(segment)) ++segment;
                   f(row, segment);
                 }
               });
}

// ---- references: one segment after the other, in plain ops ----

Tensor rows_of(const Tensor& x, const Segments& segments, std::int64_t segment) {
  return slice(x, 0, segments.begin(segment), segments.end(segment));
}

/// f(the rows of a segment) for each segment, stacked; zeros for empty ones.
template <class F>
Tensor reduced_reference(const Tensor& x, const Segments& segments, const F& f) {
  TensorList results;
  Shape row = x.shape();
  row.erase(0);
  for (std::int64_t b = 0; b < segments.count(); ++b)
    results.push_back(segments.length(b) == 0 ? zeros(row, x.dtype()) : f(rows_of(x, segments, b)));
  return results.empty() ? zeros(with_rows(x.shape(), 0), x.dtype()) : stack(results);
}

/// f(the rows of a segment) for each segment that is not empty, one after the other.
template <class F>
Tensor mapped_reference(const Tensor& x, const Segments& segments, const F& f) {
  TensorList results;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    if (segments.length(b) > 0) results.push_back(f(rows_of(x, segments, b)));
  return results.empty() ? f(x) : cat(results);
}

/// The samples of an op over (N, …).
template <class Run, class Reference>
std::vector<Sample> row_samples(SampleMaker& make, Run run, Reference reference) {
  const auto sample = [run, reference](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{run(in[0], segments)}; },
                  .reference = [=](const TensorList& in) { return TensorList{reference(in[0], segments)}; }};
  };
  return {sample("matrix", make.distinct({8, 3}), Segments::from_lengths({3, 0, 1, 4})),
          sample("one dimension", make.distinct({6}), Segments::from_lengths({2, 4})),
          sample("three dimensions", make.distinct({5, 2, 3}), Segments::from_lengths({5})),
          sample("long", make.distinct({130, 2}), Segments::from_lengths({129, 1})),
          sample("empty segments alone", make.normal({0, 3}), Segments::from_lengths({0, 0})),
          sample("nothing", make.normal({0, 3}), Segments())};
}

template <class Run>
std::vector<ErrorSample> row_errors(const char* op, Run run) {
  const Segments segments = Segments::from_lengths({2, 3});
  const std::string text = std::string(op) + ": the rows do not match";
  return {{"too few rows",
           [=] {
             run(zeros({4, 2}), segments);
           },
           ErrorKind::shape, text},
          {"scalar", [=] { run(zeros({}), segments); }, ErrorKind::shape, text},
          {"bools", [=] { run(zeros({5}, boolean), segments); }, ErrorKind::dtype, op}};
}

// ---- segment_sum, segment_mean, segment_expand ----

std::vector<Sample> segment_sum_samples(SampleMaker& make) {
  return row_samples(make, segment_sum, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return sum(rows, {0}); });
  });
}
std::vector<ErrorSample> segment_sum_errors() { return row_errors("segment_sum", segment_sum); }
const OpInfo segment_sum_info{"segment_sum", "y[b] = Σ x[r] over the rows r of segment b", true, segment_sum_samples,
                              segment_sum_errors};

std::vector<Sample> segment_mean_samples(SampleMaker& make) {
  return row_samples(make, segment_mean, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return mean(rows, {0}); });
  });
}
std::vector<ErrorSample> segment_mean_errors() { return row_errors("segment_mean", segment_mean); }
const OpInfo segment_mean_info{"segment_mean", "y[b] = Σ x[r] / length(b); 0 for an empty segment", true,
                               segment_mean_samples, segment_mean_errors};

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

std::vector<Sample> segment_expand_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [segments](const TensorList& in) { return TensorList{segment_expand(in[0], segments)}; },
                  .reference =
                      [segments](const TensorList& in) {
                        TensorList parts = {slice(in[0], 0, 0, 0)};
                        for (std::int64_t b = 0; b < segments.count(); ++b)
                          for (std::int64_t i = 0; i < segments.length(b); ++i)
                            parts.push_back(slice(in[0], 0, b, b + 1));
                        return TensorList{cat(parts)};
                      }};
  };
  return {sample("matrix", make.normal({4, 3}), Segments::from_lengths({3, 0, 1, 4})),
          sample("one dimension", make.normal({2}), Segments::from_lengths({2, 4})),
          sample("three dimensions", make.normal({1, 2, 3}), Segments::from_lengths({5})),
          sample("empty segments alone", make.normal({2, 3}), Segments::from_lengths({0, 0})),
          sample("nothing", make.normal({0, 3}), Segments())};
}

std::vector<ErrorSample> segment_expand_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"count",
           [=] {
             segment_expand(zeros({3, 2}), segments);
           },
           ErrorKind::shape, "segment_expand: needs one row per segment"},
          {"scalar", [=] { segment_expand(zeros({}), segments); }, ErrorKind::shape, "segment_expand: needs one row"}};
}

const OpInfo segment_expand_info{"segment_expand", "y[r] = x[b] for the rows r of segment b", true,
                                 segment_expand_samples, segment_expand_errors};

// ---- segment_max ----

std::vector<Sample> segment_max_samples(SampleMaker& make) {
  return row_samples(make, segment_max, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return amax(rows, {0}); });
  });
}
std::vector<ErrorSample> segment_max_errors() { return row_errors("segment_max", segment_max); }
const OpInfo segment_max_info{"segment_max", "y[b] = max x[r] over the rows r of segment b; 0 for an empty segment",
                              true, segment_max_samples, segment_max_errors};

/// The largest of each column of rows × columns and the first row that holds it, counted from `first`; NaN is largest.
template <class T>
void column_winners(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t first, T* largest,
                    std::int64_t* winners) {
  // Row numbers as wide as the values, so that the comparison's mask picks both.
  using Row = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr std::int64_t block = 64;
  for (std::int64_t c0 = 0; c0 < columns; c0 += block) {
    const std::int64_t width = std::min(block, columns - c0);
    T best[block];
    Row row_of_best[block];
    std::copy(x + c0, x + c0 + width, best);
    std::fill(row_of_best, row_of_best + width, Row{0});
    for (std::int64_t r = 1; r < rows; ++r) {
      const T* row = x + r * columns + c0;
      for (std::int64_t c = 0; c < width; ++c) {
        const T value = row[c], old = best[c];
        const bool wins = (value > old) | ((value != value) & (old == old));
        best[c] = wins ? value : old;
        row_of_best[c] = wins ? static_cast<Row>(r) : row_of_best[c];
      }
    }
    for (std::int64_t c = 0; c < width; ++c) {
      largest[c0 + c] = best[c];
      winners[c0 + c] = first + row_of_best[c];
    }
  }
}

// ---- segment_softmax ----

Tensor segment_softmax_reference(const Tensor& x, const Segments& segments) {
  return mapped_reference(x, segments, [](const Tensor& rows) {
    if (rows.size(0) == 0) return exp(rows);
    const Tensor e = exp(rows - amax(rows, {0}, true));
    return e / sum(e, {0}, true);
  });
}

std::vector<Sample> segment_softmax_samples(SampleMaker& make) {
  return row_samples(make, segment_softmax, segment_softmax_reference);
}
std::vector<ErrorSample> segment_softmax_errors() { return row_errors("segment_softmax", segment_softmax); }
const OpInfo segment_softmax_info{"segment_softmax", "exp(x[r]) / Σ exp(x[s]) over the rows s of r's segment", true,
                                  segment_softmax_samples, segment_softmax_errors};

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
      std::fill(to, to + columns, T{0});
      // Row `row` stands in the windows of the rows row − right … row + left.
      const std::int64_t first = std::max(row - window.right, segments.begin(b));
      const std::int64_t last = std::min(row + window.left, segments.end(b) - 1);
      for (std::int64_t shown = first; shown <= last; ++shown) {
        const T* from = in + (shown * width + (row - shown + window.left)) * columns;
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
           ErrorKind::argument, "context_window: left and right"}};
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
        column_winners(in + first * columns, segments.length(b), columns, first, largest + b * columns,
                       rows + b * columns);
      } else {
        std::fill_n(largest + b * columns, columns, T{0});
        std::fill_n(rows + b * columns, columns, std::int64_t{-1});
      }
    });
  });
  return record(segment_max_info, {x}, y, [&] {
    Gradient gradient;
    gradient.saved = {winners};
    gradient.backward = [shape = x.shape(), segments, columns](const BackwardContext& context) -> TensorList {
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
    };
    gradient.recorded_backward = [shape = x.shape(), segments, columns](const BackwardContext& context) -> TensorList {
      std::vector<std::int64_t> filled;
      for (std::int64_t b = 0; b < segments.count(); ++b)
        if (segments.length(b) > 0) filled.push_back(b);
      const Tensor chosen = tensor(filled);
      const Tensor g = reshape(context.grad_output(), {segments.count(), columns});
      const Tensor sum = scatter_add(zeros({segments.rows(), columns}, g.dtype()), 0,
                                     index_select(context.saved(0), 0, chosen), index_select(g, 0, chosen));
      return {reshape(sum, shape)};
    };
    return gradient;
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
    Gradient gradient;
    gradient.saved = {y};
    gradient.backward = [segments, columns](const BackwardContext& context) -> TensorList {
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
    };
    gradient.recorded_backward = [segments](const BackwardContext& context) -> TensorList {
      const Tensor p = context.saved(0);
      const Tensor& g = context.grad_output();
      return {p * (g - segment_expand(segment_sum(p * g, segments), segments))};
    };
    return gradient;
  });
}

Tensor context_window(const Tensor& x, const Segments& segments, std::int64_t left, std::int64_t right) {
  if (x.rank() != 2) fail(ErrorKind::shape, "context_window: x must be (N, C); got shape {}", x.shape());
  check_rows("context_window", x, segments);
  if (left < 0 || right < 0)
    fail(ErrorKind::argument, "context_window: left and right must not be negative; got {} and {}", left, right);
  const Window window{left, right};
  const std::int64_t columns = x.shape()[1];
  const Tensor source = contiguous(x.detach());
  Tensor y = Tensor::empty({x.shape()[0], window.width() * columns}, x.dtype());
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

OpList segment_ops() {
  return {&segment_sum_info,    &segment_mean_info,   &segment_max_info, &segment_softmax_info,
          &segment_expand_info, &context_window_info, &pack_info,        &unpack_info};
}

}  // namespace saw
