#include "saw/data/batches.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <mutex>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/internal/batch_position.h"
#include "saw/data/internal/read_ahead.h"

namespace saw {
namespace data {
namespace {

using Numbers = std::vector<std::int64_t>;

// Streams of random numbers that nothing else which is given the same seed will use: initialisation and dropout count
// up from 0. Each batch has 2³² of them, and default_generator() others.
constexpr std::uint64_t epoch_seeds = std::uint64_t{7} << 61;
constexpr std::uint64_t batch_streams = std::uint64_t{1} << 63;
constexpr std::uint64_t default_streams = std::uint64_t{1} << 62;

/// A batch and where it stands.
struct Made {
  BatchQueue::Item batch;
  Numbers numbers;
};

/// The batches of an epoch, and how many items came before it.
struct Epoch {
  std::int64_t epoch;
  std::int64_t first_item;  // of the ReadAhead; negative where the epoch was entered in its middle
  std::shared_ptr<const std::vector<Numbers>> batches;
};

bool is_skippable(const Error& error) {
  return error.kind() != ErrorKind::internal && error.kind() != ErrorKind::memory;
}

}  // namespace

std::vector<Numbers> token_batches(std::span<const std::int64_t> lengths, const BatchOptions& options) {
  if (options.tokens < 1)
    fail(ErrorKind::argument, "token_batches: tokens; got {}; expected at least 1", options.tokens);
  if (options.bucket < 0)
    fail(ErrorKind::argument, "token_batches: bucket; got {}; expected at least 0", options.bucket);
  if (options.sentences < 0)
    fail(ErrorKind::argument, "token_batches: sentences; got {}; expected at least 0", options.sentences);
  for (std::size_t i = 0; i < lengths.size(); ++i)
    if (lengths[i] < 0)
      fail(ErrorKind::argument, "token_batches: length of sentence {}; got {}; expected at least 0", i, lengths[i]);
  if (lengths.empty()) return {};
  return BatchPlan(Numbers(lengths.begin(), lengths.end()), {.rows = options.tokens,
                                                             .examples = options.sentences,
                                                             .bucket = options.bucket,
                                                             .shuffle = options.shuffle_seed.has_value(),
                                                             .seed = options.shuffle_seed.value_or(0)})
      .epoch(static_cast<std::int64_t>(options.epoch));
}

struct BatchQueue::State {
  State(Lengths lengths, Make function, const BatchesOptions& batches_options)
      : plan(std::move(lengths), batches_options),
        make(std::move(function)),
        options(batches_options),
        fingerprint(plan.fingerprint()),
        bad(static_cast<std::size_t>(plan.lengths().count()), false) {}

  const BatchPlan plan;
  const Make make;
  const BatchesOptions options;
  const std::int64_t fingerprint;

  // What the caller's thread has.
  std::int64_t epoch = 0, batch = 0;  // of the next batch
  Numbers numbers;                    // of the last one
  std::int64_t given = 0;             // items taken from `ahead`

  // What all threads have.
  mutable std::mutex mutex;
  std::deque<Epoch> epochs;  // in a row; the first has the next batch
  std::vector<bool> bad;
  std::vector<SkippedExample> skipped;

  std::unique_ptr<ReadAhead> ahead;  // from the first next() on; the last member: it stops before the rest goes away

