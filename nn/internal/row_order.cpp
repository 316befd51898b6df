#include "saw/nn/internal/row_order.h"

#include <algorithm>
#include <vector>

#include "saw/autograd/ops/creation.h"

namespace saw::nn {
namespace {

/// Collects rows segment by segment.
class Collector {
 public:
  void add(std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) rows_.push_back(row);
  }
  void end_segment() {
    const auto count = static_cast<std::int64_t>(rows_.size());
    lengths_.push_back(count - before_);
    before_ = count;
  }
  RowOrder order() const { return {tensor(rows_), Segments::from_lengths(lengths_)}; }

 private:
  std::vector<std::int64_t> rows_, lengths_;
  std::int64_t before_ = 0;  // rows of the segments that have ended
};

}  // namespace

RowOrder appended_rows(const Segments& kept, const Segments& more) {
  Collector result;
  for (std::int64_t b = 0; b < kept.count(); ++b) {
    result.add(kept.begin(b), kept.end(b));
    result.add(kept.rows() + more.begin(b), kept.rows() + more.end(b));
    result.end_segment();
  }
  return result.order();
}

RowOrder last_rows(const Segments& segments, std::int64_t count) {
  Collector result;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    result.add(segments.end(b) - std::min(count, segments.length(b)), segments.end(b));
    result.end_segment();
  }
  return result.order();
}

Tensor last_rows(const Segments& segments, const Segments& counts) {
  Collector result;
  for (std::int64_t b = 0; b < segments.count(); ++b) result.add(segments.end(b) - counts.length(b), segments.end(b));
  return result.order().rows;
}

RowOrder rows_of_segments(const Segments& segments, std::span<const std::int64_t> numbers) {
  Collector result;
  for (const std::int64_t b : numbers) {
    result.add(segments.begin(b), segments.end(b));
    result.end_segment();
  }
  return result.order();
}

}  // namespace saw::nn
