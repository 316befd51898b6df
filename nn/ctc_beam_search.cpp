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
  std::map<std::int64_t, std::int32_t> next = {};  // those that were ever kept
  std::vector<double> gains = {};                  // see Search::gains()
  // Log-probabilities of the paths that say it and end in the blank, or in its last symbol.
  double blank = never, last = never;
  std::int32_t place = -1;  // in the beam
};

/// A sequence that may be kept: one that was, or one with another symbol.
struct Entry {
  double rank;
  std::int32_t prefix;  // the one that was kept
  std::int64_t symbol;  // −1: itself
  double blank, last;
};

/// The search over one segment.
class Search {
 public:
  Search(const CtcBeamSearchOptions& options, std::int64_t symbols)
      : options_(options),
        has_gains_(options.language_model != nullptr || options.lexicon != nullptr),
        smallest_(options.smallest_probability > 0 ? std::log(options.smallest_probability) : never),
        child_of_(static_cast<std::size_t>(symbols), -1) {
    prefixes_.push_back({.parent = -1, .symbol = options.blank, .length = 0, .prior = 0.0});
    if (options.lexicon != nullptr) prefixes_[0].words = options.lexicon->start();
    prefixes_[0].blank = 0.0;
    prefixes_[0].place = 0;
    kept_.push_back(0);
  }

  void frame(const double* log_probs) {
    entries_.clear();
    for (const std::int32_t number : kept_) {  // the first entries are those of kept_, in its order
      const Prefix& p = prefix(number);
      entries_.push_back({0.0, number, -1, log_sum(p.blank, p.last) + log_probs[options_.blank],
                          p.length > 0 ? p.last + log_probs[p.symbol] : never});
    }
    for (std::size_t place = 0; place < kept_.size(); ++place) extend(kept_[place], log_probs);
    for (std::size_t place = 0; place < kept_.size(); ++place) {
      Entry& entry = entries_[place];
      entry.rank = log_sum(entry.blank, entry.last) + prefix(entry.prefix).prior;
    }
    keep_best();
  }

