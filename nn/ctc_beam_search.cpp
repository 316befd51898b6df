#include "saw/nn/ctc_beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "saw/autograd/base/parallel.h"
#include "saw/nn/internal/ctc_rows.h"

namespace saw::nn {
namespace {

constexpr double never = -std::numeric_limits<double>::infinity();

/// log(eᵃ + eᵇ).
double log_sum(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == never ? a : a + std::log1p(std::exp(b - a));
}

/// A sequence of symbols: that of its parent, and one more. Sequences form a tree, so that two ways to the same one
/// meet.
struct Prefix {
  std::int32_t parent;
  std::int64_t symbol;
  std::int64_t length;
  double prior;  // what language model and bonus add
  Lexicon::State words = {};
  std::map<std::int64_t, std::int32_t> next = {};
  // Log-probabilities of the paths that say it and end in the blank, or in its last symbol: so far, and of the next
  // frame while that is worked on.
  double blank = never, last = never;
  double next_blank = never, next_last = never;
  bool is_touched = false;
};

/// The search over one segment.
class Search {
 public:
  Search(const CtcBeamSearchOptions& options, std::int64_t symbols)
      : options_(options),
        symbols_(symbols),
        smallest_(options.smallest_probability > 0 ? std::log(options.smallest_probability) : never) {
    prefixes_.push_back({.parent = -1, .symbol = options.blank, .length = 0, .prior = 0.0});
    if (options.lexicon != nullptr) prefixes_[0].words = options.lexicon->start();
    prefixes_[0].blank = 0.0;
    kept_.push_back(0);
  }

  void frame(const double* log_probs) {
    touched_.clear();
    for (const std::int32_t number : kept_) {
      const double blank = prefix(number).blank, last = prefix(number).last, both = log_sum(blank, last);
      const std::int64_t own = prefix(number).symbol;
      add(number, both + log_probs[options_.blank], prefix(number).length > 0 ? last + log_probs[own] : never);
      for (std::int64_t symbol = 0; symbol < symbols_; ++symbol) {
        if (symbol == options_.blank || !(log_probs[symbol] > never) || log_probs[symbol] < smallest_) continue;
        // The same symbol once more is another one only behind a blank.
        const double before = symbol == own && prefix(number).length > 0 ? blank : both;
        if (before == never) continue;
        const std::int32_t longer = extended(number, symbol);
        if (longer >= 0) add(longer, never, before + log_probs[symbol]);
      }
    }
    for (const std::int32_t number : kept_) prefix(number).blank = prefix(number).last = never;
    for (const std::int32_t number : touched_) {
      Prefix& p = prefix(number);
      p.blank = std::exchange(p.next_blank, never);
      p.last = std::exchange(p.next_last, never);
      p.is_touched = false;
    }
    keep_best();
  }

