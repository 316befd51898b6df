#include "saw/autograd/base/segments.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"

namespace saw {

Segments::Segments() : Segments(std::vector<std::int64_t>{0}) {}

Segments::Segments(std::vector<std::int64_t> offsets) {
  if (offsets.empty() || offsets.front() != 0)
    fail(ErrorKind::argument, "Segments: offsets must begin with 0; got {}",
         offsets.empty() ? std::string("none") : std::to_string(offsets.front()));
  for (std::size_t i = 1; i < offsets.size(); ++i)
    if (offsets[i] < offsets[i - 1])
      fail(ErrorKind::argument, "Segments: offsets must not decrease; got {} after {} at position {}", offsets[i],
           offsets[i - 1], i);
  offsets_ = std::make_shared<const std::vector<std::int64_t>>(std::move(offsets));
}

Segments Segments::from_lengths(std::span<const std::int64_t> lengths) {
  std::vector<std::int64_t> offsets{0};
  offsets.reserve(lengths.size() + 1);
  for (const std::int64_t length : lengths) {
    if (length < 0)
      fail(ErrorKind::argument, "Segments: a length must not be negative; got {} at position {}", length,
           offsets.size() - 1);
    std::int64_t end = 0;
    if (__builtin_add_overflow(offsets.back(), length, &end))
      fail(ErrorKind::argument, "Segments: more rows than can be counted; got length {} at position {} after {} rows",
           length, offsets.size() - 1, offsets.back());
    offsets.push_back(end);
  }
  return Segments(std::move(offsets));
}

Segments Segments::from_lengths(std::initializer_list<std::int64_t> lengths) {
  return from_lengths(std::span(lengths.begin(), lengths.size()));
}

Segments Segments::single(std::int64_t rows) { return from_lengths({rows}); }

std::int64_t Segments::max_length() const {
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < count(); ++b) longest = std::max(longest, length(b));
  return longest;
}

std::vector<std::int64_t> Segments::lengths() const {
  std::vector<std::int64_t> result(static_cast<std::size_t>(count()));
  for (std::int64_t b = 0; b < count(); ++b) result[static_cast<std::size_t>(b)] = length(b);
  return result;
}

std::vector<std::int64_t> Segments::segment_of_row() const {
  std::vector<std::int64_t> result(static_cast<std::size_t>(rows()));
  for (std::int64_t b = 0; b < count(); ++b) std::fill(result.begin() + begin(b), result.begin() + end(b), b);
  return result;
}

}  // namespace saw
