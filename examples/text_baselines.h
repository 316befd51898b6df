#pragma once

// What a model of texts has to be better than: two classifiers that only count words.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "texts.h"

namespace saw::examples {

/// Multinomial Naive Bayes on the words of a text and its pairs of neighbouring words, each counted once a text
/// (Wang & Manning 2012), with one added to all counts:
///
///   score(c) = log texts_c / texts + Σ_f log (n_cf + 1) / (n_c + V)
///
/// over the features f that the training texts had; V is their number.
class NaiveBayes {
 public:
  NaiveBayes(std::span<const std::vector<std::string>> texts, std::span<const std::int64_t> labels,
             std::int64_t classes)
      : texts_(static_cast<std::size_t>(classes)) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto label = static_cast<std::size_t>(labels[i]);
      ++texts_[label];
      for (const std::string& feature : features(texts[i]))
        ++counts_.try_emplace(feature, texts_.size()).first->second[label];
    }
    add_up();
  }

  /// (B, classes): log p(text, class) but for what it gives to words that it never saw.
  Tensor scores(std::span<const std::vector<std::string>> texts) const {
    std::vector<float> result;
    for (const std::vector<std::string>& text : texts) {
      std::vector<double> sums = priors_;
      for (const std::string& feature : features(text)) {
        const auto found = counts_.find(feature);
        if (found == counts_.end()) continue;
        for (std::size_t c = 0; c < sums.size(); ++c)
          sums[c] += std::log(static_cast<double>(found->second[c] + 1)) - totals_[c];
      }
      result.insert(result.end(), sums.begin(), sums.end());
    }
    return tensor(result).reshape({static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(texts_.size())});
  }

  /// A line with the texts of each class, then one for each feature: it and its counts, between tabs.
  std::string text() const {
    std::string result = fmt::format("\t{}\n", fmt::join(texts_, "\t"));
    for (const auto& [feature, counts] : counts_) result += fmt::format("{}\t{}\n", feature, fmt::join(counts, "\t"));
    return result;
  }
  /// From what text() wrote. Throws Error(io) `name:line: …`.
  static NaiveBayes parse(std::string_view text, const std::string& name, std::int64_t classes) {
    NaiveBayes result;
    for (const data::TableRow row :
         data::parse_table(text, name, {.format = data::TableFormat::tsv, .header = false})) {
      if (row.size() != classes + 1) row.reject(0, fmt::format("not {} counts", classes));
      std::vector<std::int64_t> counts;
      for (std::int64_t c = 1; c <= classes; ++c) counts.push_back(row.integer(c));
      if (result.texts_.empty())
        result.texts_ = counts;
      else
        result.counts_.emplace(row.text(0), counts);
    }
    if (result.texts_.empty()) throw Error(ErrorKind::io, name + ": is empty");
    result.add_up();
    return result;
  }

 private:
  NaiveBayes() = default;

  /// Words have no spaces in them, so a pair is never taken for a word.
  static std::set<std::string> features(const std::vector<std::string>& words) {
    std::set<std::string> result(words.begin(), words.end());
    for (std::size_t i = 1; i < words.size(); ++i) result.insert(words[i - 1] + ' ' + words[i]);
    return result;
  }

  void add_up() {
    double all = 0.0;
    totals_.assign(texts_.size(), static_cast<double>(counts_.size()));
    for (const auto& [feature, counts] : counts_)
      for (std::size_t c = 0; c < counts.size(); ++c) totals_[c] += static_cast<double>(counts[c]);
    for (double& total : totals_) total = std::log(total);
    for (const std::int64_t count : texts_) all += static_cast<double>(count);
    for (const std::int64_t count : texts_) priors_.push_back(std::log(static_cast<double>(count) / all));
  }

  std::vector<std::int64_t> texts_;                                       // of each class
  std::map<std::string, std::vector<std::int64_t>, std::less<>> counts_;  // texts of each class that have a feature
  std::vector<double> totals_, priors_;                                   // logarithms
};

/// Logistic regression on a bag of words: the sum of a number for each word and label, for each time the word stands
/// in the text. Minimises the sum of all cross entropies and |numbers|² / 2, the usual strength, and gives the scores
/// (B, labels) of other texts.
inline Tensor logistic_regression(const Texts& training, const Texts& others, std::int64_t vocabulary,
                                  std::int64_t classes, std::int64_t seed, std::int64_t epochs = 30) {
  nn::Embedding words(vocabulary, classes);
  nn::init::zeros(words.weight);
  const Tensor bias = zeros({classes}).set_requires_grad(true);
  const auto scores = [&](const TextBatch& batch) {
    return segment_sum(words.forward(batch.words), batch.texts) + bias;
  };

  data::Batches batches(training.lengths(),
                        [&](std::span<const std::int64_t> numbers) { return training.batch(numbers); },
                        {.examples = 50, .seed = static_cast<std::uint64_t>(seed)});
  const std::int64_t steps = epochs * batches.steps();
  const double strength = 0.5 / static_cast<double>(training.size());
  optim::Adam adam(TensorList{words.weight, bias}, {.learning_rate = 0.01});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.total_steps = steps});
  for (std::int64_t step = 0; step < steps; ++step) {
    const TextBatch batch = batches.next();
    const Tensor loss = nn::cross_entropy(scores(batch), batch.labels) + square(words.weight).sum() * strength;
    adam.zero_grad();
    loss.backward();
    adam.step();
    schedule.step();
  }
  const NoGradGuard no_grad;
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(others.size()));
  std::iota(numbers.begin(), numbers.end(), 0);
  return scores(others.batch(numbers));
}

}  // namespace saw::examples
