// Decoding of CTC beside a look at every path: greedy, prefix beams, language models, lexicons, forced alignment.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/nn/ctc_beam_search.h"
#include "saw/nn/ctc_decoding.h"
#include "support/tensors.h"

using namespace saw;

namespace {

using Symbols = std::vector<std::int64_t>;
constexpr double infinity = std::numeric_limits<double>::infinity();

Symbols said(const Symbols& path, std::int64_t blank) {
  Symbols result;
  for (std::size_t t = 0; t < path.size(); ++t)
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) result.push_back(path[t]);
  return result;
}

/// Calls f(path, log-probability) for every path through log_probs (frames, symbols).
template <class F>
void for_each_path(const Tensor& log_probs, const F& f) {
  const std::vector<double> x = to(log_probs, float64).to_vector<double>();
  const auto symbols = static_cast<std::size_t>(log_probs.size(1));
  Symbols path(static_cast<std::size_t>(log_probs.size(0)), 0);
  while (true) {
    double score = 0;
    for (std::size_t t = 0; t < path.size(); ++t) score += x[t * symbols + static_cast<std::size_t>(path[t])];
    f(path, score);
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == log_probs.size(1)) path[t++] = 0;
    if (t == path.size()) return;
  }
}

/// The probability of each labelling, by all paths.
std::map<Symbols, double> labellings(const Tensor& log_probs, std::int64_t blank) {
  std::map<Symbols, double> result;
  for_each_path(log_probs, [&](const Symbols& path, double score) { result[said(path, blank)] += std::exp(score); });
  return result;
}

Tensor random_rows(std::int64_t frames, std::int64_t symbols) {
  return log_softmax(randn({frames, symbols}, float64) * 1.5, 1);
}

Tensor packed(const Symbols& symbols) { return tensor(symbols); }

/// log_probs whose frames are sure of these symbols.
Tensor sure_of(const Symbols& path, std::int64_t symbols) {
  return log_softmax(one_hot(tensor(path), symbols) * 12.0, 1);
}

}  // namespace

TEST_CASE("ctc_greedy draws repetitions together and leaves blanks out") {
  const Segments frames = Segments::from_lengths({7, 0, 2, 3});
  const Symbols path{0, 1, 1, 0, 1, 2, 2, 0, 0, 2, 2, 2};
  const auto results = nn::ctc_greedy(sure_of(path, 3), frames);
  REQUIRE(results.size() == 4);
  CHECK(results[0].symbols == Symbols{1, 1, 2});
  CHECK(results[1].symbols.empty());
  CHECK(results[1].score == 0.0);
  CHECK(results[2].symbols.empty());
  CHECK(results[3].symbols == Symbols{2});
  CHECK(results[0].score == doctest::Approx(7 * sure_of({0}, 3).to_vector<float>()[0]));
  CHECK(nn::ctc_greedy(sure_of({2, 0, 0, 2, 1}, 3), Segments::single(5), 2)[0].symbols == Symbols{0, 1});
}

TEST_CASE("ctc_beam_search with a beam for everything finds the best labellings and their probabilities") {
  const GeneratorGuard seeded(Generator(1));
  for (const std::int64_t blank : {0, 2})
    for (int round = 0; round < 10; ++round) {
      const Tensor x = random_rows(5, 3);
      std::vector<std::pair<double, Symbols>> expected;
      for (const auto& [symbols, probability] : labellings(x, blank)) expected.emplace_back(probability, symbols);
      std::sort(expected.rbegin(), expected.rend());
      const auto found = nn::ctc_beam_search(x, Segments::single(5), {.beam = 1000, .n_best = 1000, .blank = blank})[0];
      REQUIRE(found.size() == expected.size());
      double total = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].symbols == expected[i].second);
        CHECK(found[i].log_probability == doctest::Approx(std::log(expected[i].first)).epsilon(1e-10));
        CHECK(found[i].score == found[i].log_probability);
        total += std::exp(found[i].log_probability);
        const Segments length = Segments::single(std::ssize(found[i].symbols));
        CHECK(ctc_loss(x, Segments::single(5), packed(found[i].symbols), length,
                       {.blank = blank, .reduction = Reduction::sum})
                  .item() == doctest::Approx(-found[i].log_probability).epsilon(1e-10));
      }
      CHECK(total == doctest::Approx(1.0).epsilon(1e-12));
    }
}