  Epoch epoch_of_item(std::int64_t item);
  Epoch current();
  Numbers part(const std::vector<Numbers>& batches, std::int64_t number);
  std::shared_ptr<Made> make_item(std::int64_t item);
  Item make_good(Numbers& wanted, std::int64_t of_epoch, std::int64_t number);
  Item call(const Numbers& wanted, std::int64_t of_epoch, std::int64_t number) const;
  bool find_bad(const Numbers& wanted, std::int64_t of_epoch, std::int64_t number);
};

/// The epoch that an item belongs to; those after the known ones are planned.
Epoch BatchQueue::State::epoch_of_item(std::int64_t item) {
  const std::lock_guard lock(mutex);
  if (epochs.empty()) {
    const auto batches = std::make_shared<const std::vector<Numbers>>(plan.epoch(epoch));
    epochs.push_back({epoch, given - batch, batches});
  }
  for (;;) {
    for (const Epoch& each : epochs)
      if (item < each.first_item + std::ssize(*each.batches)) return each;
    const Epoch& last = epochs.back();
    const auto batches = std::make_shared<const std::vector<Numbers>>(plan.epoch(last.epoch + 1));
    epochs.push_back({last.epoch + 1, last.first_item + std::ssize(*last.batches), batches});
  }
}

Epoch BatchQueue::State::current() { return epoch_of_item(given); }

/// This rank's examples of a batch that are not known to be bad.
Numbers BatchQueue::State::part(const std::vector<Numbers>& batches, std::int64_t number) {
  Numbers result = plan.share(batches[static_cast<std::size_t>(number)], options.rank);
  const std::lock_guard lock(mutex);
  std::erase_if(result, [&](std::int64_t example) { return bad[static_cast<std::size_t>(example)]; });
  return result;
}

std::shared_ptr<Made> BatchQueue::State::make_item(std::int64_t item) {
  const Epoch in = epoch_of_item(item);
  const std::int64_t number = item - in.first_item, count = std::ssize(*in.batches);
  for (std::int64_t later = 0; later < count; ++later) {
    Numbers wanted = part(*in.batches, (number + later) % count);
    if (Item made = make_good(wanted, in.epoch, number))
      return std::make_shared<Made>(Made{std::move(made), std::move(wanted)});
  }
  const std::lock_guard lock(mutex);
  fail(ErrorKind::io, "batches: none of the {} examples can be read; the first: {}", plan.lengths().count(),
       skipped.front().reason);
}

/// The batch of those of `wanted` that are good, which are left in it; nothing where none is.
BatchQueue::Item BatchQueue::State::make_good(Numbers& wanted, std::int64_t of_epoch, std::int64_t number) {
  while (!wanted.empty()) {
    try {
      return call(wanted, of_epoch, number);
    } catch (const Error& error) {
      if (!options.skip_bad || !is_skippable(error) || !find_bad(wanted, of_epoch, number)) throw;
    }
    const std::lock_guard lock(mutex);
    std::erase_if(wanted, [&](std::int64_t example) { return bad[static_cast<std::size_t>(example)]; });
  }
  return nullptr;
}

/// Which of the examples cannot be read alone; false where all can.
bool BatchQueue::State::find_bad(const Numbers& wanted, std::int64_t of_epoch, std::int64_t number) {
  bool found = false;
  for (const std::int64_t example : wanted) {
    try {
      call({example}, of_epoch, number);
    } catch (const Error& error) {
      if (!is_skippable(error)) throw;
      const std::lock_guard lock(mutex);
      found = true;
      if (bad[static_cast<std::size_t>(example)]) continue;  // another thread, or twice in a balanced batch
      bad[static_cast<std::size_t>(example)] = true;
      skipped.push_back({example, error.what()});
    }
  }
  return found;
}

BatchQueue::Item BatchQueue::State::call(const Numbers& wanted, std::int64_t of_epoch, std::int64_t number) const {
  const NoGradGuard no_grad;
  const auto global = static_cast<std::uint64_t>(number * options.ranks + options.rank);
  const std::uint64_t seed = RandomStream(options.seed, epoch_seeds).word(static_cast<std::uint64_t>(of_epoch));
  Generator generator(seed, batch_streams | (global << 32));
  const GeneratorGuard guard(Generator(seed, default_streams | (global << 32)));
  return make(wanted, generator);
}

BatchQueue::BatchQueue(Lengths lengths, Make make, const BatchesOptions& options) {
  if (options.read_ahead < 0)
    fail(ErrorKind::argument, "batches: read_ahead; got {}; expected at least 0", options.read_ahead);
  if (options.threads < 1) fail(ErrorKind::argument, "batches: threads; got {}; expected at least 1", options.threads);
  state_ = std::make_unique<State>(std::move(lengths), std::move(make), options);
}

BatchQueue::~BatchQueue() = default;
BatchQueue::BatchQueue(BatchQueue&&) noexcept = default;
BatchQueue& BatchQueue::operator=(BatchQueue&&) noexcept = default;

BatchQueue::Item BatchQueue::next() {
  State& state = *state_;
  if (!state.ahead)
    state.ahead = std::make_unique<ReadAhead>(
        [of = state_.get(), first = state.given](std::int64_t number, const std::stop_token&) -> ReadAhead::Item {
          return of->make_item(first + number);
        },
        state.options.read_ahead, state.options.threads);
  const auto made = std::static_pointer_cast<Made>(state.ahead->next());
  const Epoch in = state.current();
  ++state.given;
  ++state.batch;
  if (state.batch == std::ssize(*in.batches)) {
    ++state.epoch;
    state.batch = 0;
    const std::lock_guard lock(state.mutex);
    state.epochs.pop_front();
  }
  state.numbers = std::move(made->numbers);
  return std::move(made->batch);
}

const Numbers& BatchQueue::numbers() const { return state_->numbers; }

std::int64_t BatchQueue::steps() const { return std::ssize(*state_->current().batches); }

std::int64_t BatchQueue::steps_of_epochs(std::int64_t epochs) const {
  std::int64_t steps = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) steps += std::ssize(state_->plan.epoch(epoch));
  return steps;
}

BatchPosition BatchQueue::position() const {
  return {.epoch = state_->epoch, .batch = state_->batch, .fingerprint = state_->fingerprint};
}

void BatchQueue::restore(const BatchPosition& position) {
  State& state = *state_;
  check_belongs("batches", position, state.fingerprint, "lengths, budget, bucket, seed and labels");
  if (position.epoch < 0) fail(ErrorKind::argument, "batches: epoch; got {}; expected at least 0", position.epoch);
  const auto batches = std::make_shared<const std::vector<Numbers>>(state.plan.epoch(position.epoch));
  if (position.batch < 0 || position.batch >= std::ssize(*batches))
    fail(ErrorKind::argument, "batches: batch {} of epoch {}; expected 0 to {}", position.batch, position.epoch,
         batches->size() - 1);
  state.ahead.reset();
  state.epoch = position.epoch;
  state.batch = position.batch;
  state.numbers.clear();
  state.epochs.clear();
  state.epochs.push_back({position.epoch, state.given - position.batch, batches});
}

std::vector<SkippedExample> BatchQueue::skipped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->skipped;
}

}  // namespace data
}  // namespace saw
