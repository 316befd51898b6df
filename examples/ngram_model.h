#pragma once

// A language model that only counts: n-grams with modified Kneser-Ney or Witten-Bell smoothing.

#include <saw/saw.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace saw::examples {

enum class Smoothing : std::uint8_t { kneser_ney, witten_bell };

/// What all n-grams up to an order were counted to be in some texts, each text between `begin` and `end`. Contexts are
/// a tree that goes back in the text: below a context lie those that are one symbol longer. Every order up to the
/// largest and both ways of smoothing use the same counts.
///
///   NgramModel model(texts, {.symbols = 100, .begin = 2, .end = 3, .order = 6});
///   model.log_probability(before, symbol);                                   // natural logarithm
///   nn::CtcBeamSearchOptions search{.language_model = model.symbol_model()};
class NgramModel {
 public:
  struct Options {
    std::int64_t symbols = 0;         ///< symbols are 0 … symbols − 1
    std::int64_t begin = 0, end = 0;  ///< two of them: no text has them inside, and `begin` never comes next
    std::int64_t order = 6;           ///< the longest n-grams: a symbol and order − 1 before it
    Smoothing smoothing = Smoothing::kneser_ney;
  };

  NgramModel(std::span<const std::vector<std::int64_t>> texts, const Options& options) : options_(options) {
    contexts_.emplace_back();
    for (const auto& text : texts) {
      std::vector<std::int64_t> symbols = {options.begin};
      symbols.insert(symbols.end(), text.begin(), text.end());
      symbols.push_back(options.end);
      for (std::size_t at = 1; at < symbols.size(); ++at) count(std::span(symbols).first(at), symbols[at]);
    }
    for (const auto& [key, number] : numbers_) {
      Context& context = contexts_[key >> symbol_bits];
      context.all.add(number.all);
      context.kinds.add(number.kinds);
    }
    // Chen and Goodman 1999: what a count seen once, twice or more often loses.
    std::vector<std::array<double, 5>> of_all(orders()), of_kinds(orders());
    for (const auto& [key, number] : numbers_) {
      const auto length = contexts_[key >> symbol_bits].length;
      ++of_all[length][std::min(number.all, 4u)];
      ++of_kinds[length][std::min(number.kinds, 4u)];
    }
    for (std::size_t length = 0; length < orders(); ++length) {
      discounts_of_all_.push_back(discounts(of_all[length]));
      discounts_of_kinds_.push_back(discounts(of_kinds[length]));
    }
  }

  const Options& options() const { return options_; }
  /// The same counts with a smaller order, or smoothed in the other way.
  void use(std::int64_t order, Smoothing smoothing) {
    options_.order = std::min(order, static_cast<std::int64_t>(orders()));
    options_.smoothing = smoothing;
  }
  /// Different n-grams of the order in use and of all below.
  std::int64_t size() const {
    return std::count_if(numbers_.begin(), numbers_.end(), [&](const auto& entry) {
      return contexts_[entry.first >> symbol_bits].length < options_.order;
    });
  }

