#include "saw/data/batches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "saw/autograd/base/parallel.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;
using data::token_batches;
using Batches = std::vector<std::vector<std::int64_t>>;

namespace {

// Lengths that look like sentences: many short, few long.
std::vector<std::int64_t> sentence_lengths(std::size_t count) {
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 0; i < count; ++i) lengths.push_back(static_cast<std::int64_t>(1 + (i * i * 31 + i * 7) % 53));
  return lengths;
}

void check_each_once(const Batches& batches, std::size_t count) {
  std::vector<std::int64_t> all;
  for (const auto& batch : batches) {
    CHECK_FALSE(batch.empty());
    all.insert(all.end(), batch.begin(), batch.end());
  }
  std::sort(all.begin(), all.end());
  std::vector<std::int64_t> expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK((all == expected));
}

}  // namespace

TEST_CASE("batches: every sentence once, within the budget") {
  const auto lengths = sentence_lengths(1000);
  for (const std::int64_t tokens : {1, 10, 53, 300, 100'000}) {
    for (const std::int64_t bucket : {0, 1, 7, 512}) {
      for (const bool shuffled : {false, true}) {
        data::BatchOptions options{.tokens = tokens, .bucket = bucket};
        if (shuffled) options.shuffle_seed = 3;
        const Batches batches = token_batches(lengths, options);
        check_each_once(batches, lengths.size());
        for (const auto& batch : batches) {
          std::int64_t sum = 0;
          for (const std::int64_t i : batch) sum += lengths[static_cast<std::size_t>(i)];
          CHECK((sum <= tokens || batch.size() == 1));
        }
      }
    }
  }
}

TEST_CASE("batches: without a seed, in order or by length") {
  const std::vector<std::int64_t> lengths{3, 1, 2, 3, 1, 9, 2};
  CHECK((token_batches(lengths, {.tokens = 5, .bucket = 1}) == Batches{{0, 1}, {2, 3}, {4}, {5}, {6}}));
  CHECK((token_batches(lengths, {.tokens = 5, .bucket = 0}) == Batches{{1, 4, 2}, {6, 0}, {3}, {5}}));
  CHECK((token_batches(lengths, {.tokens = 5}) == Batches{{1, 4, 2}, {6, 0}, {3}, {5}}));
  CHECK((token_batches(lengths, {.tokens = 5, .bucket = 3}) == Batches{{1, 2}, {0, 4}, {3}, {5}, {6}}));
  CHECK((token_batches(lengths, {.tokens = 100, .bucket = 1, .sentences = 3}) == Batches{{0, 1, 2}, {3, 4, 5}, {6}}));
}

TEST_CASE("batches: empty sentences and no sentences") {
  CHECK(token_batches({}).empty());
  CHECK(token_batches({}, {.shuffle_seed = 1, .bucket = 0}).empty());
  const std::vector<std::int64_t> lengths{0, 2, 0, 0, 2};
  CHECK((token_batches(lengths, {.tokens = 2, .bucket = 1}) == Batches{{0, 1, 2, 3}, {4}}));
}

TEST_CASE("batches: the order is a function of seed and epoch") {
  const auto lengths = sentence_lengths(300);
  const auto batches = [&](std::uint64_t seed, std::uint64_t epoch) {
    return token_batches(lengths, {.tokens = 200, .shuffle_seed = seed, .epoch = epoch, .bucket = 64});
  };
  const Batches first = batches(1, 0);
  CHECK((batches(1, 0) == first));
  CHECK((batches(2, 0) != first));
  CHECK((batches(1, 1) != first));
  CHECK((batches(1, 1) != batches(2, 0)));
  CHECK((token_batches(lengths, {.tokens = 200, .bucket = 64}) != first));
  for (const int other : {1, 3}) {
    const test::Threads scope(other);
    CHECK((batches(1, 0) == first));
  }
}

TEST_CASE("batches: the shuffle is the same on every platform, and fair") {
  // Written down once; whoever changes the order breaks the repeatability of everybody's training.
  const std::vector<std::int64_t> ten(10, 1);
  const Batches order = token_batches(ten, {.tokens = 1, .shuffle_seed = 42});
  Batches expected;
  for (const std::int64_t i : {1, 9, 7, 8, 0, 6, 5, 3, 4, 2}) expected.push_back({i});
  CHECK((order == expected));

  // Each of four sentences comes first equally often: 4000 draws, 1000 ± 27 each; 5.5 standard deviations are allowed.
  const std::vector<std::int64_t> four(4, 1);
  std::vector<int> first(4);
  for (std::uint64_t seed = 0; seed < 4000; ++seed)
    ++first[static_cast<std::size_t>(token_batches(four, {.tokens = 4, .shuffle_seed = seed}).front().front())];
  for (const int count : first) CHECK(std::abs(count - 1000) < 150);
}

TEST_CASE("batches: a bucket brings sentences of like length together") {
  const auto lengths = sentence_lengths(1000);
  const auto spread = [&](std::int64_t bucket) {
    std::int64_t sum = 0;
    for (const auto& batch : token_batches(lengths, {.tokens = 200, .shuffle_seed = 5, .bucket = bucket})) {
      std::int64_t shortest = 1000, longest = 0;
      for (const std::int64_t i : batch) {
        shortest = std::min(shortest, lengths[static_cast<std::size_t>(i)]);
        longest = std::max(longest, lengths[static_cast<std::size_t>(i)]);
      }
      sum += longest - shortest;
    }
    return sum;
  };
  CHECK(spread(512) * 5 < spread(1));
}

TEST_CASE("batches: options out of range") {
  const std::vector<std::int64_t> lengths{1, -2};
  const auto error = [](std::span<const std::int64_t> of, const data::BatchOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { token_batches(of, options); });
  };
  CHECK(error({}, {.tokens = 0}) == "token_batches: tokens; got 0; expected at least 1");
  CHECK(error({}, {.bucket = -1}) == "token_batches: bucket; got -1; expected at least 0");
  CHECK(error({}, {.sentences = -1}) == "token_batches: sentences; got -1; expected at least 0");
  CHECK(error(lengths, {}) == "token_batches: length of sentence 1; got -2; expected at least 0");
}
