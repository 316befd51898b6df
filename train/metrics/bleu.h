#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// What BLEU counts; the names in brackets are sacrebleu's.
enum class BleuTokens {
  mteval_13a,  ///< words and signs as NIST's mteval-v13a cuts them (13a, the default)
  words,       ///< what white space separates: for text that has been cut already (none)
  characters,  ///< characters without white space (char)
  chinese,     ///< Chinese characters one by one, what lies between them as 13a does (zh)
};

/// What is done about a length of n-grams of which none is right, lest the whole be 0 (Chen & Cherry, WMT 2014).
enum class BleuSmoothing {
  exponential,  ///< the first such length counts 1/2, the second 1/4, … of an n-gram (NIST's)
  floor,        ///< each counts smoothing_value of an n-gram
  add_k,        ///< smoothing_value is added to right and to all n-grams from n = 2 on
  none,         ///< the whole is 0
};

/// How BLEU is computed; the defaults are sacrebleu's.
struct BleuOptions {
  BleuTokens tokens = BleuTokens::mteval_13a;            ///< how texts are cut into tokens
  BleuSmoothing smoothing = BleuSmoothing::exponential;  ///< what is done about lengths of which none is right
  double smoothing_value = -1.0;                         ///< of floor (negative: 0.1) and add_k (negative: 1)
  std::int64_t order = 4;                                ///< the longest n-grams
  bool effective_order = false;  ///< leaves out lengths that the hypotheses do not reach; for single sentences
  bool lower_case = false;       ///< compares in lower case (data::lower_case)
};

/// BLEU (Papineni et al., ACL 2002) of a corpus, out of 100, equal to what sacrebleu 2 computes:
///   BP · exp(1/order · Σₙ log pₙ),  pₙ = right n-grams / n-grams of the hypotheses,
///   BP = exp(1 − reference length / hypothesis length) for hypotheses that are too short.
///
///   Bleu bleu;
///   for (…) bleu.update(translation, {reference});
///   bleu.value();
class Bleu {
 public:
  /// Throws Error(argument) for an order below 1.
  explicit Bleu(const BleuOptions& options = {});

  /// A hypothesis and its references, at least one (else Error(argument)). An empty hypothesis counts.
  void update(std::string_view hypothesis, const std::vector<std::string>& references);
  /// Throws Error(argument) for one with another order or other tokens.
  void merge(const Bleu& other);
  void reset() { *this = Bleu(options_); }  ///< begins anew

  /// Out of 100; NaN before the first update.
  double value() const;
  /// pₙ of n = 1 … order, out of 100, smoothed; all 0 where no n-gram of any length is right.
  std::vector<double> precisions() const;
  double brevity_penalty() const;                                        ///< BP, in [0, 1]
  std::int64_t hypothesis_length() const { return hypothesis_length_; }  ///< in tokens
  std::int64_t reference_length() const { return reference_length_; }    ///< of the reference of the nearest length
  std::int64_t count() const { return count_; }                          ///< hypotheses

 private:
  BleuOptions options_;
  std::vector<std::int64_t> correct_, total_;  // by n − 1
  std::int64_t hypothesis_length_ = 0, reference_length_ = 0, count_ = 0;
};

}  // namespace train
}  // namespace saw