TEST_CASE("ctc_beam_search adds up paths where greedy follows one") {
  // "a" by three paths of 0.24 beats two blanks at 0.36.
  const Tensor x = log(tensor({{0.6, 0.4}, {0.6, 0.4}}));
  CHECK(nn::ctc_greedy(x, Segments::single(2))[0].symbols.empty());
  const auto best = nn::ctc_beam_search(x, Segments::single(2), {.beam = 2})[0];
  REQUIRE(best.size() == 1);
  CHECK(best[0].symbols == Symbols{1});
  CHECK(best[0].log_probability == doctest::Approx(std::log(0.64)).epsilon(1e-6));
}

TEST_CASE("ctc_beam_search: segments are searched one by one, also empty ones") {
  const GeneratorGuard seeded(Generator(2));
  const Segments frames = Segments::from_lengths({6, 0, 1, 9});
  const Tensor x = random_rows(16, 5);
  const auto together = nn::ctc_beam_search(x, frames, {.beam = 4, .n_best = 3});
  REQUIRE(together.size() == 4);
  REQUIRE(together[1].size() == 1);
  CHECK(together[1][0].symbols.empty());
  CHECK(together[1][0].score == 0.0);
  for (std::int64_t b = 0; b < 4; ++b) {
    const auto alone = nn::ctc_beam_search(x.slice(0, frames.begin(b), frames.end(b)),
                                           Segments::single(frames.length(b)), {.beam = 4, .n_best = 3})[0];
    const auto& batched = together[static_cast<std::size_t>(b)];
    REQUIRE(alone.size() == batched.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CHECK(alone[i].symbols == batched[i].symbols);
      CHECK(alone[i].score == batched[i].score);
    }
  }
  CHECK(nn::ctc_beam_search(x.slice(0, 0, 0), Segments()).empty());
}

TEST_CASE("ctc_beam_search: what a small beam finds is found once, and no likelier than it is") {
  const GeneratorGuard seeded(Generator(7));
  const Segments frames = Segments::single(60);
  for (const std::int64_t beam : {1, 3, 20}) {
    const Tensor x = random_rows(60, 5);
    const auto found = nn::ctc_beam_search(x, frames, {.beam = beam, .n_best = beam})[0];
    REQUIRE(std::ssize(found) == beam);
    std::set<Symbols> different;
    for (std::size_t i = 0; i < found.size(); ++i) {
      different.insert(found[i].symbols);
      if (i > 0) CHECK(found[i].score <= found[i - 1].score);
      const Segments length = Segments::single(std::ssize(found[i].symbols));
      const double exact = -ctc_loss(x, frames, packed(found[i].symbols), length, {.reduction = Reduction::sum}).item();
      CHECK(found[i].log_probability <= exact + 1e-9);
    }
    CHECK(std::ssize(different) == beam);
  }
}

TEST_CASE("ctc_beam_search finds nothing in rows of NaN") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto found = nn::ctc_beam_search(cat({full({2, 3}, nan), zeros({1, 3})}, 0), Segments::from_lengths({2, 1}));
  CHECK(found[0].empty());
  CHECK(found[1].size() == 1);
}

TEST_CASE("ctc_beam_search with a language model and a bonus") {
  const GeneratorGuard seeded(Generator(3));
  // A bigram model over symbols 1 and 2 and the end.
  const nn::SymbolModel bigram = [](std::span<const std::int64_t> before, std::int64_t symbol) {
    const std::int64_t last = before.empty() ? 0 : before.back();
    if (symbol == nn::end_of_sequence) return std::log(last == 2 ? 0.5 : 0.1);
    return std::log(symbol == last ? 0.05 : 0.6);
  };
  for (int round = 0; round < 10; ++round) {
    const Tensor x = random_rows(5, 3);
    const nn::CtcBeamSearchOptions options{
        .beam = 1000, .n_best = 5, .language_model = bigram, .language_model_weight = 0.8, .insertion_bonus = 0.3};
    std::vector<std::pair<double, Symbols>> expected;
    for (const auto& [symbols, probability] : labellings(x, 0)) {
      double prior = bigram(symbols, nn::end_of_sequence);
      for (std::size_t i = 0; i < symbols.size(); ++i) prior += bigram(std::span(symbols).first(i), symbols[i]);
      expected.emplace_back(std::log(probability) + 0.8 * prior + 0.3 * static_cast<double>(symbols.size()), symbols);
    }
    std::sort(expected.rbegin(), expected.rend());
    const auto found = nn::ctc_beam_search(x, Segments::single(5), options)[0];
    REQUIRE(found.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(found[i].symbols == expected[i].second);
      CHECK(found[i].score == doctest::Approx(expected[i].first).epsilon(1e-10));
    }
  }
}

