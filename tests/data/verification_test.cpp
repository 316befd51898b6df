#include "saw/data/verification.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/random.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::equal_error_rate;
using data::min_detection_cost;

namespace {

struct Trials {
  std::vector<double> scores;
  std::vector<bool> is_target;
};

// Overlapping normal scores; a step makes them coarse, so that there are ties.
Trials random_trials(std::uint64_t seed, int count, double step) {
  const RandomStream random(seed, 0);
  Trials trials;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const bool target = i < 2 ? i == 0 : random.uniform(2 * at) < 0.3;
    const double score = random.normal(2 * at + 1) + (target ? 1.5 : 0.0);
    trials.scores.push_back(step > 0 ? std::round(score / step) * step : score);
    trials.is_target.push_back(target);
  }
  return trials;
}

struct Rates {
  double miss, false_alarm;
};

Rates rates_at(const Trials& trials, double threshold) {
  double missed = 0, targets = 0, accepted = 0, others = 0;
  for (std::size_t i = 0; i < trials.scores.size(); ++i) {
    const bool accept = trials.scores[i] >= threshold;
    (trials.is_target[i] ? targets : others) += 1;
    if (trials.is_target[i] && !accept) missed += 1;
    if (!trials.is_target[i] && accept) accepted += 1;
  }
  return {missed / targets, accepted / others};
}

// Every score is a threshold, and one above all.
std::vector<double> thresholds(const Trials& trials) {
  std::vector<double> result = trials.scores;
  result.push_back(std::numeric_limits<double>::infinity());
  std::sort(result.begin(), result.end());
  return result;
}

// Where the line through the rates of two neighbouring thresholds has equal rates.
double oracle_equal_error_rate(const Trials& trials) {
  const std::vector<double> all = thresholds(trials);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const Rates low = rates_at(trials, all[i]), high = rates_at(trials, all[i + 1]);
    if (low.miss > low.false_alarm || high.miss <= high.false_alarm) continue;
    // bisection, which shares no formula with the function
    double below = 0, above = 1;
    for (int step = 0; step < 200; ++step) {
      const double middle = (below + above) / 2;
      const double miss = low.miss + middle * (high.miss - low.miss);
      const double false_alarm = low.false_alarm + middle * (high.false_alarm - low.false_alarm);
      (miss <= false_alarm ? below : above) = middle;
    }
    return low.miss + below * (high.miss - low.miss);
  }
  FAIL("no crossing");
  return 0;
}

double oracle_cost(const Trials& trials, double p, double c_miss, double c_fa) {
  double smallest = std::numeric_limits<double>::infinity();
  for (const double threshold : thresholds(trials)) {
    const Rates rates = rates_at(trials, threshold);
    smallest = std::min(smallest, c_miss * p * rates.miss + c_fa * (1 - p) * rates.false_alarm);
  }
  return smallest / std::min(c_miss * p, c_fa * (1 - p));
}

}  // namespace

TEST_CASE("verification: equal error rates worked out by hand") {
  const auto rate = [](const std::vector<double>& scores, const std::vector<bool>& is_target) {
    return equal_error_rate(scores, is_target);
  };
  CHECK(rate({3, 2, 1, 0}, {true, true, false, false}) == 0.0);
  CHECK(rate({3, 2, 1, 0}, {false, false, true, true}) == 1.0);
  CHECK(rate({0, 3, 1, 2}, {false, true, true, false}) == doctest::Approx(0.5));
  // One of four targets below, one of four others above: threshold between them.
  CHECK(rate({9, 8, 7, 2, 6, 3, 1, 0}, {true, true, true, true, false, false, false, false}) == doctest::Approx(0.25));
  // All scores equal: accept all (0, 1) or nothing (1, 0), and half of the way between them.
  CHECK(rate({1, 1, 1, 1, 1}, {true, false, true, false, false}) == doctest::Approx(0.5));
  // Two targets, three others; down from above (miss, false alarm) is (1, 0), (½, 0), (½, ⅓), (½, ⅔), …
  CHECK(rate({5, 4, 3, 2, 1}, {true, false, false, true, false}) == doctest::Approx(0.5));
  // The targets 5, 4, 1 and the others 4, 2, 0: (1, 0), (⅔, 0), with the tie (⅓, ⅓).
  CHECK(rate({5, 4, 1, 4, 2, 0}, {true, true, true, false, false, false}) == doctest::Approx(1.0 / 3));
  // Between (½, 0) and (0, ½), a tie of a target and one of two others: they meet in the middle.
  CHECK(rate({3, 2, 2, 1}, {true, true, false, false}) == doctest::Approx(0.25));
  CHECK(rate({std::numeric_limits<double>::infinity(), 0}, {true, false}) == 0.0);
}

