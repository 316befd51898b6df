#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

struct BatchOptions {
  std::int64_t tokens = 2048;  ///< at most so many rows in a batch; a longer sentence has a batch of its own
  std::optional<std::uint64_t> shuffle_seed = {};  ///< without one, nothing is random
  std::uint64_t epoch = 0;                         ///< another order for each, from the same seed
  std::int64_t bucket = 512;   ///< so many sentences (0: all) are sorted by length before they are cut into batches;
                               ///< 1 leaves the order alone
  std::int64_t sentences = 0;  ///< at most so many sentences in a batch; 0: no limit
};

/// Batches of sentences of the given lengths, as lists of their numbers; every number occurs exactly once.
///
/// The sentences are shuffled, every `bucket` of them sorted by length (the stable way), cut greedily into batches
/// that keep to the budget, and the batches are shuffled. Without shuffle_seed both shuffles fall away. What comes out
/// is a function of the arguments alone: neither threads nor the platform matter. Throws Error(argument) for a negative
/// length, a budget below 1, a negative bucket or limit.
std::vector<std::vector<std::int64_t>> token_batches(std::span<const std::int64_t> lengths,
                                                     const BatchOptions& options = {});

}  // namespace data
}  // namespace saw