TEST_CASE("ctc_beam_search with a lexicon says its words alone") {
  const GeneratorGuard seeded(Generator(4));
  const std::vector<Symbols> words{{1, 2}, {1}, {2, 2, 1}};
  for (const std::int64_t separator : {nn::Lexicon::no_separator, std::int64_t{3}}) {
    CAPTURE(separator);
    const nn::Lexicon lexicon(words, separator);
    // Everything that up to three words may be.
    std::set<Symbols> allowed{{}};
    for (int more = 0; more < 6; ++more) {
      const std::set<Symbols> shorter = allowed;
      for (const Symbols& start : shorter)
        for (const Symbols& word : words) {
          Symbols longer = start;
          if (separator >= 0 && !longer.empty()) longer.push_back(separator);
          longer.insert(longer.end(), word.begin(), word.end());
          if (longer.size() <= 6) allowed.insert(longer);
        }
    }
    for (int round = 0; round < 10; ++round) {
      const Tensor x = random_rows(6, 4);
      std::vector<std::pair<double, Symbols>> expected;
      for (const auto& [symbols, probability] : labellings(x, 0))
        if (allowed.count(symbols) == 1) expected.emplace_back(probability, symbols);
      std::sort(expected.rbegin(), expected.rend());
      const auto found =
          nn::ctc_beam_search(x, Segments::single(6), {.beam = 5000, .n_best = 5000, .lexicon = &lexicon});
      REQUIRE(found[0].size() == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(found[0][i].symbols == expected[i].second);
        CHECK(found[0][i].log_probability == doctest::Approx(std::log(expected[i].first)).epsilon(1e-10));
      }
      // A beam of one still ends with something that is allowed.
      const auto narrow = nn::ctc_beam_search(x, Segments::single(6), {.beam = 1, .lexicon = &lexicon})[0];
      REQUIRE(narrow.size() == 1);
      CHECK(allowed.count(narrow[0].symbols) == 1);
    }
  }
}

TEST_CASE("ctc_beam_search: small probabilities are left out as asked, and no symbol is impossible to live without") {
  const Tensor x = log(tensor({{0.5, 0.4999, 0.0001}, {0.1, 0.9, 0.0}}));
  const auto all = nn::ctc_beam_search(x, Segments::single(2), {.beam = 100, .n_best = 100})[0];
  const auto few =
      nn::ctc_beam_search(x, Segments::single(2), {.beam = 100, .n_best = 100, .smallest_probability = 0.001})[0];
  CHECK(few.size() < all.size());
  CHECK(few[0].symbols == all[0].symbols);
  for (const auto& hypothesis : all) CHECK(std::isfinite(hypothesis.score));
}

TEST_CASE("ctc_align finds the best path of all that say the target") {
  const GeneratorGuard seeded(Generator(5));
  for (const std::int64_t blank : {0, 2})
    for (const Symbols& target : std::vector<Symbols>{{}, {1}, {1, 1}, {1, 3}, {3, 1, 3}, {1, 3, 3, 1}, {3, 3, 3}}) {
      const Tensor x = random_rows(6, 4);
      double best = -infinity;
      Symbols best_path;
      for_each_path(x, [&](const Symbols& path, double score) {
        if (score <= best || said(path, blank) != target) return;
        best = score;
        best_path = path;
      });
      const nn::CtcAlignment alignment =
          nn::ctc_align(x, Segments::single(6), packed(target), Segments::single(std::ssize(target)), blank);
      CHECK(alignment.scores.to_vector<double>()[0] == doctest::Approx(best).epsilon(1e-12));
      CHECK(alignment.symbols.to_vector<std::int64_t>() == best_path);
      // Positions count the symbols of the target, frame by frame.
      const Symbols positions = alignment.positions.to_vector<std::int64_t>();
      std::int64_t last = -1;
      for (std::size_t t = 0; t < 6; ++t) {
        if (best_path[t] == blank) {
          CHECK(positions[t] == -1);
          continue;
        }
        CHECK((positions[t] == last || positions[t] == last + 1));
        CHECK(target[static_cast<std::size_t>(positions[t])] == best_path[t]);
        last = positions[t];
      }
      CHECK(last == std::ssize(target) - 1);
    }
}