  /// The best sequences that may end here.
  std::vector<CtcHypothesis> results() {
    std::vector<CtcHypothesis> all;
    for (const std::int32_t number : kept_) {
      const Prefix& p = prefix(number);
      const double log_probability = log_sum(p.blank, p.last);
      if (!(log_probability > never)) continue;
      if (!is_allowed_to_end(number)) continue;
      CtcHypothesis hypothesis{.symbols = symbols_of(number), .log_probability = log_probability};
      hypothesis.score = log_probability + p.prior;
      if (options_.language_model)
        hypothesis.score +=
            options_.language_model_weight * options_.language_model(hypothesis.symbols, end_of_sequence);
      all.push_back(std::move(hypothesis));
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    if (std::ssize(all) > options_.n_best) all.resize(static_cast<std::size_t>(options_.n_best));
    return all;
  }

 private:
  Prefix& prefix(std::int32_t number) { return prefixes_[static_cast<std::size_t>(number)]; }

  bool is_allowed_to_end(std::int32_t number) {
    return options_.lexicon == nullptr || prefix(number).length == 0 ||
           options_.lexicon->is_complete(prefix(number).words);
  }

  std::vector<std::int64_t> symbols_of(std::int32_t number) {
    std::vector<std::int64_t> symbols;
    for (; prefix(number).length > 0; number = prefix(number).parent) symbols.push_back(prefix(number).symbol);
    std::reverse(symbols.begin(), symbols.end());
    return symbols;
  }

  /// The sequence with one more symbol; −1 where no word has it.
  std::int32_t extended(std::int32_t number, std::int64_t symbol) {
    const auto known = prefix(number).next.find(symbol);
    if (known != prefix(number).next.end()) return known->second;
    Prefix longer{.parent = number,
                  .symbol = symbol,
                  .length = prefix(number).length + 1,
                  .prior = prefix(number).prior + options_.insertion_bonus};
    std::int32_t made = -1;
    if (options_.lexicon != nullptr) longer.words = options_.lexicon->next(prefix(number).words, symbol);
    if (options_.lexicon == nullptr || !longer.words.empty()) {
      if (options_.language_model)
        longer.prior += options_.language_model_weight * options_.language_model(symbols_of(number), symbol);
      made = static_cast<std::int32_t>(prefixes_.size());
      prefixes_.push_back(std::move(longer));
    }
    prefix(number).next.emplace(symbol, made);
    return made;
  }

  void add(std::int32_t number, double blank, double last) {
    Prefix& p = prefix(number);
    p.next_blank = log_sum(p.next_blank, blank);
    p.next_last = log_sum(p.next_last, last);
    if (!std::exchange(p.is_touched, true)) touched_.push_back(number);
  }

  void keep_best() {
    ranked_.clear();
    for (const std::int32_t number : touched_) {
      const double probability = log_sum(prefix(number).blank, prefix(number).last);
      if (probability > never) ranked_.emplace_back(probability + prefix(number).prior, number);
    }
    const auto better = [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    };
    if (std::ssize(ranked_) > options_.beam) {
      const auto end_of_beam = ranked_.begin() + options_.beam;
      std::nth_element(ranked_.begin(), end_of_beam, ranked_.end(), better);
      // Something that may end must be left at the end: the best such sequence stays when the beam has none.
      auto first_lost = end_of_beam;
      const auto may_end = [&](const auto& entry) { return is_allowed_to_end(entry.second); };
      if (options_.lexicon != nullptr && std::none_of(ranked_.begin(), end_of_beam, may_end)) {
        auto best = ranked_.end();
        for (auto entry = end_of_beam; entry != ranked_.end(); ++entry)
          if (may_end(*entry) && (best == ranked_.end() || better(*entry, *best))) best = entry;
        if (best != ranked_.end()) std::swap(*first_lost++, *best);
      }
      for (auto lost = first_lost; lost != ranked_.end(); ++lost)
        prefix(lost->second).blank = prefix(lost->second).last = never;
      ranked_.erase(first_lost, ranked_.end());
    }
    std::sort(ranked_.begin(), ranked_.end(), better);
    kept_.clear();
    for (const auto& entry : ranked_) kept_.push_back(entry.second);
  }

  const CtcBeamSearchOptions& options_;
  std::int64_t symbols_;
  double smallest_;
  std::vector<Prefix> prefixes_;
  std::vector<std::int32_t> kept_, touched_;
  std::vector<std::pair<double, std::int32_t>> ranked_;
};

std::vector<CtcHypothesis> search(const double* log_probs, std::int64_t frames, std::int64_t symbols,
                                  const CtcBeamSearchOptions& options) {
  Search one(options, symbols);
  for (std::int64_t t = 0; t < frames; ++t) one.frame(log_probs + t * symbols);
  return one.results();
}

}  // namespace

Lexicon::Lexicon(const std::vector<std::vector<std::int64_t>>& words, std::int64_t separator)
    : places_(1), separator_(separator), largest_symbol_(separator) {
  if (separator < no_separator)
    fail(ErrorKind::argument, "Lexicon: the separator is no symbol; got {}; expected 0 or more", separator);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].empty()) fail(ErrorKind::argument, "Lexicon: word {} has no symbols", i);
    std::int32_t place = 0;
    for (const std::int64_t symbol : words[i]) {
      if (symbol < 0 || symbol == separator)
        fail(ErrorKind::argument, "Lexicon: word {} has what is no symbol of words; got {}", i, symbol);
      largest_symbol_ = std::max(largest_symbol_, symbol);
      const auto [found, is_new] =
          places_[static_cast<std::size_t>(place)].next.emplace(symbol, static_cast<std::int32_t>(places_.size()));
      place = found->second;
      if (is_new) places_.emplace_back();
    }
    places_[static_cast<std::size_t>(place)].ends_word = true;
  }
}

Lexicon::State Lexicon::next(const State& state, std::int64_t symbol) const {
  State result;
  const auto follow = [&](std::int32_t place) {
    const auto& next = places_[static_cast<std::size_t>(place)].next;
    if (const auto found = next.find(symbol); found != next.end()) result.push_back(found->second);
  };
  for (const std::int32_t place : state) {
    follow(place);
    if (!places_[static_cast<std::size_t>(place)].ends_word) continue;
    if (separator_ == no_separator)
      follow(0);  // the first letter of the next word
    else if (symbol == separator_)
      result.push_back(0);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

bool Lexicon::is_complete(const State& state) const {
  return std::any_of(state.begin(), state.end(),
                     [&](std::int32_t place) { return places_[static_cast<std::size_t>(place)].ends_word; });
}

std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor& log_probs, const Segments& frames,
                                                        const CtcBeamSearchOptions& options) {
  const Tensor rows = checked_ctc_rows("ctc_beam_search", log_probs, frames, options.blank);
  const std::int64_t symbols = rows.size(1);
  if (options.beam < 1)
    fail(ErrorKind::argument, "ctc_beam_search: the beam keeps nothing; got {}; expected 1 or more", options.beam);
  if (options.n_best < 1 || options.n_best > options.beam)
    fail(ErrorKind::argument, "ctc_beam_search: n_best does not fit the beam; got {}; expected 1 … {}", options.n_best,
         options.beam);
  if (!(options.smallest_probability >= 0 && options.smallest_probability < 1))
    fail(ErrorKind::argument, "ctc_beam_search: smallest_probability is no probability; got {}; expected 0 … 1",
         options.smallest_probability);
  if (!std::isfinite(options.language_model_weight) || !std::isfinite(options.insertion_bonus))
    fail(ErrorKind::argument, "ctc_beam_search: weight and bonus must be finite; got {} and {}",
         options.language_model_weight, options.insertion_bonus);
  if (options.lexicon != nullptr && options.lexicon->largest_symbol() >= symbols)
    fail(ErrorKind::index, "ctc_beam_search: the lexicon has symbols that the rows have not; got {}; expected 0 … {}",
         options.lexicon->largest_symbol(), symbols - 1);
  std::vector<std::vector<CtcHypothesis>> results(static_cast<std::size_t>(frames.count()));
  const double* values = rows.data<double>();
  // A language model is somebody else's code, which need not be safe to call from several threads.
  const std::int64_t grain = options.language_model ? std::max<std::int64_t>(frames.count(), 1) : 1;
  parallel_for(0, frames.count(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      results[static_cast<std::size_t>(b)] =
          search(values + frames.begin(b) * symbols, frames.length(b), symbols, options);
  });
  return results;
}

}  // namespace saw::nn
