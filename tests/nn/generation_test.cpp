// Beam search and sampling beside all sequences there are.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/nn/generation.h"
#include "support/errors.h"

using namespace saw;

namespace {

using Symbols = std::vector<std::int64_t>;

constexpr std::int64_t symbols = 5, begin = 0, end = 1;

/// log p of the next symbol, after all that came before in a text: drawn at random, always the same.
std::vector<double> next_of(std::int64_t text, const Symbols& before) {
  std::uint64_t number = static_cast<std::uint64_t>(text) + 1;
  for (const std::int64_t symbol : before) number = number * symbols + static_cast<std::uint64_t>(symbol) + 7;
  std::vector<double> logits;
  const RandomStream stream(11, number);
  for (std::int64_t s = 0; s < symbols; ++s) logits.push_back(1.5 * stream.normal(static_cast<std::uint64_t>(s)));
  double most = *std::max_element(logits.begin(), logits.end()), sum = 0.0;
  for (const double x : logits) sum += std::exp(x - most);
  for (double& x : logits) x -= most + std::log(sum);
  return logits;
}

/// The model as beam_search() asks it; it keeps what each sequence holds until now.
struct Table {
  std::vector<std::int64_t> texts;
  std::vector<Symbols> before;
  std::int64_t calls = 0;

  explicit Table(std::int64_t count) : texts(static_cast<std::size_t>(count)), before(texts.size()) {
    std::iota(texts.begin(), texts.end(), 0);
  }

  Tensor operator()(std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
    std::vector<std::int64_t> new_texts;
    std::vector<Symbols> extended;
    std::vector<double> scores;
    for (std::size_t i = 0; i < last.size(); ++i) {
      const auto parent = static_cast<std::size_t>(from[i]);
      REQUIRE(parent < before.size());
      new_texts.push_back(texts[parent]);
      extended.push_back(before[parent]);
      if (calls == 0)
        CHECK(last[i] == begin);
      else
        extended.back().push_back(last[i]);
      const std::vector<double> row = next_of(new_texts.back(), extended.back());
      scores.insert(scores.end(), row.begin(), row.end());
    }
    CHECK(std::is_sorted(new_texts.begin(), new_texts.end()));
    texts = new_texts;
    before = extended;
    ++calls;
    // Logits need not be normalised.
    return tensor(scores).reshape({static_cast<std::int64_t>(last.size()), symbols}) + 3.0;
  }
};

/// All sequences of at most `longest` symbols that end, of one text, best first by `score`.
std::vector<nn::Generated> all_sequences(std::int64_t text, std::int64_t longest, double alpha,
                                         const Symbols& without = {}) {
  std::vector<nn::Generated> result;
  const std::function<void(Symbols, double)> extend = [&](const Symbols& before, double log_probability) {
    const std::vector<double> next = next_of(text, before);
    const double whole = log_probability + next[end];
    const double length = static_cast<double>(before.size()) + 1;
    result.push_back({before, whole, whole / std::pow((5 + length) / 6, alpha), true});
    if (std::ssize(before) == longest) return;
    for (std::int64_t s = 0; s < symbols; ++s) {
      if (s == end || std::find(without.begin(), without.end(), s) != without.end()) continue;
      Symbols more = before;
      more.push_back(s);
      extend(more, log_probability + next[static_cast<std::size_t>(s)]);
    }
  };
  extend({}, 0.0);
  std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return result;
}

void check_same(const nn::Generated& got, const nn::Generated& expected) {
  CHECK(got.symbols == expected.symbols);
  CHECK(got.log_probability == doctest::Approx(expected.log_probability).epsilon(1e-12));
  CHECK(got.score == doctest::Approx(expected.score).epsilon(1e-12));
  CHECK(got.has_ended == expected.has_ended);
}

nn::BeamOptions beam_options(std::int64_t beam, std::int64_t best, std::int64_t longest) {
  nn::BeamOptions options;
  options.begin = begin;
  options.end = end;
  options.longest = longest;
  options.beam = beam;
  options.best = best;
  return options;
}

}  // namespace

