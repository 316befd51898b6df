#pragma once

#include <cstdint>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/batch_plan.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// How a long text is cut.
struct TextStreamOptions {
  std::int64_t streams = 32;  ///< parts of the text that are read side by side, all ranks together
  std::int64_t steps = 64;    ///< rows of each stream in a block: how far gradients go back
  std::int64_t rank = 0;      ///< of this process among those that train together
  std::int64_t ranks = 1;     ///< each has its part of the streams, at least one
};

/// The next rows of each stream. Segment b goes on where segment b of the block before ended, so that the state of a
/// recurrent net after its last row is the one to begin with here.
struct TextBlock {
  Tensor inputs;      ///< (N) int64
  Tensor targets;     ///< (N) int64: the row that follows each input in the text
  Segments segments;  ///< one for each stream; of `steps` rows, in an epoch's last block of what is left (perhaps none)
  bool first = false;  ///< the first block of an epoch: the state begins anew
};

/// A long text for truncated backpropagation through time (Williams and Peng 1990): cut into contiguous streams of
/// equal length (one off at most), which are read side by side, block by block, epoch after epoch. Every row of the
/// text but its last is an input exactly once in an epoch; nothing is dropped.
///
///   data::TextStreams streams(ids, {.streams = 32, .steps = 64});
///   for (State state; streams.position().epoch < epochs;) {
///     const data::TextBlock block = streams.next();
///     if (block.first) state = {};
///     … model.forward(block.inputs, block.segments, state) …
///   }
class TextStreams {
 public:
  /// Throws Error(argument) for options below 1, a rank out of range, fewer streams than ranks, or a text of fewer rows
  /// than streams and one more.
  explicit TextStreams(std::vector<std::int64_t> text, const TextStreamOptions& options = {});

  /// The next block; after an epoch's last comes the first of the next.
  TextBlock next();
  /// Blocks in an epoch.
  std::int64_t steps() const { return blocks_; }
  /// Streams of this rank.
  std::int64_t streams() const { return last_stream_ - first_stream_; }
  /// Of the block that next() will give.
  BatchPosition position() const { return {.epoch = epoch_, .batch = block_, .fingerprint = fingerprint_}; }
  /// Goes on with the block at that position. The state that is carried on is the caller's to save. Throws
  /// Error(argument) where it belongs to another text or other options.
  void restore(const BatchPosition& position);

 private:
  /// Where a stream begins; the streams' end for the number of streams.
  std::int64_t begin_of(std::int64_t stream) const;

  std::vector<std::int64_t> text_;
  TextStreamOptions options_;
  std::int64_t first_stream_, last_stream_;  // of this rank
  std::int64_t blocks_;
  std::int64_t fingerprint_;
  std::int64_t epoch_ = 0, block_ = 0;
};

}  // namespace data
}  // namespace saw
