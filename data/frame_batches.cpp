#include "saw/data/frame_batches.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/shape.h"
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
        bad(order.size(), false) {}

  const std::int64_t count;
  const FrameSource source;
  const FrameTransform transform;
  const FrameBatchOptions options;

  // What the next batch depends on. One thread at a time has it: the background thread, or without one the caller.
  std::vector<std::int64_t> order;  // of the pass
  std::size_t position;             // in it
  std::uint64_t passes = 0, batches = 0;
  std::vector<bool> bad;
  std::int64_t width = 0;  // of the features; 0 before the first

  // What the threads share.
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<FrameBatch> ready;
  std::exception_ptr error;  // the end of the stream
  std::vector<Skipped> skipped;

  std::jthread thread;  // the last member: it stops before what it uses goes away

  void read_ahead(std::stop_token stop);
  bool add_batch(const std::stop_token& stop);
  std::optional<FrameBatch> make_batch(const std::stop_token& stop);
  std::int64_t next_utterance();
  Tensor read(std::int64_t utterance);
  void skip(std::int64_t utterance, const Error& reason);
};

void FrameBatches::State::read_ahead(std::stop_token stop) {
  const auto has_room = [this] { return std::ssize(ready) < options.read_ahead; };
  for (;;) {
    std::unique_lock lock(mutex);
    if (!changed.wait(lock, stop, has_room)) return;
    lock.unlock();
    if (!add_batch(stop)) return;
  }
}

/// Makes one more batch ready; false at the end of the stream.
bool FrameBatches::State::add_batch(const std::stop_token& stop) {
  std::optional<FrameBatch> batch;
  std::exception_ptr thrown;
  try {
    batch = make_batch(stop);
  } catch (...) {
    thrown = std::current_exception();
  }
  const std::lock_guard lock(mutex);
  if (batch) ready.push_back(std::move(*batch));
  error = thrown;
  changed.notify_all();
  return batch.has_value();
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

std::int64_t FrameBatches::State::next_utterance() {
  for (;;) {
    if (position == order.size()) {
      std::iota(order.begin(), order.end(), 0);
      shuffle(order, RandomStream(options.seed, order_streams | passes++));
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
  if (options.read_ahead > 0)
    state_->thread = std::jthread([state = state_.get()](std::stop_token stop) { state->read_ahead(std::move(stop)); });
}

FrameBatches::~FrameBatches() = default;

FrameBatch FrameBatches::next() {
  State& state = *state_;
  if (!state.thread.joinable() && !state.error) state.add_batch({});
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return !state.ready.empty() || state.error; });
  if (state.ready.empty()) std::rethrow_exception(state.error);
  FrameBatch batch = std::move(state.ready.front());
  state.ready.pop_front();
  state.changed.notify_all();
  return batch;
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
