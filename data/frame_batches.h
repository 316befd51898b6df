#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/batch_plan.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Packed frames of a few utterances.
struct FrameBatch {
  Tensor frames;                         ///< (N, features) float32
  Segments segments;                     ///< one per utterance
  std::vector<std::int64_t> utterances;  ///< their numbers
};

/// How FrameBatches cuts and reads.
struct FrameBatchOptions {
  std::int64_t batch = 32;  ///< utterances in a batch
  std::int64_t crop = 0;    ///< a random stretch of so many frames of each, all of a shorter one; 0: whole utterances
  std::uint64_t seed = 0;   ///< order, crops and augmentation are functions of it and of the batch's number
  bool skip_bad = false;    ///< leave utterances out that cannot be read instead of throwing
  std::int64_t read_ahead = 4;  ///< batches that are made ready in the background; 0: no thread
};

/// Features of utterance i: (frames, features) float32, at least one frame. Called on a background thread.
using FrameSource = std::function<Tensor(std::int64_t utterance)>;
/// What is done to a crop: SpecAugment, noise, … Called on a background thread; random numbers come from the generator,
/// so that they depend on the seed and the batch alone. The crop may share the source's memory: it is not changed in
/// place.
using FrameTransform = std::function<Tensor(const Tensor& frames, Generator& generator)>;

/// An endless stream of random batches for training: passes over all utterances in a new order each time, in batches of
/// equal size (what is left over begins the next pass), read and cropped on a background thread. Memory is bounded by
/// the batches read ahead. The batches are the same for every read_ahead and every number of threads.
///
///   data::FrameBatches batches(count, source, {.batch = 32, .crop = 128, .seed = seed});
///   data::FrameBatch batch = batches.next();
///
/// With skip_bad an utterance for which the source throws saw::Error is left out from then on, and the next one takes
/// its place; when none is left, that is an error.
class FrameBatches {
 public:
  /// Throws Error(argument) for a count or batch below 1, a negative crop or read_ahead, a source that is empty.
  FrameBatches(std::int64_t count, FrameSource source, const FrameBatchOptions& options, FrameTransform transform = {});
  /// Waits for the utterance that is being read, if any, not for more.
  ~FrameBatches();

  /// The next batch. Rethrows what reading threw, once the batches before it are used up, and then on every call.
  FrameBatch next();

  /// Of the batch that next() will give; what was left out with skip_bad is found again after a restart.
  BatchPosition position() const;
  /// Goes on with the batch at that position. Throws Error(argument) where it belongs to other data or other options.
  void restore(const BatchPosition& position);

  /// An utterance that was left out, and why.
  struct Skipped {
    std::int64_t utterance;  ///< its number
    std::string reason;      ///< the error's text
  };
  /// With skip_bad: what was left out so far, each once.
  std::vector<Skipped> skipped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whole utterances as one batch, for evaluation; token_batches says which to take together:
///
///   for (const auto& numbers : data::token_batches(lengths, {.tokens = 20000, .bucket = 0}))   // sorted by length
///     … data::frame_batch(source, numbers) …
///
/// Throws what the source throws, and Error(shape) or Error(dtype) where features are not (frames ≥ 1, features)
/// float32 of one width.
FrameBatch frame_batch(const FrameSource& source, std::span<const std::int64_t> utterances);

}  // namespace data
}  // namespace saw
