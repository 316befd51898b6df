#include "saw/data/batches.h"

#include <algorithm>
#include <numeric>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/data/internal/shuffle.h"

namespace saw {
namespace data {
namespace {

void check(std::span<const std::int64_t> lengths, const BatchOptions& options) {
  if (options.tokens < 1)
    fail(ErrorKind::argument, "token_batches: tokens; got {}; expected at least 1", options.tokens);
  if (options.bucket < 0)
    fail(ErrorKind::argument, "token_batches: bucket; got {}; expected at least 0", options.bucket);
  if (options.sentences < 0)
    fail(ErrorKind::argument, "token_batches: sentences; got {}; expected at least 0", options.sentences);
  for (std::size_t i = 0; i < lengths.size(); ++i)
    if (lengths[i] < 0)
      fail(ErrorKind::argument, "token_batches: length of sentence {}; got {}; expected at least 0", i, lengths[i]);
}

}  // namespace

std::vector<std::vector<std::int64_t>> token_batches(std::span<const std::int64_t> lengths,
                                                     const BatchOptions& options) {
  check(lengths, options);
  std::vector<std::int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  const auto length = [&](std::int64_t sentence) { return lengths[static_cast<std::size_t>(sentence)]; };
  if (options.shuffle_seed) shuffle(order, RandomStream(*options.shuffle_seed, 2 * options.epoch));

  const std::size_t bucket = options.bucket == 0 ? order.size() : static_cast<std::size_t>(options.bucket);
  std::vector<std::vector<std::int64_t>> batches;
  for (std::size_t begin = 0; begin < order.size(); begin += bucket) {
    const std::size_t end = begin + std::min(bucket, order.size() - begin);
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = order.begin() + static_cast<std::ptrdiff_t>(end);
    if (bucket > 1)
      std::stable_sort(first, last, [&](std::int64_t a, std::int64_t b) { return length(a) < length(b); });
  }
  std::int64_t tokens = 0;
  for (const std::int64_t sentence : order) {
    const bool full = batches.empty() || length(sentence) > options.tokens - tokens ||
                      (options.sentences > 0 && std::ssize(batches.back()) == options.sentences);
    if (full) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(sentence);
    tokens += length(sentence);
  }
  if (options.shuffle_seed) shuffle(batches, RandomStream(*options.shuffle_seed, 2 * options.epoch + 1));
  return batches;
}

}  // namespace data
}  // namespace saw
