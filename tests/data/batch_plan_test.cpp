#include "saw/data/batch_plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "saw/data/batches.h"
#include "support/errors.h"

using namespace saw;
using data::BatchesOptions;
using data::BatchPlan;
using data::Lengths;
using Numbers = std::vector<std::int64_t>;

namespace {

Numbers like_sentences(std::int64_t count) {
  Numbers lengths;
  for (std::int64_t i = 0; i < count; ++i) lengths.push_back((i * i * 31 + i * 7) % 53);
  return lengths;
}

std::int64_t rows_of(const Numbers& batch, const Lengths& lengths) {
  std::int64_t sum = 0;
  for (const std::int64_t i : batch) sum += lengths.total(i);
  return sum;
}

std::string raised(Lengths lengths, const BatchesOptions& options) {
  return test::error_text(ErrorKind::argument, [&] { BatchPlan plan(lengths, options); });
}

}  // namespace

TEST_CASE("batch plan: an epoch is what token_batches gives") {
  const Numbers lengths = like_sentences(500);
  const BatchPlan plan(lengths, {.rows = 300, .examples = 20, .bucket = 64, .seed = 7});
  for (const std::int64_t epoch : {0, 1, 5})
    CHECK((plan.epoch(epoch) == data::token_batches(lengths, {.tokens = 300,
                                                              .shuffle_seed = 7,
                                                              .epoch = static_cast<std::uint64_t>(epoch),
                                                              .bucket = 64,
                                                              .sentences = 20})));
}

TEST_CASE("batch plan: examples of several lengths count together, and are sorted by the first") {
  const Numbers source{5, 1, 3, 1}, target{1, 9, 1, 2};
  const BatchPlan plan({source, target}, {.rows = 10, .bucket = 0, .shuffle = false});
  CHECK((plan.epoch(0) == std::vector<Numbers>{{3}, {1}, {2, 0}}));
  CHECK(plan.lengths().total(1) == 10);
  const BatchPlan counted(Lengths::of_count(5), {.examples = 2, .shuffle = false});
  CHECK((counted.epoch(0) == std::vector<Numbers>{{0, 1}, {2, 3}, {4}}));
}

TEST_CASE("batch plan: ranks share each batch: nothing twice, nothing lost, equally many steps, like numbers of rows") {
  const Lengths lengths = like_sentences(1003);
  const BatchPlan alone(lengths, {.rows = 800, .seed = 3});
  for (const std::int64_t ranks : {2, 3, 8}) {
    const BatchPlan plan(lengths, {.rows = 800, .seed = 3, .ranks = ranks});
    CHECK((plan.epoch(2) == alone.epoch(2)));
    std::int64_t worst = 0;
    for (const Numbers& batch : plan.epoch(2)) {
      Numbers together;
      std::int64_t most = 0, least = INT64_MAX;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const Numbers share = plan.share(batch, rank);
        CHECK_FALSE(share.empty());
        together.insert(together.end(), share.begin(), share.end());
        most = std::max(most, rows_of(share, lengths));
        least = std::min(least, rows_of(share, lengths));
      }
      Numbers whole = batch;
      std::sort(whole.begin(), whole.end());
      std::sort(together.begin(), together.end());
      CHECK((whole == together));
      worst = std::max(worst, most - least);
    }
    CHECK(worst <= 52);  // the longest example
  }
}

TEST_CASE("batch plan: each rank has an example of every batch, however long or short they are") {
  for (const Numbers& lengths :
       {Numbers{100, 1, 1, 1, 1, 1, 1}, Numbers{0, 0, 0, 0, 0, 0, 0}, Numbers{9, 0, 0, 0, 0, 9, 9}}) {
    const BatchPlan plan(lengths, {.rows = 4, .bucket = 1, .shuffle = false, .ranks = 3});
    std::size_t seen = 0;
    for (const Numbers& batch : plan.epoch(0)) {
      seen += batch.size();
      for (std::int64_t rank = 0; rank < 3; ++rank) CHECK_FALSE(plan.share(batch, rank).empty());
    }
    CHECK(seen == 7);
  }
}