TEST_CASE("beam_search finds the best of all sequences when the beam holds all that can lead there") {
  // With two symbols at most there are never more than five sequences to follow that matter.
  for (const double alpha : {0.0, 0.7, -0.5}) {
    CAPTURE(alpha);
    const std::int64_t texts = 6;
    nn::BeamOptions options = beam_options(5, 3, 1);
    options.length_penalty = alpha;
    options.stops_early = false;
    options.without = {begin};
    Table table(texts);
    const auto found = nn::beam_search(texts, std::ref(table), options);
    REQUIRE(std::ssize(found) == texts);
    for (std::int64_t text = 0; text < texts; ++text) {
      const auto expected = all_sequences(text, 1, alpha, {begin});
      const auto& got = found[static_cast<std::size_t>(text)];
      REQUIRE(got.size() == 3);
      for (std::size_t i = 0; i < got.size(); ++i) check_same(got[i], expected[i]);
    }
  }
}

TEST_CASE("beam_search with a beam of one is greedy") {
  for (std::int64_t text = 0; text < 20; ++text) {
    // By hand: greedy takes the best symbol each time.
    Symbols greedy;
    double log_probability = 0.0;
    bool ended = false;
    while (!ended && std::ssize(greedy) < 6) {
      const std::vector<double> next = next_of(text, greedy);
      const auto best = std::max_element(next.begin(), next.end()) - next.begin();
      log_probability += next[static_cast<std::size_t>(best)];
      if (best == end)
        ended = true;
      else
        greedy.push_back(best);
    }
    Table table(1);
    table.texts = {text};
    const auto found = nn::beam_search(1, std::ref(table), beam_options(1, 1, 6));
    REQUIRE(found[0].size() == 1);
    if (ended) {
      CHECK(found[0][0].symbols == greedy);
      CHECK(found[0][0].log_probability == doctest::Approx(log_probability));
    }
  }
}

TEST_CASE("beam_search: a text gets the same alone and beside others, whatever the beam") {
  const std::int64_t texts = 7;
  for (const bool stops_early : {true, false})
    for (const std::int64_t beam : {1, 2, 4}) {
      nn::BeamOptions options = beam_options(beam, beam, 5);
      options.stops_early = stops_early;
      options.length_penalty = 0.6;
      Table table(texts);
      const auto together = nn::beam_search(texts, std::ref(table), options);
      for (std::int64_t text = 0; text < texts; ++text) {
        Table alone(1);
        alone.texts = {text};
        const auto single = nn::beam_search(1, std::ref(alone), options);
        const auto& both = together[static_cast<std::size_t>(text)];
        REQUIRE(single[0].size() == both.size());
        REQUIRE(!both.empty());
        for (std::size_t i = 0; i < both.size(); ++i) {
          CHECK(single[0][i].symbols == both[i].symbols);
          CHECK(single[0][i].score == both[i].score);
          if (i > 0) CHECK(both[i - 1].score >= both[i].score);
        }
        // What it returns exists, with the probability that it says.
        for (const nn::Generated& sequence : both) {
          double log_probability = 0.0;
          for (std::size_t k = 0; k < sequence.symbols.size(); ++k)
            log_probability += next_of(
                text, Symbols(sequence.symbols.begin(),
                              sequence.symbols.begin() +
                                  static_cast<std::ptrdiff_t>(k)))[static_cast<std::size_t>(sequence.symbols[k])];
          if (sequence.has_ended) log_probability += next_of(text, sequence.symbols)[end];
          CHECK(sequence.log_probability == doctest::Approx(log_probability).epsilon(1e-12));
        }
      }
    }
}

