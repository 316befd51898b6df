#include "saw/nn/generation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/tape/tensor.h"

namespace saw::nn {
namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();

void check(const char* op, std::int64_t texts, const GenerationOptions& options) {
  if (texts < 0) fail(ErrorKind::argument, "{}: texts; got {}; expected at least 0", op, texts);
  if (options.longest < 0) fail(ErrorKind::argument, "{}: longest; got {}; expected at least 0", op, options.longest);
  if (!options.prefixes.empty() && std::ssize(options.prefixes) != texts)
    fail(ErrorKind::argument, "{}: prefixes; got {}; expected one for each of {} texts, or none", op,
         options.prefixes.size(), texts);
  for (const auto& prefix : options.prefixes)
    for (const std::int64_t symbol : prefix)
      if (symbol < 0) fail(ErrorKind::argument, "{}: a prefix; got {}; expected symbols", op, symbol);
  if (!options.longest_of_texts.empty() && std::ssize(options.longest_of_texts) != texts)
    fail(ErrorKind::argument, "{}: longest_of_texts; got {}; expected one for each of {} texts, or none", op,
         options.longest_of_texts.size(), texts);
}

/// log p(symbol) of what may come next for each sequence, −∞ for what must not.
class NextSymbols {
 public:
  NextSymbols(const char* op, const NextScores& next, const GenerationOptions& options)
      : op_(op), next_(next), options_(options) {}

  void ask(std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
    const Tensor scores = next_(last, from);
    const auto count = static_cast<std::int64_t>(last.size());
    if (!scores.defined() || scores.rank() != 2 || scores.size(0) != count || !is_floating(scores.dtype()))
      fail(ErrorKind::shape, "{}: what the model gives does not fit; got {}; expected scores ({}, symbols)", op_,
           scores.defined() ? fmt::format("{} {}", scores.dtype(), scores.shape()) : "nothing", count);
    symbols_ = scores.size(1);
    for (const std::int64_t symbol : {options_.begin, options_.end})
      if (symbol < 0 || symbol >= symbols_)
        fail(ErrorKind::argument, "{}: begin and end; got {} and {}; expected symbols, 0 to {}", op_, options_.begin,
             options_.end, symbols_ - 1);
    const Tensor wide = to(scores, float64);
    // Where nothing can come next, log_softmax would say NaN.
    const Tensor dead = equal(amax(wide, {1}, true), impossible);
    values_ = masked_fill(log_softmax(wide), dead, impossible).to_vector<double>();
    for (std::int64_t row = 0; row < count; ++row)
      for (const std::int64_t symbol : options_.without) {
        if (symbol < 0 || symbol >= symbols_)
          fail(ErrorKind::argument, "{}: without; got {}; expected symbols, 0 to {}", op_, symbol, symbols_ - 1);
        at(row, symbol) = impossible;
      }
  }
  /// In this row only `symbol` is left, with its probability.
  void force(std::int64_t row, std::int64_t symbol) {
    if (symbol < 0 || symbol >= symbols_)
      fail(ErrorKind::argument, "{}: a prefix; got {}; expected symbols, 0 to {}", op_, symbol, symbols_ - 1);
    for (std::int64_t other = 0; other < symbols_; ++other)
      if (other != symbol) at(row, other) = impossible;
  }

  std::int64_t symbols() const { return symbols_; }
  std::span<const double> row(std::int64_t row) const {
    return std::span(values_).subspan(static_cast<std::size_t>(row * symbols_), static_cast<std::size_t>(symbols_));
  }
  /// Whether anything can come next. Throws where the model gives NaN.
  bool is_alive(std::int64_t text, std::span<const double> values) const {
    if (std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); }))
      fail(ErrorKind::argument, "{}: the model gives NaN for text {}", op_, text);
    return std::any_of(values.begin(), values.end(), [](double x) { return x > impossible; });
  }
  [[noreturn]] void fail_at(std::int64_t text) const {
    fail(ErrorKind::argument, "{}: nothing can come next in text {}: no symbol has a finite score", op_, text);
  }

 private:
  double& at(std::int64_t row, std::int64_t symbol) {
    return values_[static_cast<std::size_t>(row * symbols_ + symbol)];
  }

  const char* op_;
  const NextScores& next_;
  const GenerationOptions& options_;
  std::int64_t symbols_ = 0;
  std::vector<double> values_;
};

std::int64_t longest_of(const GenerationOptions& options, std::int64_t text) {
  return options.longest_of_texts.empty() ? options.longest : options.longest_of_texts[static_cast<std::size_t>(text)];
}

/// The symbol that a text's prefix asks for at this place, or −1.
std::int64_t forced_symbol(const GenerationOptions& options, std::int64_t text, std::int64_t place) {
  if (options.prefixes.empty()) return -1;
  const auto& prefix = options.prefixes[static_cast<std::size_t>(text)];
  return place < std::ssize(prefix) ? prefix[static_cast<std::size_t>(place)] : -1;
}

/// A continuation of a sequence that is followed.
struct Candidate {
  double log_probability;
  std::int64_t from, symbol;

