#include "saw/data/batches.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <thread>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/tape/tensor.h"
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

namespace {

// A batch that says what it was made of and what was random about it.
struct Made {
  std::vector<std::int64_t> numbers;
  std::uint64_t word = 0;
  std::uint64_t from_default = 0;
};

bool same(const Made& a, const Made& b) {
  return a.numbers == b.numbers && a.word == b.word && a.from_default == b.from_default;
}

Made make(std::span<const std::int64_t> numbers, Generator& generator) {
  Made made{{numbers.begin(), numbers.end()}};
  made.word = RandomStream(generator).word(0);
  made.from_default = RandomStream(default_generator()).word(0);
  return made;
}

std::vector<Made> take(data::Batches<Made>& batches, int count) {
  std::vector<Made> result;
  for (int i = 0; i < count; ++i) result.push_back(batches.next());
  return result;
}

}  // namespace

TEST_CASE("batches of anything: the plan's batches, epoch after epoch, for any number of threads") {
  const auto lengths = sentence_lengths(200);
  const data::BatchesOptions options{.rows = 300, .bucket = 64, .seed = 5};
  const data::BatchPlan plan(lengths, options);
  std::vector<std::vector<Made>> runs;
  for (const std::int64_t threads : {0, 1, 4}) {
    data::BatchesOptions with = options;
    with.read_ahead = threads == 0 ? 0 : 6;
    with.threads = std::max<std::int64_t>(threads, 1);
    data::Batches batches(lengths, make, with);
    runs.emplace_back();
    for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
      const Batches expected = plan.epoch(epoch);
      CHECK(batches.steps() == std::ssize(expected));
      std::size_t step = 0;
      for (Made& made : batches.epoch()) {
        REQUIRE(step < expected.size());
        CHECK((made.numbers == expected[step]));
        CHECK((batches.numbers() == expected[step]));
        ++step;
        runs.back().push_back(std::move(made));
      }
      CHECK(step == expected.size());
      CHECK(batches.position().epoch == epoch + 1);
      CHECK(batches.position().batch == 0);
    }
  }
  for (const auto& run : runs) {
    REQUIRE(run.size() == runs[0].size());
    for (std::size_t i = 0; i < run.size(); ++i) CHECK(same(run[i], runs[0][i]));
  }
  std::set<std::uint64_t> words;  // every batch of every epoch draws other numbers
  for (const Made& made : runs[0]) {
    words.insert(made.word);
    words.insert(made.from_default);
  }
  CHECK(words.size() == 2 * runs[0].size());
}

TEST_CASE("batches of anything: a position that is restored gives exactly the next batch") {
  const auto lengths = sentence_lengths(90);
  data::BatchesOptions options{.rows = 200, .seed = 8, .read_ahead = 3, .threads = 2};
  data::Batches whole(lengths, make, options);
  const std::vector<Made> all = take(whole, 60);
  const auto per_epoch = static_cast<int>(data::BatchPlan(lengths, options).epoch(0).size());
  for (const int stop : {0, 1, per_epoch - 1, per_epoch, per_epoch + 1, 37}) {
    CAPTURE(stop);
    data::Batches first(lengths, make, options);
    take(first, stop);
    const std::string saved = to_string(first.position());
    options.read_ahead = stop % 2;  // nothing depends on it
    data::Batches second(lengths, make, options);
    take(second, 5);
    second.restore(data::parse_batch_position(saved));
    CHECK(second.position() == first.position());
    for (int i = stop; i < 60; ++i) CHECK(same(second.next(), all[static_cast<std::size_t>(i)]));
  }
  // What is left of an epoch.
  data::Batches resumed(lengths, make, options);
  take(resumed, 3);
  int left = 0;
  for ([[maybe_unused]] Made& made : resumed.epoch()) ++left;
  CHECK(left == per_epoch - 3);

  const data::BatchPosition position = whole.position();
  options.seed = 9;
  data::Batches other(lengths, make, options);
  CHECK(test::error_text(ErrorKind::argument, [&] {
          other.restore(position);
        }).starts_with("batches: the position belongs to other data or options; got fingerprint "));
  data::BatchPosition beyond = other.position();
  beyond.batch = 1000;
  CHECK(test::error_text(ErrorKind::argument, [&] {
          other.restore(beyond);
        }).starts_with("batches: batch 1000 of epoch 0"));
  CHECK(other.position().batch == 0);
}

TEST_CASE("batches of anything: ranks take their parts of the same batches") {
  const auto lengths = sentence_lengths(150);
  const data::BatchPlan plan(lengths, {.rows = 400, .seed = 2});
  std::vector<std::vector<Made>> ranks;
  for (std::int64_t rank = 0; rank < 3; ++rank) {
    data::Batches batches(lengths, make, {.rows = 400, .seed = 2, .rank = rank, .ranks = 3});
    ranks.push_back(take(batches, static_cast<int>(plan.epoch(0).size())));
  }
  std::vector<std::int64_t> seen;
  for (std::size_t step = 0; step < ranks[0].size(); ++step) {
    for (const auto& rank : ranks) seen.insert(seen.end(), rank[step].numbers.begin(), rank[step].numbers.end());
    CHECK(ranks[0][step].word != ranks[1][step].word);
  }
  check_each_once({seen}, 150);
}