TEST_CASE("verification: minimum detection costs worked out by hand") {
  const std::vector<double> scores{5, 4, 3, 2, 1, 0};
  // (miss, false alarm) down from above: (1, 0) (½, 0) (½, ¼) (0, ¼) (0, ½) (0, ¾) (0, 1)
  const std::vector<bool> is_target{true, false, true, false, false, false};
  CHECK(min_detection_cost(scores, is_target) == doctest::Approx(0.5));                      // 0.01 · ½ / 0.01
  CHECK(min_detection_cost(scores, is_target, {.p_target = 0.5}) == doctest::Approx(0.25));  // 0.5 · ¼ / 0.5
  CHECK(min_detection_cost(scores, is_target, {.p_target = 0.9}) == doctest::Approx(0.25));  // 0.1 · ¼ / 0.1
  CHECK(min_detection_cost(scores, is_target, {.p_target = 0.5, .c_miss = 10}) == doctest::Approx(0.25));
  CHECK(min_detection_cost(scores, is_target, {.p_target = 0.5, .c_fa = 10}) == doctest::Approx(0.5));
  CHECK(min_detection_cost(std::vector<double>{1, 0}, {true, false}) == 0.0);
  // Scores that say the opposite: rejecting everything is best.
  CHECK(min_detection_cost(std::vector<double>{0, 1}, {true, false}) == 1.0);
}

TEST_CASE("verification: both agree with a search over all thresholds") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Trials trials = random_trials(seed, 3 + static_cast<int>(seed) * 2, seed % 3 == 0 ? 0.5 : 0.0);
    CAPTURE(seed);
    CHECK(equal_error_rate(trials.scores, trials.is_target) ==
          doctest::Approx(oracle_equal_error_rate(trials)).epsilon(1e-12));
    for (const double p : {0.01, 0.05, 0.7})
      CHECK(min_detection_cost(trials.scores, trials.is_target, {.p_target = p, .c_miss = 2, .c_fa = 0.5}) ==
            doctest::Approx(oracle_cost(trials, p, 2, 0.5)).epsilon(1e-12));
  }
}

TEST_CASE("verification: two normal distributions have the rate that theory says") {
  // Targets N(1.5, 1), others N(0, 1): the rates are equal at 0.75, Φ(−0.75) = 0.2266; the standard error is below
  // 0.003.
  const Trials trials = random_trials(7, 100000, 0);
  CHECK(std::fabs(equal_error_rate(trials.scores, trials.is_target) - 0.226627) < 0.009);
}

TEST_CASE("verification: bad scores") {
  const auto error = [](const std::vector<double>& scores, const std::vector<bool>& is_target) {
    test::error_text(ErrorKind::argument, [&] { min_detection_cost(scores, is_target); });
    return test::error_text(ErrorKind::argument, [&] { equal_error_rate(scores, is_target); });
  };
  CHECK(error({1, 2}, {true}) == "equal_error_rate: as many scores as answers are needed; got 2 and 1");
  CHECK(error({}, {}) == "equal_error_rate: trials of both kinds are needed; got 0 targets and 0 others");
  CHECK(error({1, 2}, {true, true}) == "equal_error_rate: trials of both kinds are needed; got 2 targets and 0 others");
  CHECK(error({1, std::nan("")}, {true, false}) == "equal_error_rate: the score of trial 1 is NaN");
  const auto cost = [](const data::DetectionCostOptions& options) {
    return test::error_text(ErrorKind::argument, [&] {
      min_detection_cost(std::vector<double>{1, 0}, {true, false}, options);
    });
  };
  CHECK(cost({.p_target = 0}) == "min_detection_cost: p_target; got 0; expected more than 0 and less than 1");
  cost({.p_target = 1});
  CHECK(cost({.c_miss = 0}) == "min_detection_cost: c_miss and c_fa; got 0 and 1; expected positive numbers");
  cost({.c_fa = std::numeric_limits<double>::infinity()});
}

TEST_CASE("verification: trials in VoxCeleb's and in Kaldi's form") {
  const test::TemporaryDirectory directory;
  const std::string file = (directory / "trials.txt").string();
  const auto read = [&](const std::string& text) {
    test::write_file(file, text);
    return data::read_trials(file);
  };
  const auto voxceleb = read("1 id1/a.wav id1/b.wav\n0 id1/a.wav\tid2/c.wav\r\n\n");
  REQUIRE(voxceleb.size() == 2);
  CHECK(voxceleb[0].enrolment == "id1/a.wav");
  CHECK(voxceleb[0].test == "id1/b.wav");
  CHECK(voxceleb[0].target);
  CHECK(voxceleb[1].test == "id2/c.wav");
  CHECK_FALSE(voxceleb[1].target);
  const auto kaldi = read("1  id1-utt2 target\n0 id1-utt3   nontarget");  // speakers may be called 0 and 1
  REQUIRE(kaldi.size() == 2);
  CHECK(kaldi[0].enrolment == "1");
  CHECK(kaldi[0].test == "id1-utt2");
  CHECK(kaldi[0].target);
  CHECK_FALSE(kaldi[1].target);

  const auto error = [&](const std::string& text) { return test::error_text(ErrorKind::io, [&] { read(text); }); };
  CHECK(error("") == file + ": no trial in it");
  CHECK(error("1 a\n") ==
        file +
            ":1: wrong number of fields; got 2; expected 3, as in \"1 enrolment test\" or \"enrolment test target\"");
  CHECK(error("1 a b\n2 a b\n") == file + ":2: field 1; got \"2\"; expected 1 or 0");
  CHECK(error("a b target\n1 a b\n") == file + ":2: field 3; got \"b\"; expected target or nontarget");
}