  bool operator<(const Candidate& other) const {  // better first
    if (log_probability != other.log_probability) return log_probability > other.log_probability;
    if (from != other.from) return from < other.from;
    return symbol < other.symbol;
  }
};

double penalty(const BeamOptions& options, std::int64_t symbols) {
  return std::pow((5.0 + static_cast<double>(symbols)) / 6.0, options.length_penalty);
}

struct Beam {
  std::vector<Generated> live, ended;  // ended: best first
  bool done = false;

  void end(Generated sequence, const BeamOptions& options) {
    const auto length = std::ssize(sequence.symbols) + (sequence.has_ended ? 1 : 0);
    sequence.score = sequence.log_probability / penalty(options, length);
    const auto behind =
        std::find_if(ended.begin(), ended.end(), [&](const Generated& other) { return sequence.score > other.score; });
    ended.insert(behind, std::move(sequence));
  }
  /// Whether no live sequence can still come among the best that ended. log p only falls; the penalty is largest for
  /// the longest length when it grows, and for the next one when it falls.
  bool is_decided(const BeamOptions& options, std::int64_t longest) const {
    if (options.stops_early) return std::ssize(ended) >= options.beam;
    if (std::ssize(ended) < options.best) return false;
    double most = impossible;
    for (const Generated& sequence : live) {
      const auto next = std::ssize(sequence.symbols) + 1;
      const double divisor = std::max(penalty(options, next), penalty(options, longest + 1));
      most = std::max(most, sequence.log_probability / divisor);
    }
    return most <= ended[static_cast<std::size_t>(options.best - 1)].score;
  }
};

}  // namespace

std::vector<std::vector<Generated>> beam_search(std::int64_t texts, const NextScores& next,
                                                const BeamOptions& options) {
  const NoGradGuard no_grad;
  check("beam_search", texts, options);
  if (options.beam < 1) fail(ErrorKind::argument, "beam_search: beam; got {}; expected at least 1", options.beam);
  if (options.best < 1 || options.best > options.beam)
    fail(ErrorKind::argument, "beam_search: best; got {}; expected 1 to the beam, {}", options.best, options.beam);
  if (!(std::isfinite(options.length_penalty)))
    fail(ErrorKind::argument, "beam_search: length_penalty; got {}; expected a finite number", options.length_penalty);

  std::vector<Beam> beams(static_cast<std::size_t>(texts));
  std::vector<std::int64_t> last(beams.size(), options.begin), from(beams.size());
  std::iota(from.begin(), from.end(), 0);
  for (Beam& beam : beams) beam.live.emplace_back();
  NextSymbols symbols("beam_search", next, options);
  for (std::int64_t length = 0; !last.empty(); ++length) {
    symbols.ask(last, from);
    if (options.beam > symbols.symbols())
      fail(ErrorKind::argument, "beam_search: a beam of {} is larger than the vocabulary of {} symbols", options.beam,
           symbols.symbols());
    last.clear();
    from.clear();
    std::int64_t first = 0;  // the number of the text's first sequence
    for (std::int64_t text = 0; text < texts; ++text) {
      Beam& beam = beams[static_cast<std::size_t>(text)];
      if (beam.done) continue;
      const std::int64_t longest = longest_of(options, text);
      std::vector<Candidate> candidates;
      std::vector<bool> can_end(beam.live.size());
      for (std::int64_t i = 0; i < std::ssize(beam.live); ++i) {
        if (const std::int64_t symbol = forced_symbol(options, text, length); symbol >= 0)
          symbols.force(first + i, symbol);
        const std::span<const double> row = symbols.row(first + i);
        if (!symbols.is_alive(text, row)) continue;
        can_end[static_cast<std::size_t>(i)] = row[static_cast<std::size_t>(options.end)] > impossible;
        for (std::int64_t s = 0; s < symbols.symbols(); ++s) {
          if (length >= longest && s != options.end) continue;
          if (const double p = row[static_cast<std::size_t>(s)]; p > impossible)
            candidates.push_back({beam.live[static_cast<std::size_t>(i)].log_probability + p, first + i, s});
        }
      }
      // Each sequence has one continuation that ends it: of twice as many as the beam, half do not end.
      const auto most = std::min<std::int64_t>(std::ssize(candidates), 2 * options.beam);
      std::partial_sort(candidates.begin(), candidates.begin() + most, candidates.end());
      std::vector<Generated> live;
      std::vector<Candidate> followed;
      for (std::int64_t k = 0; k < most && std::ssize(live) < options.beam; ++k) {
        const Candidate& candidate = candidates[static_cast<std::size_t>(k)];
        Generated sequence = beam.live[static_cast<std::size_t>(candidate.from - first)];
        sequence.log_probability = candidate.log_probability;
        if (candidate.symbol == options.end) {
          // One that ends behind the beam would not have been followed either.
          if (k >= options.beam) continue;
          sequence.has_ended = true;
          beam.end(std::move(sequence), options);
          continue;
        }
        sequence.symbols.push_back(candidate.symbol);
        live.push_back(std::move(sequence));
        followed.push_back(candidate);
      }
      const std::int64_t count = std::ssize(beam.live);
      if (length >= longest)  // a sequence whose end has no probability at all stands for itself, cut
        for (std::size_t i = 0; i < beam.live.size(); ++i)
          if (!can_end[i] && std::ssize(beam.ended) < options.best) beam.end(std::move(beam.live[i]), options);
      if (live.empty() && beam.ended.empty()) symbols.fail_at(text);
      beam.live = std::move(live);
      beam.done = beam.live.empty() || beam.is_decided(options, longest);
      if (!beam.done)
        for (const Candidate& candidate : followed) {
          last.push_back(candidate.symbol);
          from.push_back(candidate.from);
        }
      first += count;
    }
  }
  std::vector<std::vector<Generated>> results;
  for (Beam& beam : beams) {
    if (std::ssize(beam.ended) > options.best) beam.ended.resize(static_cast<std::size_t>(options.best));
    results.push_back(std::move(beam.ended));
  }
  return results;
}

