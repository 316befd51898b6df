#include "saw/data/text_streams.h"

#include <algorithm>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/literal.h"
#include "saw/data/internal/batch_position.h"
#include "saw/data/internal/fnv.h"

namespace saw {
namespace data {

TextStreams::TextStreams(std::vector<std::int64_t> text, const TextStreamOptions& options)
    : text_(std::move(text)), options_(options) {
  const auto check = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) fail(ErrorKind::argument, "text_streams: {}; got {}; expected at least {}", name, value, least);
  };
  check("streams", options.streams, 1);
  check("steps", options.steps, 1);
  check("ranks", options.ranks, 1);
  if (options.rank < 0 || options.rank >= options.ranks)
    fail(ErrorKind::argument, "text_streams: rank; got {}; expected 0 to {}", options.rank, options.ranks - 1);
  check("streams, one for each rank", options.streams, options.ranks);
  check("rows of the text, one for each stream and one more", std::ssize(text_), options.streams + 1);
  first_stream_ = options.streams * options.rank / options.ranks;
  last_stream_ = options.streams * (options.rank + 1) / options.ranks;
  const std::int64_t longest = (std::ssize(text_) - 1 + options.streams - 1) / options.streams;
  blocks_ = (longest + options.steps - 1) / options.steps;
  fingerprint_ = Fnv().add(text_).add(options.streams).add(options.steps).number();
}

std::int64_t TextStreams::begin_of(std::int64_t stream) const {
  // The first ones are one longer where the text cannot be divided.
  const std::int64_t rows = std::ssize(text_) - 1, each = rows / options_.streams, more = rows % options_.streams;
  return stream * each + std::min(stream, more);
}

TextBlock TextStreams::next() {
  std::vector<std::int64_t> inputs, targets, lengths;
  for (std::int64_t stream = first_stream_; stream < last_stream_; ++stream) {
    const std::int64_t end = begin_of(stream + 1);
    const std::int64_t from = std::min(begin_of(stream) + block_ * options_.steps, end);
    const std::int64_t to = std::min(from + options_.steps, end);
    inputs.insert(inputs.end(), text_.begin() + from, text_.begin() + to);
    targets.insert(targets.end(), text_.begin() + from + 1, text_.begin() + to + 1);
    lengths.push_back(to - from);
  }
  TextBlock block{tensor(inputs), tensor(targets), Segments::from_lengths(lengths), block_ == 0};
  if (++block_ == blocks_) {
    block_ = 0;
    ++epoch_;
  }
  return block;
}

void TextStreams::restore(const BatchPosition& position) {
  check_belongs("text_streams", position, fingerprint_, "text, streams and steps");
  if (position.epoch < 0 || position.batch < 0 || position.batch >= blocks_)
    fail(ErrorKind::argument, "text_streams: not a position; got {}; expected blocks 0 to {}", to_string(position),
         blocks_ - 1);
  epoch_ = position.epoch;
  block_ = position.batch;
}

}  // namespace data
}  // namespace saw