TEST_CASE("generation: prefixes are kept, what is left out never comes, the longest length holds") {
  const std::vector<Symbols> prefixes = {{3, 4}, {}, {2}};
  nn::BeamOptions options = beam_options(3, 2, 4);
  options.prefixes = prefixes;
  options.without = {3};
  CHECK_THROWS_AS(nn::beam_search(3, Table(3), options), Error);  // text 0 must begin with what it must not have
  options.without = {0};
  Table table(3);
  const auto found = nn::beam_search(3, std::ref(table), options);
  nn::SamplingOptions sampling;
  static_cast<nn::GenerationOptions&>(sampling) = options;
  Table sampled_table(3);
  Generator generator(5);
  const auto sampled = nn::sample_sequences(3, std::ref(sampled_table), sampling, generator);
  for (std::size_t text = 0; text < 3; ++text) {
    std::vector<nn::Generated> sequences = found[text];
    sequences.push_back(sampled[text]);
    for (const nn::Generated& sequence : sequences) {
      REQUIRE(sequence.symbols.size() >= prefixes[text].size());
      CHECK(std::equal(prefixes[text].begin(), prefixes[text].end(), sequence.symbols.begin()));
      CHECK(std::count(sequence.symbols.begin(), sequence.symbols.end(), 0) == 0);
      CHECK(sequence.symbols.size() <= 4);
      CHECK((sequence.has_ended || sequence.symbols.size() == 4));
    }
  }
  CHECK(nn::beam_search(0, Table(0), beam_options(2, 1, 3)).empty());
  Table none(2);
  for (const auto& sequences : nn::beam_search(2, std::ref(none), beam_options(2, 1, 0)))
    CHECK(sequences.at(0).symbols.empty());
}

TEST_CASE("sample_sequences draws with the model's probabilities, and each text from its own stream") {
  const std::int64_t texts = 4000;
  nn::SamplingOptions options;
  options.end = end;
  options.longest = 1;
  // All texts alike: how often each first symbol comes is its probability.
  const auto alike = [&](std::span<const std::int64_t> last, std::span<const std::int64_t>) {
    std::vector<double> scores;
    for (std::size_t i = 0; i < last.size(); ++i)
      for (const double x : next_of(0, {})) scores.push_back(x);
    return tensor(scores).reshape({static_cast<std::int64_t>(last.size()), symbols});
  };
  const auto counted = [&](const nn::SamplingOptions& chosen) {
    Generator generator(1);
    std::map<std::int64_t, double> counts;
    for (const auto& sequence : nn::sample_sequences(texts, alike, chosen, generator))
      counts[sequence.symbols.empty() ? end : sequence.symbols[0]] += 1.0 / texts;
    return counts;
  };
  const std::vector<double> log_probabilities = next_of(0, {});
  std::vector<std::int64_t> order(symbols);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return log_probabilities[static_cast<std::size_t>(a)] > log_probabilities[static_cast<std::size_t>(b)];
  });
  const auto p = [&](std::int64_t symbol) { return std::exp(log_probabilities[static_cast<std::size_t>(symbol)]); };
  // Four standard deviations of a frequency over 4,000 draws are at most 0.032.
  auto all = counted(options);
  for (std::int64_t s = 0; s < symbols; ++s) CHECK(std::abs(all[s] - p(s)) < 0.032);
  options.top_k = 2;
  auto two = counted(options);
  CHECK(two.size() == 2);
  CHECK(std::abs(two[order[0]] - p(order[0]) / (p(order[0]) + p(order[1]))) < 0.032);
  options.top_k = 0;
  options.top_p = p(order[0]) + 0.5 * p(order[1]);
  CHECK(counted(options).size() == 2);
  options.top_p = 1e-9;
  CHECK(counted(options).size() == 1);
  options.top_p = 1.0;
  options.temperature = 0.0;
  CHECK(counted(options).begin()->first == order[0]);
  options.temperature = 0.5;
  auto sharp = counted(options);
  double squares = 0.0;
  for (std::int64_t s = 0; s < symbols; ++s) squares += p(s) * p(s);
  CHECK(std::abs(sharp[order[0]] - p(order[0]) * p(order[0]) / squares) < 0.032);

  // Text 2 among five and, with the generator at the same place, alone.
  options = {};
  options.end = end;
  options.longest = 6;
  Table table(5);
  Generator together(9), alone(9, 2);
  const auto five = nn::sample_sequences(5, std::ref(table), options, together);
  Table single(1);
  single.texts = {2};
  CHECK(nn::sample_sequences(1, std::ref(single), options, alone)[0].symbols == five[2].symbols);
}