TEST_CASE("batch plan: class-balanced epochs") {
  Numbers labels(90, 0);
  labels.insert(labels.end(), 8, 5);
  labels.insert(labels.end(), 3, 9);
  const BatchPlan plan(Lengths::of_count(101), {.examples = 10, .seed = 2, .balance = labels});
  std::map<std::int64_t, int> of_label;
  for (const std::int64_t epoch : {0, 1, 2}) {
    std::map<std::int64_t, std::int64_t> times, count;
    std::int64_t sum = 0;
    for (const Numbers& batch : plan.epoch(epoch))
      for (const std::int64_t i : batch) {
        ++times[i];
        ++count[labels[static_cast<std::size_t>(i)]];
        ++sum;
      }
    CHECK(sum == 101);
    for (const auto& [label, examples] : count) CHECK((examples == 33 || examples == 34));
    for (std::int64_t i = 98; i < 101; ++i) CHECK((times[i] == 11 || times[i] == 12));
    for (std::int64_t i = 0; i < 90; ++i) CHECK(times[i] <= 1);
  }
  CHECK((plan.epoch(0) != plan.epoch(1)));
  CHECK((plan.epoch(1) == plan.epoch(1)));
}

TEST_CASE("batch plan: the fingerprint knows data and options") {
  const Numbers lengths = like_sentences(50);
  const auto of = [&](const BatchesOptions& options) { return BatchPlan(lengths, options).fingerprint(); };
  const std::int64_t first = of({.rows = 100, .seed = 1});
  CHECK(of({.rows = 100, .seed = 1}) == first);
  CHECK(of({.rows = 100, .seed = 1, .rank = 1, .ranks = 2}) == first);
  CHECK(of({.rows = 100, .seed = 1, .read_ahead = 0}) == first);
  CHECK(of({.rows = 101, .seed = 1}) != first);
  CHECK(of({.rows = 100, .seed = 2}) != first);
  CHECK(of({.rows = 100, .bucket = 1, .seed = 1}) != first);
  Numbers other = lengths;
  ++other[20];
  CHECK(BatchPlan(other, {.rows = 100, .seed = 1}).fingerprint() != first);
}

TEST_CASE("batch plan: errors") {
  const Numbers three{1, 2, 3};
  CHECK(raised(three, {}) == "batches: no budget; expected rows, examples, or both");
  CHECK(raised(Numbers{}, {.rows = 1}) == "batches: number of examples; got 0; expected at least 1");
  CHECK(raised(three, {.rows = -1}) == "batches: rows; got -1; expected at least 0");
  CHECK(raised(three, {.rows = 1, .bucket = -1}) == "batches: bucket; got -1; expected at least 0");
  CHECK(raised(three, {.rows = 1, .rank = 2, .ranks = 2}) == "batches: rank; got 2; expected 0 to 1");
  CHECK(raised(three, {.rows = 1, .ranks = 4}) ==
        "batches: number of examples; got 3; expected one for each of 4 ranks");
  CHECK(raised(three, {.examples = 1, .ranks = 2}) == "batches: examples; got 1; expected one for each of 2 ranks");
  CHECK(raised(three, {.examples = 1, .balance = {1}}) ==
        "batches: labels to balance; got 1; expected one for each of 3 examples");
  CHECK(raised(three, {.examples = 1, .shuffle = false, .balance = three})
            .starts_with("batches: balance without shuffle"));
  const auto lengths_error = [](const auto& call) { return test::error_text(ErrorKind::argument, call); };
  CHECK(lengths_error([] {
          Lengths(Numbers{1}, Numbers{1, 2});
        }) == "lengths: lists of different lengths; got 1 and 2");
  CHECK(lengths_error([] { Lengths(Numbers{1, -2}); }) == "lengths: of example 1; got -2; expected at least 0");
  CHECK(lengths_error([] { Lengths(Numbers{INT64_MAX}, Numbers{1}); }) == "lengths: of example 0; beyond 64 bits");
}

TEST_CASE("batch position: as text and back") {
  const data::BatchPosition position{.epoch = 3, .batch = 17, .example = 5, .width = 40, .fingerprint = INT64_MAX};
  CHECK(to_string(position) == "epoch 3, batch 17, example 5, width 40, fingerprint 9223372036854775807");
  CHECK(data::parse_batch_position(to_string(position)) == position);
  for (const char* text : {"", "epoch 3", "epoch 3, batch 17, example 5, width 40, fingerprint 1 ",
                           "epoch -3, batch 17, example 5, width 40, fingerprint 1",
                           "epoch 99999999999999999999, batch 1, example 5, width 40, fingerprint 1"})
    CHECK(test::error_text(ErrorKind::argument, [&] {
            data::parse_batch_position(text);
          }).starts_with("batch position: not one; got "));
}
