#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// How many rows each example has: one length (the words of a sentence, the frames of an utterance) or several (the
/// words of a source and of its translation). A budget counts them together.
class Lengths {
 public:
  /// One length for each example. Throws Error(argument) for a negative one.
  Lengths(std::vector<std::int64_t> lengths);
  /// Two for each example. Throws Error(argument) for lists of different lengths, for a negative one.
  Lengths(std::vector<std::int64_t> source, std::vector<std::int64_t> target);
  /// Of any number of parts. Throws Error(argument) for none, for lists of different lengths, for a negative length.
  explicit Lengths(std::vector<std::vector<std::int64_t>> parts);
  /// `count` examples of one row each.
  static Lengths of_count(std::int64_t count);

  std::int64_t count() const { return static_cast<std::int64_t>(total_.size()); }  ///< how many examples
  /// Rows of an example, all its parts together.
  std::int64_t total(std::int64_t example) const { return total_[static_cast<std::size_t>(example)]; }
  const std::vector<std::vector<std::int64_t>>& parts() const { return parts_; }  ///< as given: part, then example
  /// Whether a is shorter than b: by the first part, equal ones by the second, and so on.
  bool shorter(std::int64_t a, std::int64_t b) const;

 private:
  std::vector<std::vector<std::int64_t>> parts_;
  std::vector<std::int64_t> total_;
};

/// Which examples come together in which order, and how batches are made: for BatchPlan and Batches.
struct BatchesOptions {
  // Which examples come together, in which order.

  std::int64_t rows = 0;      ///< at most so many rows in a batch; a longer example has one of its own; 0: no limit
  std::int64_t examples = 0;  ///< at most so many examples in a batch; 0: no limit
  std::int64_t bucket = 512;  ///< so many examples (0: all) are sorted by length before they are cut into batches;
                              ///< 1 leaves the order alone
  bool shuffle = true;        ///< another order for each epoch; without, nothing is random
  std::uint64_t seed = 0;     ///< of the orders, the sampling, and the generators that batches are made with
  /// Class-balanced sampling: the label of each example, or empty. An epoch still has as many examples as there are,
  /// but equally many of each label (one off at most): frequent ones are chosen from at random, rare ones are repeated,
  /// each example as often as the others of its label (one off at most).
  std::vector<std::int64_t> balance = {};
  std::int64_t rank = 0;   ///< of this process among those that train together
  std::int64_t ranks = 1;  ///< each takes its part of every batch; budgets are for the whole

  // How Batches makes them; a plan does not look at these.

  bool skip_bad = false;        ///< leave examples out that cannot be made into a batch instead of throwing
  std::int64_t read_ahead = 4;  ///< batches that are made ready in the background; 0: no thread
  std::int64_t threads = 1;     ///< that make them
};

/// The batches of each epoch, as lists of numbers of examples: a function of lengths, options and epoch alone, the same
/// on every platform.
///
/// The examples are shuffled, every `bucket` of them sorted by length (the stable way), cut greedily into batches that
/// keep to the budget, and the batches are shuffled. Every number occurs exactly once (unless balanced).
///
/// Of each batch a rank gets examples of about as many rows as the others, at least one; so all ranks have equally many
/// steps, no example comes twice and none is lost. The batches are the same for any number of ranks, as long as each
/// has that many examples: one that has fewer is made up from those after it, the last goes to the one before it.
class BatchPlan {
 public:
  /// Throws Error(argument) for no example, fewer than ranks, no budget or one below the ranks, options out of range,
  /// labels that are not one for each example or that are balanced without shuffling.
  BatchPlan(Lengths lengths, BatchesOptions options);

  const Lengths& lengths() const { return lengths_; }         ///< as given
  const BatchesOptions& options() const { return options_; }  ///< as given
  /// The batches of an epoch, whole.
  std::vector<std::vector<std::int64_t>> epoch(std::int64_t epoch) const;
  /// A rank's part of a batch, in the batch's order.
  std::vector<std::int64_t> share(std::span<const std::int64_t> batch, std::int64_t rank) const;
  /// A number that says which examples and options it was made of (ranks aside).
  std::int64_t fingerprint() const;

 private:
  std::vector<std::int64_t> balanced_order(std::int64_t epoch) const;

  Lengths lengths_;
  BatchesOptions options_;
};

/// Where a stream of batches is: the next one. It is saved with a model, and the stream that is restored goes on with
/// exactly that batch.
struct BatchPosition {
  std::int64_t epoch = 0;        ///< passes over the data that are complete (FrameBatches: begun)
  std::int64_t batch = 0;        ///< batches of this epoch that were given (FrameBatches: of all)
  std::int64_t example = 0;      ///< FrameBatches: utterances of this pass that were taken
  std::int64_t width = 0;        ///< FrameBatches: features of a frame; 0 before the first
  std::int64_t fingerprint = 0;  ///< of the data and options that it belongs to

  friend bool operator==(const BatchPosition&, const BatchPosition&) = default;
};

/// "epoch 3, batch 17, example 0, width 0, fingerprint 123…", and back. Throws Error(argument) for another text.
std::string to_string(const BatchPosition& position);
/// The position that to_string() wrote. Throws Error(argument) for another text.
BatchPosition parse_batch_position(std::string_view text);

}  // namespace data
}  // namespace saw
