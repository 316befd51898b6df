#include "saw/nn/keys_and_values.h"

#include <iterator>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/shape.h"

namespace saw::nn {

KeysAndValues KeysAndValues::append(const KeysAndValues& more) const {
  if (segments.count() != more.segments.count())
    fail(ErrorKind::shape, "KeysAndValues: different numbers of segments; got {} and {}", segments.count(),
         more.segments.count());
  if (segments.count() == 1)
    return {cat({key, more.key}), cat({value, more.value}), Segments::single(segments.rows() + more.segments.rows())};
  std::vector<std::int64_t> rows, lengths;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    for (std::int64_t row = segments.begin(b); row < segments.end(b); ++row) rows.push_back(row);
    for (std::int64_t row = more.segments.begin(b); row < more.segments.end(b); ++row)
      rows.push_back(segments.rows() + row);
    lengths.push_back(segments.length(b) + more.segments.length(b));
  }
  const Tensor order = tensor(rows);
  return {index_select(cat({key, more.key}), 0, order), index_select(cat({value, more.value}), 0, order),
          Segments::from_lengths(lengths)};
}

KeysAndValues KeysAndValues::select(std::span<const std::int64_t> numbers) const {
  if (!key.defined()) return {};
  bool is_all = std::ssize(numbers) == segments.count();
  std::vector<std::int64_t> rows, lengths;
  for (const std::int64_t number : numbers) {
    if (number < 0 || number >= segments.count())
      fail(ErrorKind::index, "KeysAndValues.select: no such segment; got {}; expected 0 to {}", number,
           segments.count() - 1);
    is_all = is_all && number == std::ssize(lengths);
    for (std::int64_t row = segments.begin(number); row < segments.end(number); ++row) rows.push_back(row);
    lengths.push_back(segments.length(number));
  }
  if (is_all) return *this;
  const Tensor order = tensor(rows);
  return {index_select(key, 0, order), index_select(value, 0, order), Segments::from_lengths(lengths)};
}

}  // namespace saw::nn
