#include "saw/data/frame_batches.h"

#include <mutex>
#include <numeric>
#include <optional>
#include <stop_token>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/shape.h"
#include "saw/data/internal/batch_position.h"
#include "saw/data/internal/fnv.h"
#include "saw/data/internal/read_ahead.h"
#include "saw/data/internal/shuffle.h"

namespace saw {
namespace data {
namespace {

// Streams of random numbers that nothing else which is given the same seed will use: initialisation and dropout
// count up from 0.
constexpr std::uint64_t order_streams = std::uint64_t{3} << 62;  // one for each pass
constexpr std::uint64_t batch_streams = std::uint64_t{1} << 63;  // 2³² for each batch

/// `width`: the features that others have; 0 when there are no others.
void check_frames(const char* from, std::int64_t utterance, const Tensor& frames, std::int64_t width) {
  if (!frames.defined()) fail(ErrorKind::argument, "{} gave an undefined tensor for utterance {}", from, utterance);
  if (frames.dtype() != float32)
    fail(ErrorKind::dtype, "{}: features of utterance {}; got {}; expected float32", from, utterance, frames.dtype());
  if (frames.rank() != 2 || frames.numel() == 0)
    fail(ErrorKind::shape, "{}: features of utterance {}; got {}; expected (frames, features), at least one of each",
         from, utterance, frames.shape());
  if (width != 0 && frames.size(1) != width)
    fail(ErrorKind::shape, "{}: features of utterance {}; got {}; expected (frames, {}) as the others have", from,
         utterance, frames.shape(), width);
}

FrameBatch pack(const TensorList& pieces, std::vector<std::int64_t> utterances) {
  std::vector<std::int64_t> lengths;
  for (const Tensor& piece : pieces) lengths.push_back(piece.size(0));
  return {cat(pieces, 0), Segments::from_lengths(lengths), std::move(utterances)};
}

}  // namespace

struct FrameBatches::State {
  State(std::int64_t utterances, FrameSource frame_source, const FrameBatchOptions& frame_options,
        FrameTransform frame_transform)
      : count(utterances),
        source(std::move(frame_source)),
        transform(std::move(frame_transform)),
        options(frame_options),
        order(static_cast<std::size_t>(utterances)),
        position(order.size()),
        bad(order.size(), false) {
    const auto seed = static_cast<std::int64_t>(options.seed);
    fingerprint = Fnv().add(count).add(options.batch).add(options.crop).add(seed).number();
    given = {.example = count, .fingerprint = fingerprint};
  }

  /// A batch, and where the stream is after it.
  struct Made {
    FrameBatch batch;
    BatchPosition after;
  };

  const std::int64_t count;
  const FrameSource source;
  const FrameTransform transform;
  const FrameBatchOptions options;
  std::int64_t fingerprint;

  // What the next batch depends on. One thread at a time has it: the background thread, or without one the caller.
  std::vector<std::int64_t> order;  // of the pass
  std::size_t position;             // in it
  std::uint64_t passes = 0, batches = 0;
  std::vector<bool> bad;
  std::int64_t width = 0;  // of the features; 0 before the first

  BatchPosition given;  // where the caller is

  mutable std::mutex mutex;  // for what the threads share
  std::vector<Skipped> skipped;

  std::unique_ptr<ReadAhead> ahead;  // the last member: it stops before what it uses goes away

