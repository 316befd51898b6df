#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// How chrF is computed; the defaults are sacrebleu's.
struct ChrfOptions {
  std::int64_t character_order = 6;  ///< the longest n-grams of characters
  std::int64_t word_order = 0;       ///< the longest n-grams of words; 2 makes it chrF++
  double beta = 2.0;                 ///< how much more recall counts than precision
  bool white_space = false;          ///< white space is a character, too
  bool lower_case = false;           ///< compares in lower case (data::lower_case)
};

/// chrF (Popović, WMT 2015) and chrF++ (2017) of a corpus, out of 100, equal to what sacrebleu 2 computes:
///   (1 + β²)·P·R / (β²·P + R)
/// where P and R are precision and recall of n-grams, averaged over the lengths that occur.
///
///   Chrf chrf;                          // chrF2
///   Chrf chrf_pp({.word_order = 2});    // chrF2++
class Chrf {
 public:
  /// Throws Error(argument) for negative orders, orders that are both 0, or a β that is not positive.
  explicit Chrf(const ChrfOptions& options = {});

  /// A hypothesis and its references, at least one (else Error(argument)); the one that gives most counts.
  void update(std::string_view hypothesis, const std::vector<std::string>& references);
  /// Throws Error(argument) for one with other options.
  void merge(const Chrf& other);
  void reset() { *this = Chrf(options_); }  ///< begins anew

  /// Out of 100; NaN before the first update.
  double value() const;
  std::int64_t count() const { return count_; }  ///< hypotheses

 private:
  struct Counts {
    std::int64_t hypothesis = 0, reference = 0, both = 0;
  };
  double score(const std::vector<Counts>& counts) const;

  ChrfOptions options_;
  std::vector<Counts> counts_;  // by length: of characters, then of words
  std::int64_t count_ = 0;
};

}  // namespace train
}  // namespace saw
