#include "saw/autograd/ops/segment_rearrange.h"

#include <cstring>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/kernels/index.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/indices.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo segment_first_info{"segment_first", "y[b] = the first row of segment b; 0 for an empty segment", true};
const OpInfo segment_last_info{"segment_last", "y[b] = the last row of segment b; 0 for an empty segment", true};
const OpInfo segment_reverse_info{"segment_reverse", "the rows of each segment in the opposite order", true};
const OpInfo segment_select_info{"segment_select", "the segments of those numbers, one after the other", true};
const OpInfo segment_concat_info{"segment_concat", "segment b of one batch, then segment b of another", true};

/// Rows of x by their numbers, without history.
Tensor rows_at(const Tensor& x, const Tensor& numbers) {
  const Tensor source = contiguous(x.detach());
  const Tensor y = Tensor::empty(with_rows(x.shape(), numbers.numel()), x.dtype());
  kernels::take_slices(size_of(x.dtype()), source.data(x.dtype()), 1, x.shape()[0], row_size(x.shape()),
                       numbers.data<std::int64_t>(), numbers.numel(), y.mutable_data(x.dtype()));
  return y;
}

/// `rows` (numbers, …) put at their numbers among `count` rows of zeros.
Tensor rows_put(const Tensor& rows, const Tensor& numbers, std::int64_t count) {
  return index_add(zeros(with_rows(rows.shape(), count), rows.dtype()), 0, numbers, rows);
}

/// segment_first and segment_last: one row of each segment that is not empty.
template <class RowOf>
Tensor one_row_each(const OpInfo& info, const Tensor& x, const Segments& segments, const RowOf& row_of) {
  check_rows(info.name, x, segments);
  std::vector<std::int64_t> filled, chosen;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    if (segments.length(b) == 0) continue;
    filled.push_back(b);
    chosen.push_back(row_of(b));
  }
  const Tensor places = tensor(filled), rows = tensor(chosen);
  const Tensor found = rows_at(x, rows);
  Tensor y = found;
  if (std::ssize(filled) < segments.count()) {
    y = zeros(with_rows(x.shape(), segments.count()), x.dtype());
    const std::size_t bytes = static_cast<std::size_t>(row_size(x.shape())) * size_of(x.dtype());
    const auto* from = static_cast<const char*>(found.data(x.dtype()));
    auto* to = static_cast<char*>(y.mutable_data(x.dtype()));
    for (std::size_t i = 0; i < filled.size() && bytes > 0; ++i)
      std::memcpy(to + static_cast<std::size_t>(filled[i]) * bytes, from + i * bytes, bytes);
  }
  return record(info, {x}, y, [&] {
    return Gradient::of_ops({places, rows}, [count = segments.rows()](const BackwardContext& context) -> TensorList {
      return {rows_put(index_select(context.grad_output(), 0, context.saved(0)), context.saved(1), count)};
    });
  });
}

/// The numbers of all rows, those of each segment in the opposite order.
Tensor reversed_rows(const Segments& segments) {
  const Tensor numbers = Tensor::empty({segments.rows()}, int64);
  std::int64_t* out = numbers.mutable_data<std::int64_t>();
  for (std::int64_t b = 0; b < segments.count(); ++b)
    for (std::int64_t row = segments.end(b); row-- > segments.begin(b);) *out++ = row;
  return numbers;
}

}  // namespace

Tensor segment_first(const Tensor& x, const Segments& segments) {
  return one_row_each(segment_first_info, x, segments, [&](std::int64_t b) { return segments.begin(b); });
}

Tensor segment_last(const Tensor& x, const Segments& segments) {
  return one_row_each(segment_last_info, x, segments, [&](std::int64_t b) { return segments.end(b) - 1; });
}

Tensor segment_reverse(const Tensor& x, const Segments& segments) {
  check_rows("segment_reverse", x, segments);
  return record_linear(segment_reverse_info, x, rows_at(x, reversed_rows(segments)),
                       [segments](const Tensor& g) { return segment_reverse(g, segments); });
}

PackedRows segment_select(const Tensor& x, const Segments& segments, const Tensor& index) {
  check_rows("segment_select", x, segments);
  if (index.rank() != 1)
    fail(ErrorKind::shape, "segment_select: the index must have one dimension; got shape {}", index.shape());
  const Tensor chosen = checked_indices("segment_select", index, segments.count());
  std::vector<std::int64_t> lengths, numbers;
  for (const std::int64_t b : chosen.to_vector<std::int64_t>()) {
    lengths.push_back(segments.length(b));
    for (std::int64_t row = segments.begin(b); row < segments.end(b); ++row) numbers.push_back(row);
  }
  const Tensor rows = tensor(numbers);
  const Tensor y = record(segment_select_info, {x}, rows_at(x, rows), [&] {
    return Gradient::of_ops({rows}, [count = segments.rows()](const BackwardContext& context) -> TensorList {
      return {rows_put(context.grad_output(), context.saved(0), count)};
    });
  });
  return {y, Segments::from_lengths(lengths)};
}

PackedRows segment_concat(const Tensor& first, const Segments& first_segments, const Tensor& second,
                          const Segments& second_segments) {
  check_rows("segment_concat", first, first_segments);
  check_rows("segment_concat", second, second_segments);
  if (first_segments.count() != second_segments.count())
    fail(ErrorKind::shape, "segment_concat: the batches differ in their number of segments; got {} and {}",
         first_segments, second_segments);
  if (first.dtype() != second.dtype())
    fail(ErrorKind::dtype, "segment_concat: dtypes differ; got {} and {}", first.dtype(), second.dtype());
  if (with_rows(first.shape(), 0) != with_rows(second.shape(), 0))
    fail(ErrorKind::shape, "segment_concat: rows differ in shape; got {} and {}", first.shape(), second.shape());
  // Where each batch's rows go, and so where each row of the result comes from when one lies behind the other.
  const std::int64_t offset = first_segments.rows();
  std::vector<std::int64_t> lengths, sources, first_places, second_places;
  const auto append = [&](std::int64_t row, std::int64_t shift, std::vector<std::int64_t>& places) {
    places.push_back(std::ssize(sources));
    sources.push_back(row + shift);
  };
  for (std::int64_t b = 0; b < first_segments.count(); ++b) {
    lengths.push_back(first_segments.length(b) + second_segments.length(b));
    for (std::int64_t row = first_segments.begin(b); row < first_segments.end(b); ++row) append(row, 0, first_places);
    for (std::int64_t row = second_segments.begin(b); row < second_segments.end(b); ++row)
      append(row, offset, second_places);
  }
  const Tensor y = rows_at(cat({first.detach(), second.detach()}), tensor(sources));
  const Tensor rows = record(segment_concat_info, {first, second}, y, [&] {
    return Gradient::of_ops({tensor(first_places), tensor(second_places)},
                            [](const BackwardContext& context) -> TensorList {
                              TensorList gradients(2);
                              for (std::size_t i = 0; i < 2; ++i)
                                if (context.needs_grad(i))
                                  gradients[i] = index_select(context.grad_output(), 0, context.saved(i));
                              return gradients;
                            });
  });
  return {rows, Segments::from_lengths(lengths)};
}

OpList segment_rearrange_ops() {
  return {&segment_first_info, &segment_last_info, &segment_reverse_info, &segment_select_info, &segment_concat_info};
}

}  // namespace saw
