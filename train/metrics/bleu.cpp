#include "saw/train/metrics/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/utf8.h"
#include "saw/train/metrics/internal/bleu_tokens.h"
#include "saw/train/metrics/internal/ngrams.h"

namespace saw::train {

Bleu::Bleu(const BleuOptions& options) : options_(options) {
  if (options.order < 1) fail(ErrorKind::argument, "Bleu: order; got {}; expected at least 1", options.order);
  correct_.assign(static_cast<std::size_t>(options.order), 0);
  total_ = correct_;
}

void Bleu::update(std::string_view hypothesis, const std::vector<std::string>& references) {
  if (references.empty()) fail(ErrorKind::argument, "Bleu: a hypothesis without a reference");
  WordNumbers numbers;
  const auto units = [&](std::string_view text) {
    return numbers.number(options_.lower_case ? bleu_tokens(data::lower_case(text), options_.tokens)
                                              : bleu_tokens(text, options_.tokens));
  };
  const std::u32string words = units(hypothesis);
  std::vector<std::u32string> others;
  for (const std::string& reference : references) others.push_back(units(reference));

  // The reference of the nearest length, the shorter one of two.
  const auto length = std::ssize(words);
  std::int64_t nearest = std::ssize(others[0]);
  for (const std::u32string& other : others) {
    const std::int64_t distance = std::abs(length - std::ssize(other)), least = std::abs(length - nearest);
    if (distance < least || (distance == least && std::ssize(other) < nearest)) nearest = std::ssize(other);
  }
  for (std::size_t n = 1; n <= correct_.size(); ++n) {
    NgramCounts wanted;  // as often as in the reference that has most of them
    for (const std::u32string& other : others)
      for (const auto& [ngram, count] : count_ngrams(other, n)) {
        std::int64_t& most = wanted[ngram];
        most = std::max(most, count);
      }
    for (const auto& [ngram, count] : count_ngrams(words, n)) {
      total_[n - 1] += count;
      const auto found = wanted.find(ngram);
      if (found != wanted.end()) correct_[n - 1] += std::min(count, found->second);
    }
  }
  hypothesis_length_ += length;
  reference_length_ += nearest;
  ++count_;
}

void Bleu::merge(const Bleu& other) {
  if (options_.order != other.options_.order || options_.tokens != other.options_.tokens ||
      options_.lower_case != other.options_.lower_case)
    fail(ErrorKind::argument, "Bleu: counts of different tokens or orders cannot be merged");
  for (std::size_t i = 0; i < correct_.size(); ++i) {
    correct_[i] += other.correct_[i];
    total_[i] += other.total_[i];
  }
  hypothesis_length_ += other.hypothesis_length_;
  reference_length_ += other.reference_length_;
  count_ += other.count_;
}

double Bleu::brevity_penalty() const {
  if (hypothesis_length_ >= reference_length_) return 1.0;
  if (hypothesis_length_ == 0) return 0.0;
  return std::exp(1.0 - static_cast<double>(reference_length_) / static_cast<double>(hypothesis_length_));
}

std::vector<double> Bleu::precisions() const {
  std::vector<double> precisions(correct_.size(), 0.0);
  if (std::all_of(correct_.begin(), correct_.end(), [](std::int64_t count) { return count == 0; })) return precisions;
  const bool add = options_.smoothing == BleuSmoothing::add_k;
  const double value = options_.smoothing_value >= 0 ? options_.smoothing_value : add ? 1.0 : 0.1;
  double shrinking = 1.0;
  for (std::size_t i = 0; i < precisions.size(); ++i) {
    const double more = add && i > 0 ? value : 0.0;
    const double correct = static_cast<double>(correct_[i]) + more, total = static_cast<double>(total_[i]) + more;
    if (total == 0) break;
    if (correct > 0) {
      precisions[i] = 100.0 * correct / total;
    } else if (options_.smoothing == BleuSmoothing::exponential) {
      shrinking *= 2;
      precisions[i] = 100.0 / (shrinking * total);
    } else if (options_.smoothing == BleuSmoothing::floor) {
      precisions[i] = 100.0 * value / total;
    }
  }
  return precisions;
}

double Bleu::value() const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  if (std::all_of(correct_.begin(), correct_.end(), [](std::int64_t count) { return count == 0; })) return 0.0;
  const std::vector<double> all = precisions();
  std::size_t order = all.size();
  if (options_.effective_order) {
    const bool add = options_.smoothing == BleuSmoothing::add_k;
    order = 0;
    while (order < all.size() && (total_[order] > 0 || (add && order > 0))) ++order;
  }
  double sum = 0;
  for (std::size_t i = 0; i < order; ++i) {
    if (all[i] == 0) return 0.0;
    sum += std::log(all[i]);
  }
  return brevity_penalty() * std::exp(sum / static_cast<double>(order));
}

}  // namespace saw::train
