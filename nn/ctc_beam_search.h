#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/nn/ctc_decoding.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// A set of words as sequences of symbols, for searches that may say nothing else: "one" = {15, 14, 5}. Between two
/// words stands a symbol, or nothing.
class Lexicon {
 public:
  /// Throws Error(argument) for a word without symbols, with a negative one, or with the separator.
  explicit Lexicon(const std::vector<std::vector<std::int64_t>>& words, std::int64_t separator = no_separator);

  /// In place of a separator: words follow each other at once.
  static constexpr std::int64_t no_separator = -1;

  /// Where a sequence stands: the places in words that it may have come to. Empty: the sequence begins no words.
  using State = std::vector<std::int32_t>;
  /// Before the first symbol.
  State start() const { return {0}; }
  /// After one more symbol.
  State next(const State& state, std::int64_t symbol) const;
  /// Whether the sequence may end here, behind a whole word.
  bool is_complete(const State& state) const;
  /// Largest symbol in a word, or the separator.
  std::int64_t largest_symbol() const { return largest_symbol_; }

 private:
  struct Place {
    std::map<std::int64_t, std::int32_t> next;
    bool ends_word = false;
  };
  std::vector<Place> places_;  // a tree of letters; 0 is its root, before the first word
  std::int64_t separator_;
  std::int64_t largest_symbol_ = -1;
};

/// What a language model says: log p(symbol | the symbols before it), in natural logarithms. `end_of_sequence` as the
/// symbol asks for the end; a model without ends answers 0. Answers are kept while a sequence is in the beam. An n-gram
/// model reads the last n − 1 of `before`.
using SymbolModel = std::function<double(std::span<const std::int64_t> before, std::int64_t symbol)>;
/// By which a SymbolModel is asked for the end.
inline constexpr std::int64_t end_of_sequence = -1;

/// For ctc_beam_search().
struct CtcBeamSearchOptions {
  std::int64_t beam = 16;              ///< sequences that are kept from frame to frame
  std::int64_t n_best = 1;             ///< hypotheses per segment, at most; at most `beam`
  std::int64_t blank = 0;              ///< as in CtcOptions
  SymbolModel language_model = {};     ///< none, if empty; called from one thread
  double language_model_weight = 0.5;  ///< of its logarithms
  double insertion_bonus = 0.0;        ///< for each symbol: a language model alone likes short sequences
  const Lexicon* lexicon = nullptr;    ///< the words that may be said; null: anything
  double smallest_probability = 0.0;   ///< symbols below it in a frame are not tried; 1e-4 makes large sets fast
};

/// Prefix beam search (Graves et al. 2006, Hannun et al. 2014): the sequences of symbols with the largest
///
///   log p(symbols | frames) + language_model_weight · log p(symbols) + insertion_bonus · length,
///
/// where the first term adds up all paths that say them; per segment up to n_best, the best first. With a beam that
/// holds every sequence the result is exact. With a lexicon only whole words are said, or nothing; the best sequence
/// that may end is kept even where others fill the beam. Rows of NaN or of −∞ alone say nothing: no hypothesis.
/// log_probs (N, symbols), see ctc_decoding.h. Throws Error(argument) for options that are out of range, Error(index)
/// for a lexicon of other symbols.
///
///   nn::ctc_beam_search(log_softmax(logits, 1), frames, {.beam = 8})[0][0].symbols
std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor& log_probs, const Segments& frames,
                                                        const CtcBeamSearchOptions& options = {});

}  // namespace nn
}  // namespace saw
