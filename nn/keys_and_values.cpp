#include "saw/nn/keys_and_values.h"

#include <iterator>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/kernels/attention_task.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/segment_rearrange.h"
#include "saw/nn/internal/last_rows.h"

namespace saw::nn {

KeysAndValues KeysAndValues::append(const KeysAndValues& more) const {
  if (segments.count() != more.segments.count())
    fail(ErrorKind::shape, "KeysAndValues: different numbers of segments; got {} and {}", segments.count(),
         more.segments.count());
  const PackedRows keys = segment_concat(key, segments, more.key, more.segments);
  return {keys.rows, segment_concat(value, segments, more.value, more.segments).rows, keys.segments};
}

KeysAndValues KeysAndValues::last(std::int64_t rows) const {
  if (segments.max_length() <= rows) return *this;
  const Segments kept = shortened(segments, rows);
  return {last_rows(key, segments, kept), last_rows(value, segments, kept), kept};
}

KeysAndValues KeysAndValues::last_tiles(std::int64_t rows) const {
  std::vector<std::int64_t> lengths = segments.lengths();
  for (std::int64_t& length : lengths)
    if (length > rows) length -= (length - rows) / kernels::attention_key_tile * kernels::attention_key_tile;
  const Segments kept = Segments::from_lengths(lengths);
  if (kept.rows() == segments.rows()) return *this;
  return {last_rows(key, segments, kept), last_rows(value, segments, kept), kept};
}

KeysAndValues KeysAndValues::select(std::span<const std::int64_t> numbers) const {
  if (!key.defined()) return {};
  bool is_all = std::ssize(numbers) == segments.count();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 0 || numbers[i] >= segments.count())
      fail(ErrorKind::index, "KeysAndValues.select: no such segment; got {}; expected 0 to {}", numbers[i],
           segments.count() - 1);
    is_all = is_all && numbers[i] == static_cast<std::int64_t>(i);
  }
  if (is_all) return *this;
  const Tensor index = tensor(std::vector<std::int64_t>(numbers.begin(), numbers.end()));
  const PackedRows keys = segment_select(key, segments, index);
  return {keys.rows, segment_select(value, segments, index).rows, keys.segments};
}

}  // namespace saw::nn