TEST_CASE("batches of anything: skip_bad finds what is bad and leaves it out, and the number of steps stays") {
  const auto lengths = sentence_lengths(60);
  std::vector<std::vector<Made>> runs;
  for (const std::int64_t threads : {0, 3}) {
    const auto partly_bad = [](std::span<const std::int64_t> numbers, Generator& generator) {
      for (const std::int64_t i : numbers)
        if (i % 7 == 3) throw Error(ErrorKind::io, fmt::format("{}.txt: damaged", i));
      return make(numbers, generator);
    };
    data::Batches batches(lengths, partly_bad,
                          {.rows = 60,
                           .seed = 4,
                           .skip_bad = true,
                           .read_ahead = threads,
                           .threads = std::max<std::int64_t>(1, threads)});
    runs.emplace_back();
    for (int epoch = 0; epoch < 3; ++epoch) {
      const std::int64_t steps = batches.steps();
      std::int64_t given = 0;
      for (Made& made : batches.epoch()) {
        ++given;
        CHECK_FALSE(made.numbers.empty());
        CHECK((made.numbers == batches.numbers()));
        for (const std::int64_t i : made.numbers) CHECK(i % 7 != 3);
        runs.back().push_back(std::move(made));
      }
      CHECK(given == steps);
    }
    const auto skipped = batches.skipped();
    CHECK(skipped.size() == 9);
    std::set<std::int64_t> examples;
    for (const auto& [example, reason] : skipped) {
      examples.insert(example);
      CHECK(reason == fmt::format("{}.txt: damaged", example));
    }
    CHECK(examples.size() == 9);
  }
  REQUIRE(runs[0].size() == runs[1].size());
  for (std::size_t i = 0; i < runs[0].size(); ++i) CHECK(same(runs[0][i], runs[1][i]));

  const auto fail_with = [&](ErrorKind kind, bool skip) {
    data::Batches batches(lengths, [=](std::span<const std::int64_t>) -> int { throw Error(kind, "x.txt: damaged"); },
                          {.rows = 60, .skip_bad = skip});
    std::string first;
    for (int i = 0; i < 3; ++i) {  // and then on every call
      const std::string text = test::error_text([&] { batches.next(); });
      CHECK((i == 0 || text == first));
      first = text;
    }
    return first;
  };
  CHECK(fail_with(ErrorKind::io, true) == "batches: none of the 60 examples can be read; the first: x.txt: damaged");
  CHECK(fail_with(ErrorKind::io, false) == "x.txt: damaged");
  CHECK(fail_with(ErrorKind::internal, true) == "x.txt: damaged");
  // A batch that fails although each of its examples is good is the function's fault.
  data::Batches too_many(lengths,
                         [](std::span<const std::int64_t> numbers) -> int {
                           if (numbers.size() > 1) throw Error(ErrorKind::argument, "one at a time");
                           return 0;
                         },
                         {.rows = 1000, .skip_bad = true});
  CHECK(test::error_text(ErrorKind::argument, [&] { too_many.next(); }) == "one at a time");
}

TEST_CASE("batches of anything: no more is made than read_ahead says, and nothing is recorded") {
  std::atomic<int> calls{0};
  const auto counted = [&](std::span<const std::int64_t> numbers) {
    ++calls;
    CHECK_FALSE(is_grad_enabled());
    return numbers.size();
  };
  {
    data::Batches batches(data::Lengths::of_count(1000), counted, {.examples = 2, .read_ahead = 3, .threads = 2});
    CHECK(calls == 0);
    CHECK(batches.next() == 2);
    const auto settles_at = [&](int expected) {
      while (calls < expected) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // for a call too many
      return calls == expected;
    };
    CHECK(settles_at(4));
    batches.next();
    CHECK(settles_at(5));
  }
  data::Batches moved = [&] {
    data::Batches batches(data::Lengths::of_count(10), counted, {.examples = 3, .shuffle = false});
    batches.next();
    return batches;
  }();
  CHECK(moved.position().batch == 1);
  int rest = 0;
  for ([[maybe_unused]] std::size_t& count : moved.epoch()) ++rest;
  CHECK(rest == 3);
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::Batches batches(data::Lengths::of_count(10), counted, {.examples = 3, .read_ahead = -1});
        }) == "batches: read_ahead; got -1; expected at least 0");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          data::Batches batches(data::Lengths::of_count(10), counted, {.examples = 3, .threads = 0});
        }) == "batches: threads; got 0; expected at least 1");
}

TEST_CASE("Batches: the steps of some epochs are those that next() takes to get there") {
  const auto make = [](std::span<const std::int64_t> numbers) { return numbers.size(); };
  data::Batches batches(data::Lengths(sentence_lengths(200)), make, {.rows = 150, .bucket = 30, .seed = 5});
  const std::int64_t expected = batches.steps_of_epochs(3);
  std::int64_t steps = 0;
  for (; batches.position().epoch < 3; ++steps) batches.next();
  CHECK(steps == expected);
  CHECK(batches.steps_of_epochs(0) == 0);
}