TEST_CASE("beam_search: no sequence comes twice, and one that leads nowhere ends no other") {
  // After symbol 3 nothing can come; the end is always possible elsewhere.
  const auto next = [](std::span<const std::int64_t> last, std::span<const std::int64_t>) {
    std::vector<double> scores;
    for (const std::int64_t symbol : last)
      for (std::int64_t s = 0; s < symbols; ++s)
        scores.push_back(symbol == 3 || s == begin ? -std::numeric_limits<double>::infinity() : s == end ? -3.0 : 1.0);
    return tensor(scores).reshape({static_cast<std::int64_t>(last.size()), symbols});
  };
  nn::BeamOptions options = beam_options(4, 4, 2);
  options.stops_early = false;
  options.prefixes = {{2}, {}};
  options.longest_of_texts = {2, 3};
  const auto found = nn::beam_search(2, next, options);
  for (const auto& sequences : found) {
    REQUIRE(!sequences.empty());
    std::set<Symbols> different;
    for (const nn::Generated& sequence : sequences) {
      CHECK((sequence.has_ended || sequence.symbols.back() == 3));  // cut where it can neither go on nor end
      CHECK(different.insert(sequence.symbols).second);
    }
  }
  for (const nn::Generated& sequence : found[0]) CHECK(sequence.symbols.size() <= 2);
}

TEST_CASE("generation: what cannot be is named") {
  const auto message = [](const nn::BeamOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { nn::beam_search(2, Table(2), options); });
  };
  CHECK(message(beam_options(6, 1, 3)) == "beam_search: a beam of 6 is larger than the vocabulary of 5 symbols");
  CHECK(message(beam_options(0, 1, 3)).starts_with("beam_search: beam; got 0"));
  CHECK(message(beam_options(2, 3, 3)).starts_with("beam_search: best; got 3"));
  CHECK(message(beam_options(2, 1, -1)).starts_with("beam_search: longest; got -1"));
  nn::BeamOptions options = beam_options(2, 1, 3);
  options.end = 5;
  CHECK(message(options).starts_with("beam_search: begin and end; got 0 and 5; expected symbols, 0 to 4"));
  options = beam_options(2, 1, 3);
  options.prefixes = {{1}};
  CHECK(message(options).starts_with("beam_search: prefixes; got 1; expected one for each of 2 texts"));
  options.prefixes = {{9}, {}};
  CHECK(message(options).starts_with("beam_search: a prefix; got 9"));
  const auto nan = [](std::span<const std::int64_t> last, std::span<const std::int64_t>) {
    return full({static_cast<std::int64_t>(last.size()), symbols}, std::nan(""));
  };
  CHECK(test::error_text(ErrorKind::argument, [&] { nn::beam_search(1, nan, beam_options(2, 1, 3)); }) ==
        "beam_search: the model gives NaN for text 0");
  const auto nothing = [](std::span<const std::int64_t> last, std::span<const std::int64_t>) {
    return full({static_cast<std::int64_t>(last.size()), symbols}, -std::numeric_limits<double>::infinity());
  };
  CHECK(test::error_text(ErrorKind::argument, [&] {
          nn::beam_search(1, nothing, beam_options(2, 1, 3));
        }).starts_with("beam_search: nothing can come next in text 0"));
  CHECK(test::error_text(ErrorKind::shape, [&] {
          nn::beam_search(
              1,
              [](auto, auto) {
                return zeros({2, 5});
              },
              beam_options(2, 1, 3));
        }).starts_with("beam_search: what the model gives does not fit; got float32 (2, 5)"));
  nn::SamplingOptions sampling;
  Generator generator;
  for (const double temperature : {-1.0, std::nan("")}) {
    sampling.temperature = temperature;
    CHECK(test::error_text(ErrorKind::argument, [&] {
            nn::sample_sequences(1, Table(1), sampling, generator);
          }).starts_with("sample_sequences: temperature"));
  }
}
