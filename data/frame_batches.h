#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "saw/autograd/random.h"
#include "saw/autograd/segments.h"
#include "saw/autograd/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Packed frames of a few utterances.
struct FrameBatch {
  Tensor frames;                         ///< (N, features) float32
  Segments segments;                     ///< one per utterance
  std::vector<std::int64_t> utterances;  ///< their numbers
};

struct FrameBatchOptions {
  std::int64_t batch = 32;      ///< utterances in a batch
  std::int64_t crop = 0;        ///< a random stretch of so many frames of each, all of a shorter one; 0: whole utterances
  std::uint64_t seed = 0;       ///< order, crops and augmentation are functions of it and of the batch's number
  bool skip_bad = false;        ///< leave utterances out that cannot be read instead of throwing
  std::int64_t read_ahead = 4;  ///< batches that are made ready in the background; 0: no thread
};

/// Features of utterance i: (frames, features) float32. Called on a background thread.
using FrameSource = std::function<Tensor(std::int64_t utterance)>;
/// What is done to a crop: SpecAugment, noise, … Called on a background thread; random numbers come from the stream, so
/// that they depend on the seed and the batch alone.
using FrameTransform = std::function<Tensor(const Tensor& frames, Generator& generator)>;

/// An endless stream of random batches for training: passes over all utterances in a new order each time, in batches of
/// equal size (what is left over begins the next pass), read and cropped on a background thread. Memory is bounded by the
/// batches read ahead.
///
///   data::FrameBatches batches(count, source, {.batch = 32, .crop = 128, .seed = seed});
///   data::FrameBatch batch = batches.next();
class FrameBatches {
 public:
  FrameBatches(std::int64_t count, FrameSource source, const FrameBatchOptions& options, FrameTransform transform = {});
  ~FrameBatches();

  /// The next batch. Rethrows what reading threw.
  FrameBatch next();

  struct Skipped {
    std::int64_t utterance;
    std::string reason;
  };
  /// With skip_bad: what was left out so far, each once.
  std::vector<Skipped> skipped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace data
}  // namespace saw