  void start();
  void draw_order();
  std::optional<FrameBatch> make_batch(const std::stop_token& stop);
  std::int64_t next_utterance();
  Tensor read(std::int64_t utterance);
  void skip(std::int64_t utterance, const Error& reason);
};

/// Begins to make batches, from where the stream is.
void FrameBatches::State::start() {
  ahead = std::make_unique<ReadAhead>(
      [this](std::int64_t, const std::stop_token& stop) -> ReadAhead::Item {
        std::optional<FrameBatch> batch = make_batch(stop);
        if (!batch) return nullptr;
        const BatchPosition after{.epoch = static_cast<std::int64_t>(passes),
                                  .batch = static_cast<std::int64_t>(batches),
                                  .example = static_cast<std::int64_t>(position),
                                  .width = width,
                                  .fingerprint = fingerprint};
        return std::make_shared<Made>(Made{std::move(*batch), after});
      },
      options.read_ahead, 1);
}

/// Nothing when it was told to stop.
std::optional<FrameBatch> FrameBatches::State::make_batch(const std::stop_token& stop) {
  const NoGradGuard no_grad;
  Generator generator(options.seed, batch_streams | (batches++ << 32));
  TensorList pieces;
  std::vector<std::int64_t> utterances;
  while (std::ssize(pieces) < options.batch) {
    if (stop.stop_requested()) return std::nullopt;
    const std::int64_t utterance = next_utterance();
    Tensor frames = read(utterance);
    if (!frames.defined()) continue;
    const std::int64_t spare = options.crop > 0 ? frames.size(0) - options.crop : 0;
    if (spare > 0) {
      const std::int64_t begin = RandomStream(generator).integer(0, 0, spare + 1);
      frames = frames.slice(0, begin, begin + options.crop).clone();  // lets go of the rest
    }
    if (transform) {
      frames = transform(frames, generator);
      check_frames("frame_batches: transform", utterance, frames, pieces.empty() ? 0 : pieces[0].size(1));
    }
    pieces.push_back(std::move(frames));
    utterances.push_back(utterance);
  }
  return pack(pieces, std::move(utterances));
}

/// The order of the current pass, the first of which is number 1.
void FrameBatches::State::draw_order() {
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, RandomStream(options.seed, order_streams | (passes - 1)));
}

std::int64_t FrameBatches::State::next_utterance() {
  for (;;) {
    if (position == order.size()) {
      ++passes;
      draw_order();
      position = 0;
    }
    const std::int64_t utterance = order[position++];
    if (!bad[static_cast<std::size_t>(utterance)]) return utterance;
  }
}

/// The features of an utterance; undefined when it was skipped.
Tensor FrameBatches::State::read(std::int64_t utterance) {
  try {
    Tensor frames = source(utterance);
    check_frames("frame_batches: source", utterance, frames, width);
    width = frames.size(1);
    return frames;
  } catch (const Error& reason) {
    if (!options.skip_bad || reason.kind() == ErrorKind::internal || reason.kind() == ErrorKind::memory) throw;
    skip(utterance, reason);
    return {};
  }
}

void FrameBatches::State::skip(std::int64_t utterance, const Error& reason) {
  bad[static_cast<std::size_t>(utterance)] = true;
  const std::lock_guard lock(mutex);
  skipped.push_back({utterance, reason.what()});
  if (std::ssize(skipped) == count)
    fail(ErrorKind::io, "frame_batches: none of the {} utterances can be read; the first: {}", count,
         skipped.front().reason);
}

FrameBatches::FrameBatches(std::int64_t count, FrameSource source, const FrameBatchOptions& options,
                           FrameTransform transform) {
  const auto check = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) fail(ErrorKind::argument, "frame_batches: {}; got {}; expected at least {}", name, value, least);
  };
  check("number of utterances", count, 1);
  check("batch", options.batch, 1);
  check("crop", options.crop, 0);
  check("read_ahead", options.read_ahead, 0);
  if (!source) fail(ErrorKind::argument, "frame_batches: the source is empty");
  state_ = std::make_unique<State>(count, std::move(source), options, std::move(transform));
  state_->start();
}

FrameBatches::~FrameBatches() = default;

FrameBatch FrameBatches::next() {
  const auto made = std::static_pointer_cast<State::Made>(state_->ahead->next());
  state_->given = made->after;
  return std::move(made->batch);
}

BatchPosition FrameBatches::position() const { return state_->given; }

void FrameBatches::restore(const BatchPosition& position) {
  State& state = *state_;
  check_belongs("frame_batches", position, state.fingerprint, "the number of utterances, batch, crop and seed");
  const bool possible = position.epoch >= 0 && position.batch >= 0 && position.width >= 0 && position.example >= 0 &&
                        position.example <= state.count && (position.epoch > 0 || position.example == state.count);
  if (!possible) fail(ErrorKind::argument, "frame_batches: not a position; got {}", to_string(position));
  state.ahead.reset();  // from here on this thread has the state
  state.passes = static_cast<std::uint64_t>(position.epoch);
  state.batches = static_cast<std::uint64_t>(position.batch);
  state.position = static_cast<std::size_t>(position.example);
  state.width = position.width;
  if (state.passes > 0) state.draw_order();
  state.given = position;
  state.start();
}

std::vector<FrameBatches::Skipped> FrameBatches::skipped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->skipped;
}

FrameBatch frame_batch(const FrameSource& source, std::span<const std::int64_t> utterances) {
  const NoGradGuard no_grad;
  TensorList pieces;
  for (const std::int64_t utterance : utterances) {
    pieces.push_back(source(utterance));
    check_frames("frame_batch: source", utterance, pieces.back(), pieces[0].defined() ? pieces[0].size(1) : 0);
  }
  return pack(pieces, {utterances.begin(), utterances.end()});
}

}  // namespace data
}  // namespace saw
