#include "saw/data/splits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "support/errors.h"

using namespace saw;
using Numbers = std::vector<std::int64_t>;
using Parts = std::vector<Numbers>;

namespace {

void check_partition(const Parts& parts, std::int64_t count) {
  std::set<std::int64_t> seen;
  std::size_t sum = 0;
  for (const Numbers& part : parts) {
    CHECK(std::is_sorted(part.begin(), part.end()));
    seen.insert(part.begin(), part.end());
    sum += part.size();
  }
  CHECK(std::ssize(seen) == count);
  CHECK(static_cast<std::int64_t>(sum) == count);
  if (count > 0) CHECK((*seen.begin() == 0 && *seen.rbegin() == count - 1));
}

// Of each label, how many of a part have it.
std::map<std::int64_t, std::int64_t> counts(const Numbers& part, const Numbers& labels) {
  std::map<std::int64_t, std::int64_t> result;
  for (const std::int64_t i : part) ++result[labels[static_cast<std::size_t>(i)]];
  return result;
}

Numbers uneven_labels(std::int64_t count) {  // label k is half as frequent as k − 1
  Numbers labels;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t label = 0;
    for (std::int64_t rest = i + 1; rest % 2 == 0; rest /= 2) ++label;
    labels.push_back(label);
  }
  return labels;
}

}  // namespace

TEST_CASE("splits: random parts of the wanted sizes, a function of the seed") {
  for (const std::int64_t count : {0, 1, 2, 9, 100, 1003}) {
    const Parts parts = data::split(count, {.fractions = {0.7, 0.2, 0.1}, .seed = 4});
    check_partition(parts, count);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(std::abs(static_cast<double>(parts[i].size()) -
                     std::vector{0.7, 0.2, 0.1}[i] * static_cast<double>(count)) < 1);
  }
  std::set<Numbers> choices;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    choices.insert(data::split(50, {.seed = seed})[1]);
    CHECK(data::split(50, {.seed = seed}) == data::split(50, {.seed = seed}));
  }
  CHECK(choices.size() == 20);
  // Written down once: whoever changes it breaks the repeatability of everybody's results.
  const Parts written = data::split(10, {.fractions = {0.5, 0.5}, .seed = 42});
  CHECK(written[0] == Numbers{0, 1, 3, 5, 8});
  // Each of five is left out equally often: 2,000 draws of 2 in 5, 800 ± 22; 5 standard deviations are allowed.
  std::vector<int> left_out(5);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Parts parts = data::split(5, {.fractions = {0.6, 0.4}, .seed = seed});
    for (const std::int64_t i : parts[1]) ++left_out[static_cast<std::size_t>(i)];
  }
  for (const int times : left_out) CHECK(std::abs(times - 800) < 110);
}

TEST_CASE("splits: each label in the proportion of the whole") {
  const Numbers labels = uneven_labels(1000);
  const std::map<std::int64_t, std::int64_t> whole = counts(data::split(1000, {.fractions = {1}})[0], labels);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<double> fractions{0.75, 0.15, 0.1};
    const Parts parts = data::split(1000, {.fractions = fractions, .seed = seed, .labels = labels});
    check_partition(parts, 1000);
    for (std::size_t part = 0; part < 3; ++part) {
      auto of_part = counts(parts[part], labels);
      for (const auto& [label, count] : whole)
        CHECK(std::abs(static_cast<double>(of_part[label]) - fractions[part] * static_cast<double>(count)) < 1);
      CHECK(std::abs(static_cast<double>(parts[part].size()) - 1000 * fractions[part]) < 3);
    }
    CHECK(counts(parts[0], labels).size() == whole.size());  // a label's only example is trained on
  }
  // 300 labels of two examples each: what is left over does not go to one part.
  Numbers pairs;
  for (std::int64_t i = 0; i < 600; ++i) pairs.push_back(i / 2);
  const Parts parts = data::split(600, {.fractions = {0.5, 0.25, 0.25}, .labels = pairs});
  CHECK(parts[0].size() == 300);
  CHECK(std::abs(std::ssize(parts[1]) - 150) <= 1);
}

TEST_CASE("splits: nothing of a group is on both sides") {
  Numbers groups, labels;
  for (std::int64_t i = 0; i < 600; ++i) {
    groups.push_back(i * i % 61);
    labels.push_back(groups.back() % 3);
  }
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (const bool with_labels : {false, true}) {
      data::SplitOptions options{.seed = seed, .groups = groups};
      if (with_labels) options.labels = labels;
      const Parts parts = data::split(600, options);
      check_partition(parts, 600);
      std::map<std::int64_t, std::set<std::size_t>> sides;
      for (std::size_t part = 0; part < 3; ++part)
        for (const std::int64_t i : parts[part]) sides[groups[static_cast<std::size_t>(i)]].insert(part);
      for (const auto& [group, side] : sides) CHECK(side.size() == 1);
      CHECK(std::abs(std::ssize(parts[0]) - 480) <= 20);
      CHECK(std::abs(std::ssize(parts[1]) - 60) <= 20);
      if (with_labels)
        for (const auto& [label, count] : counts(parts[1], labels)) CHECK(std::abs(count - 20) <= 20);
    }
  }
  CHECK(data::split(600, {.seed = 1, .groups = groups}) != data::split(600, {.seed = 2, .groups = groups}));
  // A group that is larger than any part is in one all the same.
  const Numbers one_group(10, 7);
  check_partition(data::split(10, {.groups = one_group}), 10);
  CHECK(data::split(10, {.groups = one_group})[0].size() == 10);
}