namespace {

/// One of the symbols with these log-probabilities, at temperature and with cuts; `uniform` in [0, 1).
std::int64_t draw_symbol(std::span<const double> values, const SamplingOptions& options, double uniform) {
  std::vector<std::int64_t> order;
  for (std::int64_t s = 0; s < std::ssize(values); ++s)
    if (values[static_cast<std::size_t>(s)] > impossible) order.push_back(s);
  const auto value = [&](std::int64_t s) { return values[static_cast<std::size_t>(s)]; };
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return value(a) > value(b); });
  if (options.temperature == 0.0) return order[0];
  if (options.top_k > 0 && std::ssize(order) > options.top_k) order.resize(static_cast<std::size_t>(options.top_k));
  std::vector<double> weights;
  double sum = 0.0;
  for (const std::int64_t s : order)
    sum += weights.emplace_back(std::exp((value(s) - value(order[0])) / options.temperature));
  double kept = 0.0;
  std::size_t count = 0;
  while (count < order.size() && (count == 0 || kept < options.top_p * sum)) kept += weights[count++];
  double left = uniform * kept;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    left -= weights[i];
    if (left < 0.0) return order[i];
  }
  return order[count - 1];
}

}  // namespace

std::vector<Generated> sample_sequences(std::int64_t texts, const NextScores& next, const SamplingOptions& options,
                                        Generator& generator) {
  const NoGradGuard no_grad;
  check("sample_sequences", texts, options);
  if (!(options.temperature >= 0.0 && std::isfinite(options.temperature)))
    fail(ErrorKind::argument, "sample_sequences: temperature; got {}; expected at least 0", options.temperature);
  if (options.top_k < 0)
    fail(ErrorKind::argument, "sample_sequences: top_k; got {}; expected at least 0", options.top_k);
  if (!(options.top_p > 0.0 && options.top_p <= 1.0))
    fail(ErrorKind::argument, "sample_sequences: top_p; got {}; expected above 0, at most 1", options.top_p);

  std::vector<Generated> results(static_cast<std::size_t>(texts));
  std::vector<RandomStream> streams;
  for (std::int64_t text = 0; text < texts; ++text) streams.emplace_back(generator.seed(), generator.next_stream());
  std::vector<std::int64_t> alive(results.size()), from(results.size()), last(results.size(), options.begin);
  std::iota(alive.begin(), alive.end(), 0);
  std::iota(from.begin(), from.end(), 0);
  NextSymbols symbols("sample_sequences", next, options);
  std::erase_if(alive, [&](std::int64_t text) { return longest_of(options, text) == 0; });
  from = alive;
  last.resize(alive.size());
  for (std::int64_t length = 0; !alive.empty(); ++length) {
    symbols.ask(last, from);
    last.clear();
    from.clear();
    std::vector<std::int64_t> still;
    for (std::int64_t row = 0; row < std::ssize(alive); ++row) {
      const std::int64_t text = alive[static_cast<std::size_t>(row)];
      Generated& sequence = results[static_cast<std::size_t>(text)];
      const std::int64_t forced = forced_symbol(options, text, length);
      if (forced >= 0) symbols.force(row, forced);
      const std::span<const double> values = symbols.row(row);
      if (!symbols.is_alive(text, values)) symbols.fail_at(text);
      const auto place = static_cast<std::uint64_t>(length);
      const std::int64_t symbol =
          forced >= 0 ? forced : draw_symbol(values, options, streams[static_cast<std::size_t>(text)].uniform(place));
      sequence.log_probability += values[static_cast<std::size_t>(symbol)];
      if (symbol == options.end) {
        sequence.has_ended = true;
        continue;
      }
      sequence.symbols.push_back(symbol);
      if (length + 1 >= longest_of(options, text)) continue;
      still.push_back(text);
      last.push_back(symbol);
      from.push_back(row);
    }
    alive = std::move(still);
  }
  for (Generated& sequence : results) sequence.score = sequence.log_probability;
  return results;
}

}  // namespace saw::nn