  /// log p(symbol | the symbols before it in its text, without `begin`). Over all symbols but `begin` they add up to 1.
  double log_probability(std::span<const std::int64_t> before, std::int64_t symbol) const {
    const bool counts_kinds = options_.smoothing == Smoothing::kneser_ney;
    double p = 1.0 / static_cast<double>(options_.symbols - 1);
    std::uint32_t context = 0;
    for (std::int64_t length = 0;; ++length) {
      const Context& here = contexts_[context];
      const bool is_longest = length + 1 == options_.order || here.at_begin || !counts_kinds;
      const Sums& sums = is_longest ? here.all : here.kinds;
      const auto found = numbers_.find(key_of(context, symbol));
      const std::uint32_t n = found == numbers_.end() ? 0 : is_longest ? found->second.all : found->second.kinds;
      if (sums.total > 0) {
        const auto& lost = (is_longest ? discounts_of_all_ : discounts_of_kinds_)[static_cast<std::size_t>(length)];
        const double total = sums.total;
        if (counts_kinds)
          p = ((n > 0 ? n - lost[std::min(n, 3u)] : 0.0) +
               (lost[1] * sums.seen[1] + lost[2] * sums.seen[2] + lost[3] * sums.seen[3]) * p) /
              total;
        else
          p = (n + static_cast<double>(sums.kinds()) * p) / (total + static_cast<double>(sums.kinds()));
      }
      if (length + 1 >= options_.order || here.at_begin) break;
      const auto next = static_cast<std::size_t>(length);
      const std::int64_t earlier = next < before.size() ? before[before.size() - 1 - next] : options_.begin;
      const auto below = children_.find(key_of(context, earlier));
      if (below == children_.end()) break;
      context = below->second;
    }
    return std::log(p);
  }
  /// Bits of a text with its end.
  double bits(std::span<const std::int64_t> text) const {
    double sum = 0.0;
    for (std::size_t at = 0; at <= text.size(); ++at)
      sum -= log_probability(text.first(at), at < text.size() ? text[at] : options_.end);
    return sum / std::log(2.0);
  }
  /// For nn::ctc_beam_search(); the model must outlive it.
  nn::SymbolModel symbol_model() const {
    return [this](std::span<const std::int64_t> before, std::int64_t symbol) {
      return log_probability(before, symbol == nn::end_of_sequence ? options_.end : symbol);
    };
  }

 private:
  static constexpr int symbol_bits = 24;
  struct Number {
    std::uint32_t all = 0;    // how often the symbol comes after the context
    std::uint32_t kinds = 0;  // … after how many different contexts that are one symbol longer
  };
  struct Sums {
    std::uint64_t total = 0;
    std::array<std::uint32_t, 4> seen = {};  // symbols that were counted once, twice, more often

    void add(std::uint32_t n) {
      total += n;
      if (n > 0) ++seen[std::min(n, 3u)];
    }
    std::uint64_t kinds() const { return std::uint64_t{seen[1]} + seen[2] + seen[3]; }
  };
  struct Context {
    Sums all = {}, kinds = {};
    std::uint16_t length = 0;
    bool at_begin = false;  // nothing can lie before it
  };

  static std::uint64_t key_of(std::uint64_t context, std::int64_t symbol) {
    return context << symbol_bits | static_cast<std::uint64_t>(symbol);
  }
  std::size_t orders() const { return static_cast<std::size_t>(largest_order_); }

  void count(std::span<const std::int64_t> before, std::int64_t symbol) {
    std::uint32_t context = 0;
    Number* shorter = nullptr;
    for (std::size_t length = 0;; ++length) {
      Number& number = numbers_[key_of(context, symbol)];
      if (number.all++ == 0 && shorter != nullptr) ++shorter->kinds;
      shorter = &number;
      if (length + 1 == orders() || length == before.size()) return;
      const std::int64_t earlier = before[before.size() - 1 - length];
      const auto [below, is_new] = children_.try_emplace(key_of(context, earlier), contexts_.size());
      if (is_new)
        contexts_.push_back(
            {.length = static_cast<std::uint16_t>(length + 1), .at_begin = length + 1 == before.size()});
      context = below->second;
    }
  }

  /// D(k) = k − (k + 1) · n₁ / (n₁ + 2 n₂) · n(k + 1) / n(k), where n(k) things were counted k times; where these are
  /// too few to tell, as those of a small alphabet alone are, half of what was seen.
  static std::array<double, 4> discounts(const std::array<double, 5>& n) {
    std::array<double, 4> result = {};
    for (std::size_t k = 1; k < result.size(); ++k) {
      const auto count = static_cast<double>(k);
      result[k] = count - (count + 1.0) * n[1] / (n[1] + 2.0 * n[2]) * n[k + 1] / n[k];
      if (!(result[k] > 0.0 && result[k] < count)) return {0.0, 0.5, 1.0, 1.5};
    }
    return result;
  }

  Options options_;
  std::int64_t largest_order_ = options_.order;
  std::vector<Context> contexts_;
  std::unordered_map<std::uint64_t, std::uint32_t> children_;  // (context, symbol before it) → the longer context
  std::unordered_map<std::uint64_t, Number> numbers_;          // (context, symbol after it)
  std::vector<std::array<double, 4>> discounts_of_all_, discounts_of_kinds_;  // by the context's length
};

}  // namespace saw::examples
