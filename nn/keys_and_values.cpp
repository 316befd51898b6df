#include "saw/nn/keys_and_values.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/internal/row_order.h"

namespace saw::nn {
namespace {

KeysAndValues in_order(const Tensor& key, const Tensor& value, const RowOrder& order) {
  return {index_select(key, 0, order.rows), index_select(value, 0, order.rows), order.segments};
}

}  // namespace

KeysAndValues KeysAndValues::append(const KeysAndValues& more) const {
  if (segments.count() != more.segments.count())
    fail(ErrorKind::shape, "KeysAndValues: different numbers of segments; got {} and {}", segments.count(),
         more.segments.count());
  const Tensor keys = cat({key, more.key}), values = cat({value, more.value});
  if (segments.count() == 1) return {keys, values, Segments::single(segments.rows() + more.segments.rows())};
  return in_order(keys, values, appended_rows(segments, more.segments));
}

KeysAndValues KeysAndValues::last(std::int64_t rows) const {
  if (segments.max_length() <= rows) return *this;
  return in_order(key, value, last_rows(segments, rows));
}

KeysAndValues KeysAndValues::select(std::span<const std::int64_t> numbers) const {
  return in_order(key, value, rows_of_segments(segments, numbers));
}

}  // namespace saw::nn
