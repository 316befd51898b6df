#include "saw/data/speaker_splits.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "support/errors.h"

using namespace saw;
using Numbers = std::vector<std::int64_t>;

namespace {

// Utterances "speaker/group", by number of the speaker.
data::SpeakerData make_data(const std::vector<std::pair<std::int64_t, std::string>>& utterances) {
  data::SpeakerData data;
  for (const auto& [speaker, group] : utterances) {
    data::Utterance utterance;
    utterance.name = fmt::format("u{}", data.utterances.size());
    utterance.speaker = speaker;
    utterance.group = group;
    while (std::ssize(data.speakers) <= speaker) data.speakers.push_back(fmt::format("s{}", data.speakers.size()));
    data.utterances.push_back(utterance);
  }
  return data;
}

Numbers all(const data::SpeakerData& data) {
  Numbers numbers(data.utterances.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

void check_partition(const data::HoldOut& parts, Numbers whole) {
  CHECK(std::is_sorted(parts.training.begin(), parts.training.end()));
  CHECK(std::is_sorted(parts.held_out.begin(), parts.held_out.end()));
  Numbers together = parts.training;
  together.insert(together.end(), parts.held_out.begin(), parts.held_out.end());
  std::sort(together.begin(), together.end());
  std::sort(whole.begin(), whole.end());
  CHECK(together == whole);
}

}  // namespace

TEST_CASE("speaker splits: by the manifest's column, where nothing means train") {
  data::SpeakerData data = make_data({{0, ""}, {0, ""}, {1, ""}, {1, ""}});
  data.utterances[0].split = "train";
  data.utterances[1].split = "test";
  data.utterances[2].split = "dev";
  CHECK(data::utterances_of_split(data, "train") == Numbers{0, 3});
  CHECK(data::utterances_of_split(data, "dev") == Numbers{2});
  CHECK(data::utterances_of_split(data, "test") == Numbers{1});
}

TEST_CASE("speaker splits: a group in two splits is an error that names group and splits") {
  data::SpeakerData data = make_data({{0, "video1"}, {0, "video2"}, {1, "video1"}, {1, ""}, {0, ""}});
  data.utterances[1].split = "test";
  data.utterances[3].split = "dev";
  data::check_groups(data);
  data.utterances[0].split = "train";  // what no split says already
  data::check_groups(data);
  data.utterances[2].split = "test";
  CHECK(test::error_text(ErrorKind::argument, [&] { data::check_groups(data); }) ==
        "check_groups: group \"video1\" is in two splits; got \"u0\" in train and \"u2\" in test");
}

TEST_CASE("speaker splits: utterances are held out at random, the fraction of them, never a speaker's last") {
  std::vector<std::pair<std::int64_t, std::string>> utterances{{5, ""}};
  for (int i = 0; i < 99; ++i) utterances.push_back({i % 5, ""});
  const data::SpeakerData data = make_data(utterances);
  const Numbers numbers = all(data);
  std::set<Numbers> choices;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const data::HoldOut parts = data::hold_out_utterances(data, numbers, {.fraction = 0.25, .seed = seed});
    check_partition(parts, numbers);
    CHECK(parts.held_out.size() == 25);
    CHECK(parts.single_speakers == Numbers{5});
    CHECK(parts.training.front() == 0);  // the only one of speaker 5
    CHECK(parts.held_out == data::hold_out_utterances(data, numbers, {.fraction = 0.25, .seed = seed}).held_out);
    choices.insert(parts.held_out);
  }
  CHECK(choices.size() == 20);
  // More is wanted than there is without taking a speaker's last.
  const data::HoldOut most = data::hold_out_utterances(data, numbers, {.fraction = 0.99});
  CHECK(most.training.size() == 6);
  std::set<std::int64_t> trained;
  for (const std::int64_t number : most.training)
    trained.insert(data.utterances[static_cast<std::size_t>(number)].speaker);
  CHECK(trained.size() == 6);
  CHECK(data::hold_out_utterances(data, numbers, {.fraction = 0}).held_out.empty());
  // Only of those given.
  const Numbers some{40, 7, 30, 21, 12, 3};
  check_partition(data::hold_out_utterances(data, some, {.fraction = 0.5}), some);
  CHECK(data::hold_out_utterances(data, {}, {}).training.empty());
}

TEST_CASE("speaker splits: groups are held out whole, at least the fraction, never a speaker's last group") {
  std::vector<std::pair<std::int64_t, std::string>> utterances{{7, "alone"}, {7, "alone"}};
  for (int i = 0; i < 96; ++i) utterances.push_back({i % 6, fmt::format("speaker{}/video{}", i % 6, i / 24)});
  utterances.push_back({1, "both"});
  utterances.push_back({2, "both"});
  const data::SpeakerData data = make_data(utterances);
  const Numbers numbers = all(data);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const data::HoldOut parts = data::hold_out_groups(data, numbers, {.fraction = 0.2, .seed = seed});
    check_partition(parts, numbers);
    CHECK(parts.held_out.size() >= 20);
    CHECK(parts.held_out.size() < 20 + 4);  // less than one more group
    CHECK(parts.single_speakers == Numbers{7});
    std::map<std::string, std::set<bool>> sides;
    std::set<std::int64_t> trained;
    for (const std::int64_t number : parts.training) {
      sides[data.utterances[static_cast<std::size_t>(number)].group].insert(false);
      trained.insert(data.utterances[static_cast<std::size_t>(number)].speaker);
    }
    for (const std::int64_t number : parts.held_out)
      sides[data.utterances[static_cast<std::size_t>(number)].group].insert(true);
    for (const auto& [group, side] : sides) CHECK(side.size() == 1);
    CHECK(trained == std::set<std::int64_t>{0, 1, 2, 3, 4, 5, 7});
  }
}

TEST_CASE("speaker splits: errors") {
  data::SpeakerData data = make_data({{0, "a"}, {0, ""}});
  const Numbers numbers = all(data);
  const auto raised = [&](ErrorKind kind, const Numbers& which, double fraction) {
    return test::error_text(kind, [&] { data::hold_out_utterances(data, which, {.fraction = fraction}); });
  };
  CHECK(raised(ErrorKind::argument, numbers, 1.0) == "hold_out: fraction; got 1; expected at least 0 and below 1");
  raised(ErrorKind::argument, numbers, -0.1);
  raised(ErrorKind::argument, numbers, std::numeric_limits<double>::quiet_NaN());
  CHECK(raised(ErrorKind::index, {0, 2}, 0.1) ==
        "hold_out: number of an utterance out of range; got 2; expected 0 to 1");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::hold_out_groups(data, numbers); }) ==
        "hold_out_groups: \"u1\" has no group; hint: hold_out_utterances needs none");
  data.utterances[0].speaker = -1;
  CHECK(raised(ErrorKind::argument, numbers, 0.1) == "hold_out: speaker of \"u0\" is not known; got -1");
}
