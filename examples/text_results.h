#pragma once

// What text_classification.cpp finds out: scores of a model, beside Naive Bayes and together with it.

#include <fmt/format.h>
#include <saw/saw.h>

#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command_line.h"
#include "text_baselines.h"
#include "text_classifiers.h"
#include "texts.h"

namespace saw::examples {

/// What is known from counting: the model's words and labels, and Naive Bayes.
struct Counts {
  data::Vocabulary words, labels;
  std::optional<NaiveBayes> naive_bayes;

  /// A label as it can be shown on a terminal.
  std::string shown_label(std::int64_t id) const { return train::printable(labels.word(id), 60); }
  std::vector<std::string> label_names() const {
    std::vector<std::string> names;
    for (std::int64_t id = 0; id < labels.size(); ++id) names.push_back(shown_label(id));
    return names;
  }
};

// ---- scores ----

/// log p(label) of each text: (texts, labels).
inline Tensor log_probabilities(TextClassifier& model, const Texts& texts) {
  const NoGradGuard no_grad;
  model.eval();
  TensorList scores;
  for (const auto& numbers : data::token_batches(texts.lengths(), {.tokens = 8192, .bucket = 1, .sentences = 256}))
    scores.push_back(log_softmax(model.forward(texts.batch(numbers))));
  return cat(scores, 0);
}

inline train::ConfusionMatrix confusion(const Tensor& scores, const Texts& texts) {
  train::ConfusionMatrix result(scores.size(1));
  result.update(scores, tensor(texts.labels));
  return result;
}

/// How much the scores of Naive Bayes should count beside the model's: what makes the right labels most probable, on
/// texts that neither has seen. Both may be too sure of themselves, so their sum has a factor of its own.
inline double best_weight(const Tensor& model, const Tensor& naive_bayes, const Texts& texts) {
  const NoGradGuard no_grad;
  double best = 0.0, least = std::numeric_limits<double>::infinity();
  for (const double factor : {0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0})
    for (const double weight : {0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5}) {
      const double loss = nn::cross_entropy((model + naive_bayes * weight) * factor, tensor(texts.labels)).item();
      if (loss >= least) continue;
      least = loss;
      best = weight;
    }
  return best;
}

// ---- what comes out ----

using Record = std::vector<std::pair<std::string, train::MetricValue>>;

/// The test part: what only counts, the model, and both together. Logistic regression needs texts to train on.
inline Record test(TextClassifier& model, const CommonOptions& options, const Counts& counts, const Texts* training,
                   const Texts& texts, train::Report& report) {
  Record record;
  fmt::print("\n{:<30}{:>12}{:>12}\n", fmt::format("test, {} texts", texts.size()), "accuracy", "macro F1");
  const auto show = [&](const std::string& name, const std::string& key, const Tensor& scores) {
    const train::ConfusionMatrix matrix = confusion(scores, texts);
    const double f1 = matrix.scores(train::Average::macro).f1;
    fmt::print("{:<30}{:>10.2f} %{:>10.2f} %\n", name, 100 * matrix.accuracy(), 100 * f1);
    record.emplace_back(key + "_accuracy", matrix.accuracy());
    record.emplace_back(key + "_f1", f1);
  };
  const Tensor scores = log_probabilities(model, texts);
  if (counts.naive_bayes) {
    const Tensor naive_bayes = counts.naive_bayes->scores(texts.words);
    show("Naive Bayes, words and pairs", "naive_bayes", naive_bayes);
    if (training != nullptr)
      show("logistic regression, words", "logistic_regression",
           logistic_regression(*training, texts, counts.words.size(), counts.labels.size(), options.seed));
    const double weight = model.naive_bayes_weight.item();
    show(fmt::format("{} + {:g} Naive Bayes", model.name, weight), "together", scores + naive_bayes * weight);
  }
  show(model.name, "test", scores);
  const train::ConfusionMatrix matrix = confusion(scores, texts);
  fmt::print("\n{}", matrix.report(counts.label_names()));

  report.confusion(matrix, counts.label_names());
  report.figure("test accuracy", fmt::format("{:.2f} %", 100 * matrix.accuracy()));
  const auto predictions = argmax(scores, 1).to_vector<std::int64_t>();
  const auto losses =
      nn::cross_entropy(scores, tensor(texts.labels), {.reduction = Reduction::none}).to_vector<float>();
  std::string lines;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::string text(texts.row(i)["text"]), &label = counts.labels.word(texts.labels[i]),
                                                  &predicted = counts.labels.word(predictions[i]);
    lines += fmt::format("{}\t{}\t{}\n", text, label, predicted);
    if (label != predicted) report.mistake({text, label, predicted, losses[i]});
  }
  if (!options.predict.empty()) data::write_file(options.predict, lines);
  return record;
}

/// Labels a text: "label<TAB>probability<TAB>text". On request also which words the model looks at.
inline void label(TextClassifier& model, const Counts& counts, const std::string& text, bool look) {
  const NoGradGuard no_grad;
  model.eval();
  std::vector<std::string> words = words_of(text);
  if (static_cast<std::int64_t>(words.size()) > longest_text) words.resize(longest_text);
  const std::vector<std::vector<std::int64_t>> ids = {counts.words.ids(words)};
  const data::Packed packed = data::pack_ids(ids);
  const TextBatch batch{packed.rows, packed.segments, {}};
  const Tensor probabilities = softmax(model.forward(batch));
  const std::int64_t best = argmax(probabilities, 1).item<std::int64_t>();
  fmt::print("{}\t{:.3f}\t{}\n", counts.shown_label(best), probabilities.select(1, best).item(), text);
  if (const Tensor weights = look ? model.attention(batch) : Tensor(); weights.defined() && !words.empty())
    fmt::print("\n{}", train::attention_picture(words, to(weights, float64).to_vector<double>()));
}

/// Labels standard input, one text a line.
inline void label_lines(TextClassifier& model, const Counts& counts) {
  for (data::LineReader lines(std::cin, "standard input", {.any_bytes = true}); lines.next();)
    label(model, counts, lines.line(), false);
}

}  // namespace saw::examples