TEST_CASE("ctc_align: ragged batches and impossible targets") {
  const GeneratorGuard seeded(Generator(6));
  const Segments frames = Segments::from_lengths({2, 0, 4, 0}), lengths = Segments::from_lengths({2, 0, 1, 1});
  const Tensor x = random_rows(6, 3);
  const nn::CtcAlignment alignment = nn::ctc_align(x, frames, packed({1, 1, 2, 1}), lengths);
  const std::vector<double> scores = alignment.scores.to_vector<double>();
  CHECK(scores[0] == -infinity);  // 1 1 needs three frames
  CHECK(scores[1] == 0.0);
  CHECK(std::isfinite(scores[2]));
  CHECK(scores[3] == -infinity);
  const Symbols symbols = alignment.symbols.to_vector<std::int64_t>();
  CHECK(symbols[0] == 0);
  CHECK(symbols[1] == 0);
  CHECK(said(Symbols(symbols.begin() + 2, symbols.end()), 0) == Symbols{2});
  CHECK(nn::ctc_frames_needed(Symbols{1, 1}) == 3);
  CHECK(nn::ctc_frames_needed(Symbols{}) == 0);
  CHECK(nn::ctc_frames_needed(Symbols{1, 2, 2, 2, 1}) == 7);
}

TEST_CASE("decoding of CTC says what does not fit") {
  const Tensor x = zeros({4, 3});
  const Segments frames = Segments::single(4);
  CHECK_THROWS_WITH_AS(nn::ctc_greedy(x, frames, 3), "ctc_greedy: the blank is no symbol; got 3; expected 0 … 2",
                       Error);
  CHECK_THROWS_AS(nn::ctc_greedy(zeros({4}), frames), Error);
  CHECK_THROWS_AS(nn::ctc_greedy(zeros({4, 3}, int64), frames), Error);
  CHECK_THROWS_AS(nn::ctc_greedy(x, Segments::single(5)), Error);
  CHECK_THROWS_AS(nn::ctc_beam_search(x, frames, {.beam = 0}), Error);
  CHECK_THROWS_WITH_AS(nn::ctc_beam_search(x, frames, {.beam = 2, .n_best = 3}),
                       "ctc_beam_search: n_best does not fit the beam; got 3; expected 1 … 2", Error);
  CHECK_THROWS_AS(nn::ctc_beam_search(x, frames, {.insertion_bonus = infinity}), Error);
  CHECK_THROWS_AS(nn::ctc_beam_search(x, frames, {.smallest_probability = 1.0}), Error);
  const nn::Lexicon lexicon(std::vector<Symbols>{{1, 3}});
  CHECK_THROWS_AS(nn::ctc_beam_search(x, frames, {.lexicon = &lexicon}), Error);
  CHECK_THROWS_AS(nn::Lexicon(std::vector<Symbols>{{1}, {}}), Error);
  CHECK_THROWS_AS(nn::Lexicon(std::vector<Symbols>{{1, 2}}, 2), Error);
  CHECK_THROWS_AS(nn::Lexicon(std::vector<Symbols>{{-1}}), Error);
  CHECK_THROWS_WITH_AS(nn::ctc_align(x, frames, packed({1, 0}), Segments::single(2)),
                       "ctc_align: not a symbol to align; got 0 as symbol 1 of target 0; expected 0 … 2, not 0", Error);
  CHECK_THROWS_AS(nn::ctc_align(x, frames, packed({1, 2}), Segments::from_lengths({1, 1})), Error);
  CHECK_THROWS_AS(nn::ctc_align(x, frames, packed({1}), Segments::single(2)), Error);
}
