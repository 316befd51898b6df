#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/data/batch_plan.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Which sentences come together in which order: for token_batches().
struct BatchOptions {
  std::int64_t tokens = 2048;  ///< at most so many rows in a batch; a longer sentence has a batch of its own
  std::optional<std::uint64_t> shuffle_seed = {};  ///< without one, nothing is random
  std::uint64_t epoch = 0;                         ///< another order for each, from the same seed
  std::int64_t bucket = 512;   ///< so many sentences (0: all) are sorted by length before they are cut into batches;
                               ///< 1 leaves the order alone
  std::int64_t sentences = 0;  ///< at most so many sentences in a batch; 0: no limit
};

/// Batches of sentences of the given lengths, as lists of their numbers; every number occurs exactly once: an epoch of
/// a BatchPlan. Throws Error(argument) for a negative length, a budget below 1, a negative bucket or limit.
std::vector<std::vector<std::int64_t>> token_batches(std::span<const std::int64_t> lengths,
                                                     const BatchOptions& options = {});

/// An example that was left out, and what was wrong with it.
struct SkippedExample {
  std::int64_t example;  ///< its number
  std::string reason;    ///< the error's text
};

/// Batches without their type, of which Batches<Batch> is made.
class BatchQueue {
 public:
  using Item = std::shared_ptr<void>;  ///< a batch, whatever it is
  /// From the numbers of the examples to their batch, with a generator of the batch's own.
  using Make = std::function<Item(std::span<const std::int64_t> numbers, Generator& generator)>;

  /// What follows is described in Batches, which has the same functions.
  BatchQueue(Lengths lengths, Make make, const BatchesOptions& options);
  ~BatchQueue();
  BatchQueue(BatchQueue&&) noexcept;
  BatchQueue& operator=(BatchQueue&&) noexcept;

  Item next();                                              ///< see Batches::next()
  const std::vector<std::int64_t>& numbers() const;         ///< see Batches::numbers()
  std::int64_t steps() const;                               ///< see Batches::steps()
  std::int64_t steps_of_epochs(std::int64_t epochs) const;  ///< see Batches::steps_of_epochs()
  BatchPosition position() const;                           ///< see Batches::position()
  void restore(const BatchPosition& position);              ///< see Batches::restore()
  std::vector<SkippedExample> skipped() const;              ///< see Batches::skipped()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Batches of anything that can be numbered, for epoch after epoch: the numbers of each come from a BatchPlan, and a
/// function of one's own makes them into a batch, ahead of time and on other threads.
///
///   data::Batches batches(lengths, [&](std::span<const std::int64_t> numbers) { return make_batch(corpus, numbers); },
///                         {.rows = 2048, .seed = seed});
///   while (batches.position().epoch < epochs)
///     for (Batch& batch : batches.epoch()) …                  // what is left of the current epoch
///
/// The function may take a Generator& after the numbers, for augmentation; it depends on seed, epoch and the batch's
/// number alone, as does default_generator() within the function. So a batch is the same whatever is read ahead, with
/// however many threads, and after a restart. With `threads` above 1 several threads call the function at once. Nothing
/// is recorded for gradients in it.
///
/// With skip_bad, examples for which the function throws saw::Error (other than internal and memory) are found one by
/// one and left out from then on. A batch of which nothing is left is replaced by the one after it: the number of steps
/// stays.
///
/// Memory is bounded by the batches read ahead. What the function throws comes out of next(), once the batches before
/// it are used up, and then on every call.
template <class Batch>
class Batches {
 public:
  /// `make`: numbers → Batch, or (numbers, generator) → Batch. Throws Error(argument) as BatchPlan does, and for a
  /// negative read_ahead or less than one thread.
  template <class Make>
  Batches(Lengths lengths, Make make, const BatchesOptions& options)
      : queue_(
            std::move(lengths),
            [make = std::move(make)](std::span<const std::int64_t> numbers, Generator& generator) -> BatchQueue::Item {
              if constexpr (std::is_invocable_v<const Make&, std::span<const std::int64_t>, Generator&>)
                return std::make_shared<Batch>(make(numbers, generator));
              else
                return std::make_shared<Batch>(make(numbers));
            },
            options) {}

  /// The next batch; after an epoch's last comes the first of the next.
  Batch next() { return std::move(*static_cast<Batch*>(queue_.next().get())); }
  /// The examples of the batch that next() gave last.
  const std::vector<std::int64_t>& numbers() const { return queue_.numbers(); }
  /// How many batches the current epoch has, the one that the next batch belongs to.
  std::int64_t steps() const { return queue_.steps(); }
  /// How many batches the first `epochs` epochs have together: the steps of a training.
  std::int64_t steps_of_epochs(std::int64_t epochs) const { return queue_.steps_of_epochs(epochs); }
  /// Of the batch that next() will give.
  BatchPosition position() const { return queue_.position(); }
  /// Goes on with the batch at that position. Throws Error(argument) where it belongs to other data or other options.
  void restore(const BatchPosition& position) { queue_.restore(position); }
  /// With skip_bad: what was left out so far, each once.
  std::vector<SkippedExample> skipped() const { return queue_.skipped(); }

  /// What is left of the current epoch: for (Batch& batch : batches.epoch()) …
  class Epoch {
   public:
    class Iterator {
     public:
      using iterator_category = std::input_iterator_tag;
      using value_type = Batch;
      using difference_type = std::ptrdiff_t;
      using pointer = Batch*;
      using reference = Batch&;

      Iterator() = default;
      Iterator(Batches& batches, std::int64_t epoch) : batches_(&batches), epoch_(epoch) { advance(); }
      Batch& operator*() { return *batch_; }
      Iterator& operator++() {
        advance();
        return *this;
      }
      /// Whether both are at the end.
      bool operator==(const Iterator& other) const { return batch_.has_value() == other.batch_.has_value(); }

     private:
      void advance() {
        batch_.reset();  // before the next one is waited for: memory
        if (batches_->position().epoch == epoch_) batch_ = batches_->next();
      }

      Batches* batches_ = nullptr;
      std::int64_t epoch_ = 0;
      std::optional<Batch> batch_;
    };

    explicit Epoch(Batches& batches) : batches_(&batches), epoch_(batches.position().epoch) {}
    Iterator begin() { return {*batches_, epoch_}; }
    Iterator end() { return {}; }

   private:
    Batches* batches_;
    std::int64_t epoch_;
  };
  Epoch epoch() { return Epoch(*this); }  ///< for the loop over the batches of an epoch

 private:
  BatchQueue queue_;
};

/// What a function makes of numbers, with or without a generator.
template <class Make>
struct MadeBatch {
  using type = std::invoke_result_t<const Make&, std::span<const std::int64_t>>;  ///< without a generator
};
/// With a generator.
template <class Make>
requires std::is_invocable_v<const Make&, std::span<const std::int64_t>, Generator&> struct MadeBatch<Make> {
  using type = std::invoke_result_t<const Make&, std::span<const std::int64_t>, Generator&>;  ///< with one
};

/// The type of the batches is that which the function gives.
template <class Make>
Batches(Lengths, Make, BatchesOptions) -> Batches<typename MadeBatch<Make>::type>;

}  // namespace data
}  // namespace saw