TEST_CASE("splits: folds hold each example out once") {
  const Numbers labels = uneven_labels(103);
  Numbers groups;
  for (std::int64_t i = 0; i < 103; ++i) groups.push_back(i % 17);
  for (const int mode : {0, 1, 2, 3}) {
    data::FoldOptions options{.folds = 4, .seed = 9};
    if (mode % 2 == 1) options.labels = labels;
    if (mode >= 2) options.groups = groups;
    const auto folds = data::k_folds(103, options);
    REQUIRE(folds.size() == 4);
    Parts held_out;
    for (const data::Fold& fold : folds) {
      check_partition({fold.training, fold.held_out}, 103);
      held_out.push_back(fold.held_out);
      CHECK(std::abs(std::ssize(fold.held_out) - 26) <= (mode >= 2 ? 7 : mode == 1 ? 2 : 1));
      if (mode == 1)
        for (const auto& [label, count] : counts(fold.held_out, labels))
          CHECK(std::abs(static_cast<double>(count) -
                         static_cast<double>(std::count(labels.begin(), labels.end(), label)) / 4) < 1);
      if (mode >= 2)
        for (const std::int64_t i : fold.held_out)
          for (const std::int64_t j : fold.training)
            if (groups[static_cast<std::size_t>(i)] == groups[static_cast<std::size_t>(j)])
              FAIL_CHECK("a group on both sides");
    }
    check_partition(held_out, 103);
  }
}

TEST_CASE("splits: holding out without labels, and with") {
  const Numbers numbers{10, 20, 30, 40, 50};
  const data::HeldOut plain = data::hold_out(numbers, {}, {}, {.fraction = 0.4, .seed = 1});
  CHECK(plain.held_out.size() == 2);
  CHECK(plain.training.size() == 3);
  CHECK(plain.single_labels.empty());
  const data::HeldOut labelled = data::hold_out(numbers, Numbers{1, 1, 2, 3, 3}, {}, {.fraction = 0.9});
  CHECK(labelled.held_out.size() == 2);
  CHECK(labelled.single_labels == Numbers{2});
}

TEST_CASE("splits: texts as numbers") {
  const std::vector<std::string> texts{"pos", "neg", "pos", "", "neutral"};
  CHECK(data::numbers_of(texts) == Numbers{3, 1, 3, 0, 2});
  CHECK(data::numbers_of({}).empty());
}

TEST_CASE("splits: errors") {
  const Numbers three{1, 2, 3};
  const auto raised = [](const auto& call) { return test::error_text(ErrorKind::argument, call); };
  CHECK(raised([] { data::split(-1); }) == "split: number of examples; got -1; expected at least 0");
  CHECK(raised([] {
          data::split(3, {.fractions = {0.5, 0.4}});
        }) == "split: fractions that add up to 0.9; expected 1; got 0.5, 0.4");
  CHECK(raised([] {
          data::split(3, {.fractions = {1.5, -0.5}});
        }) == "split: fractions; got 1.5; expected positive ones that add up to 1");
  CHECK(raised([] { data::split(3, {.fractions = {std::nan("")}}); }).starts_with("split: fractions; got nan"));
  CHECK(raised([] { data::split(3, {.fractions = {}}); }).starts_with("split: fractions; got none"));
  CHECK(raised([&] { data::split(4, {.labels = three}); }) ==
        "split: labels; got 3; expected one for each of 4 examples");
  CHECK(raised([&] { data::split(4, {.groups = three}); }) ==
        "split: groups; got 3; expected one for each of 4 examples");
  CHECK(raised([] { data::k_folds(4, {.folds = 1}); }) == "k_folds: folds; got 1; expected at least 2");
  CHECK(raised([] { data::k_folds(4, {.folds = 5}); }) ==
        "k_folds: examples; got 4; expected at least one for each of 5 folds");
  CHECK(raised([&] { data::k_folds(3, {.folds = 4, .groups = three}); }).starts_with("k_folds: groups; got 3"));
  CHECK(raised([&] { data::hold_out(three, Numbers{1}, {}); }).starts_with("hold_out: labels; got 1"));
}