  /// The best sequences that may end here.
  std::vector<CtcHypothesis> results() {
    std::vector<CtcHypothesis> all;
    for (const std::int32_t number : kept_) {
      const Prefix& p = prefix(number);
      if (!may_end(p.length, p.words)) continue;
      CtcHypothesis hypothesis{.symbols = symbols_of(number), .log_probability = log_sum(p.blank, p.last)};
      hypothesis.score = hypothesis.log_probability + p.prior;
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

  std::vector<std::int64_t> symbols_of(std::int32_t number) {
    std::vector<std::int64_t> symbols;
    for (; prefix(number).length > 0; number = prefix(number).parent) symbols.push_back(prefix(number).symbol);
    std::reverse(symbols.begin(), symbols.end());
    return symbols;
  }

  bool may_end(std::int64_t length, const Lexicon::State& words) const {
    return options_.lexicon == nullptr || length == 0 || options_.lexicon->is_complete(words);
  }

  /// What each further symbol adds to the prior; −∞ where no word has it, NaN where nobody asked yet.
  double gain(std::int32_t number, std::int64_t symbol) {
    if (!has_gains_) return options_.insertion_bonus;
    std::vector<double>& gains = prefix(number).gains;
    if (gains.empty()) gains.assign(child_of_.size(), std::numeric_limits<double>::quiet_NaN());
    double& gain = gains[static_cast<std::size_t>(symbol)];
    if (!std::isnan(gain)) return gain;
    gain = options_.insertion_bonus;
    if (options_.lexicon != nullptr && options_.lexicon->next(prefix(number).words, symbol).empty())
      gain = never;
    else if (options_.language_model)
      gain += options_.language_model_weight * options_.language_model(symbols_of(number), symbol);
    if (std::isnan(gain)) gain = never;
    return gain;
  }

  /// Adds the sequences with one more symbol: to the entries of those that are in the beam, or as entries of their own.
  void extend(std::int32_t number, const double* log_probs) {
    for (const auto& [symbol, child] : prefix(number).next)
      child_of_[static_cast<std::size_t>(symbol)] = prefix(child).place;
    const Prefix& p = prefix(number);
    const double blank = p.blank, both = log_sum(p.blank, p.last), prior = p.prior;
    const std::int64_t own = p.length > 0 ? p.symbol : -1;
    for (std::int64_t symbol = 0; symbol < std::ssize(child_of_); ++symbol) {
      if (symbol == options_.blank || !(log_probs[symbol] > never) || log_probs[symbol] < smallest_) continue;
      // The same symbol once more is another one only behind a blank.
      const double probability = (symbol == own ? blank : both) + log_probs[symbol];
      if (probability == never) continue;
      if (const std::int32_t place = child_of_[static_cast<std::size_t>(symbol)]; place >= 0) {
        double& last = entries_[static_cast<std::size_t>(place)].last;
        last = log_sum(last, probability);
        continue;
      }
      const double rank = probability + prior + gain(number, symbol);
      if (rank > never) entries_.push_back({rank, number, symbol, never, probability});
    }
    for (const auto& known : prefix(number).next) child_of_[static_cast<std::size_t>(known.first)] = -1;
  }

  /// The sequence of an entry, which is kept from now on.
  std::int32_t number_of(const Entry& entry) {
    if (entry.symbol < 0) return entry.prefix;
    const auto [place, is_new] =
        prefix(entry.prefix).next.emplace(entry.symbol, static_cast<std::int32_t>(prefixes_.size()));
    const std::int32_t number = place->second;
    if (!is_new) return number;
    Prefix longer{.parent = entry.prefix,
                  .symbol = entry.symbol,
                  .length = prefix(entry.prefix).length + 1,
                  .prior = prefix(entry.prefix).prior + gain(entry.prefix, entry.symbol)};
    if (options_.lexicon != nullptr) longer.words = options_.lexicon->next(prefix(entry.prefix).words, entry.symbol);
    prefixes_.push_back(std::move(longer));
    return number;
  }

  bool may_end(const Entry& entry) {
    const Prefix& p = prefix(entry.prefix);
    if (entry.symbol < 0 || options_.lexicon == nullptr) return may_end(p.length, p.words);
    return may_end(p.length + 1, options_.lexicon->next(p.words, entry.symbol));
  }

  void keep_best() {
    std::erase_if(entries_, [](const Entry& entry) { return !(entry.rank > never); });
    const auto better = [](const Entry& a, const Entry& b) {
      if (a.rank != b.rank) return a.rank > b.rank;
      return a.prefix != b.prefix ? a.prefix < b.prefix : a.symbol < b.symbol;
    };
    const auto end_of_beam = entries_.begin() + std::min<std::ptrdiff_t>(options_.beam, std::ssize(entries_));
    std::partial_sort(entries_.begin(), end_of_beam, entries_.end(), better);
    auto end = end_of_beam;
    // Something that may end must be left at the end: the best such sequence stays when the beam has none.
    const auto ends = [&](const Entry& entry) { return may_end(entry); };
    if (options_.lexicon != nullptr && std::none_of(entries_.begin(), end_of_beam, ends)) {
      auto best = entries_.end();
      for (auto entry = end_of_beam; entry != entries_.end(); ++entry)
        if (may_end(*entry) && (best == entries_.end() || better(*entry, *best))) best = entry;
      if (best != entries_.end()) std::swap(*end++, *best);
    }
    entries_.erase(end, entries_.end());
    before_.swap(kept_);
    kept_.clear();
    for (const std::int32_t number : before_) prefix(number).place = -1;
    for (const Entry& entry : entries_) {
      const std::int32_t number = number_of(entry);
      Prefix& p = prefix(number);
      p.place = static_cast<std::int32_t>(kept_.size());
      p.blank = entry.blank;
      p.last = entry.last;
      kept_.push_back(number);
    }
    for (const std::int32_t number : before_)
      if (prefix(number).place < 0) prefix(number).gains = {};
  }

  const CtcBeamSearchOptions& options_;
  bool has_gains_;
  double smallest_;
  std::vector<std::int32_t>
      child_of_;  // per symbol: the place in the beam of the sequence with it, while one is extended
  std::vector<Prefix> prefixes_;
  std::vector<std::int32_t> kept_, before_;
  std::vector<Entry> entries_;
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
