#include "saw/train/metrics/chrf.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/utf8.h"
#include "saw/train/metrics/internal/ngrams.h"
#include "saw/train/metrics/internal/words.h"

namespace saw::train {
namespace {

bool is_punctuation(char32_t c) {
  return (c >= U'!' && c <= U'/') || (c >= U':' && c <= U'@') || (c >= U'[' && c <= U'`') || (c >= U'{' && c <= U'~');
}

/// The words, with one sign at the end of a word, or else one at its beginning, as a word of its own.
std::vector<std::u32string> words_and_signs(const std::u32string& text) {
  std::vector<std::u32string> result;
  for (const std::u32string& word : split_words(text)) {
    if (word.size() > 1 && is_punctuation(word.back())) {
      result.push_back(word.substr(0, word.size() - 1));
      result.emplace_back(1, word.back());
    } else if (word.size() > 1 && is_punctuation(word.front())) {
      result.emplace_back(1, word.front());
      result.push_back(word.substr(1));
    } else {
      result.push_back(word);
    }
  }
  return result;
}

}  // namespace

Chrf::Chrf(const ChrfOptions& options) : options_(options) {
  if (options.character_order < 0 || options.word_order < 0 || options.character_order + options.word_order < 1)
    fail(ErrorKind::argument, "Chrf: orders; got {} and {}; expected none below 0 and one above",
         options.character_order, options.word_order);
  if (!(options.beta > 0) || !std::isfinite(options.beta))
    fail(ErrorKind::argument, "Chrf: beta; got {}; expected a positive number", options.beta);
  counts_.resize(static_cast<std::size_t>(options.character_order + options.word_order));
}

double Chrf::score(const std::vector<Counts>& counts) const {
  double precision = 0, recall = 0, orders = 0;
  for (const Counts& one : counts) {
    if (one.hypothesis == 0 || one.reference == 0) continue;
    precision += static_cast<double>(one.both) / static_cast<double>(one.hypothesis);
    recall += static_cast<double>(one.both) / static_cast<double>(one.reference);
    ++orders;
  }
  if (precision + recall == 0) return 0.0;
  precision /= orders;
  recall /= orders;
  const double factor = options_.beta * options_.beta;
  return 100.0 * (1 + factor) * precision * recall / (factor * precision + recall);
}

void Chrf::update(std::string_view hypothesis, const std::vector<std::string>& references) {
  if (references.empty()) fail(ErrorKind::argument, "Chrf: a hypothesis without a reference");
  WordNumbers numbers;
  struct Units {
    std::u32string characters, words;
  };
  const auto units_of = [&](std::string_view text) {
    const std::u32string points = options_.lower_case ? code_points(data::lower_case(text)) : code_points(text);
    Units units{points, numbers.number(words_and_signs(points))};
    if (!options_.white_space) std::erase_if(units.characters, is_space);
    return units;
  };
  const Units mine = units_of(hypothesis);
  std::vector<Counts> best;
  double best_score = -1;
  for (const std::string& reference : references) {
    const Units theirs = units_of(reference);
    std::vector<Counts> counts(counts_.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const auto characters = static_cast<std::size_t>(options_.character_order);
      const bool in_characters = i < characters;
      const std::size_t n = in_characters ? i + 1 : i - characters + 1;
      const NgramCounts wanted = count_ngrams(in_characters ? theirs.characters : theirs.words, n);
      Counts& here = counts[i];
      for (const auto& [ngram, count] : wanted) here.reference += count;
      for (const auto& [ngram, count] : count_ngrams(in_characters ? mine.characters : mine.words, n)) {
        // A reference too short for such n-grams says nothing about the hypothesis's.
        if (!wanted.empty()) here.hypothesis += count;
        const auto found = wanted.find(ngram);
        if (found != wanted.end()) here.both += std::min(count, found->second);
      }
    }
    if (const double here = score(counts); here > best_score) {
      best_score = here;
      best = std::move(counts);
    }
  }
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i].hypothesis += best[i].hypothesis;
    counts_[i].reference += best[i].reference;
    counts_[i].both += best[i].both;
  }
  ++count_;
}

void Chrf::merge(const Chrf& other) {
  if (options_.character_order != other.options_.character_order || options_.word_order != other.options_.word_order ||
      options_.beta != other.options_.beta || options_.white_space != other.options_.white_space ||
      options_.lower_case != other.options_.lower_case)
    fail(ErrorKind::argument, "Chrf: counts with different options cannot be merged");
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i].hypothesis += other.counts_[i].hypothesis;
    counts_[i].reference += other.counts_[i].reference;
    counts_[i].both += other.counts_[i].both;
  }
  count_ += other.count_;
}

double Chrf::value() const { return count_ > 0 ? score(counts_) : std::numeric_limits<double>::quiet_NaN(); }

}  // namespace saw::train
