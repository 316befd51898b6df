#pragma once

// The classifiers of text_classification.cpp, from those that see words to one that sees how they stand together.

#include <saw/saw.h>

#include <memory>
#include <string>

#include "texts.h"

namespace saw::examples {

/// What every model has to do: scores (B, labels) for the B texts of a batch.
struct TextClassifier : nn::Module {
  std::string name;  ///< --model
  nn::Embedding& words;
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.5);
  /// What the scores of Naive Bayes count beside those of the model; set by the program, saved with the model.
  const Tensor& naive_bayes_weight = buffer("naive_bayes_weight", zeros({1}));

  TextClassifier(std::int64_t vocabulary, std::int64_t width)
      : words(child<nn::Embedding>("words", vocabulary, width)) {
    // Small at first: a rare word is moved too seldom to outgrow a large random vector.
    nn::init::normal(words.weight, 0.0, 0.1);
  }

  virtual Tensor forward(const TextBatch& batch) = 0;
  /// How much each word of the batch counts: (N), or undefined for models that do not say so.
  virtual Tensor attention(const TextBatch&) { return {}; }

  /// The words' vectors. In training some words are left out, so that no text is known by one of them alone.
  Tensor embed(const TextBatch& batch, double left_out) {
    const Tensor x = words.forward(batch.words);
    return is_training() ? row_dropout(x, left_out, false, default_generator()) : x;
  }
};

/// A bag of words: the mean of their vectors through a linear layer. "dog bites man" is "man bites dog".
struct WordsClassifier : TextClassifier {
  nn::Linear& labels;

  WordsClassifier(std::int64_t vocabulary, std::int64_t classes)
      : TextClassifier(vocabulary, 64), labels(child<nn::Linear>("labels", 64, classes)) {}

  Tensor forward(const TextBatch& batch) override {
    return labels.forward(dropout.forward(segment_mean(embed(batch, 0.3), batch.texts)));
  }
};

/// Patterns of three, four and five neighbouring words, wherever they stand (Kim 2014): of each channel of the
/// convolutions the strongest answer.
struct WindowClassifier : TextClassifier {
  nn::Conv1d& three = child<nn::Conv1d>("three", 32, 100, 3);
  nn::Conv1d& four = child<nn::Conv1d>("four", 32, 100, 4);
  nn::Conv1d& five = child<nn::Conv1d>("five", 32, 100, 5);
  nn::Linear& labels;

  WindowClassifier(std::int64_t vocabulary, std::int64_t classes)
      : TextClassifier(vocabulary, 32), labels(child<nn::Linear>("labels", 3 * 100, classes)) {}

  Tensor forward(const TextBatch& batch) override {
    const Tensor x = dropout.forward(embed(batch, 0.3));
    const auto strongest = [&](nn::Conv1d& conv) {
      return relu(segment_max(conv.forward(x, batch.texts), batch.texts));
    };
    return labels.forward(dropout.forward(cat({strongest(three), strongest(four), strongest(five)}, 1)));
  }
};

/// x += conv(norm(x)), x += attention(norm(x)): near words, then all words; then a mean in which each word has the
/// weight that the model gives it.
struct AttentionClassifier : TextClassifier {
  nn::Conv1d& conv = child<nn::Conv1d>("conv", 64, 64, 3);
  nn::LayerNorm& norm = child<nn::LayerNorm>("norm", 64);
  nn::MultiHeadAttention& all = child<nn::MultiHeadAttention>("attention", 64, 4);
  nn::SelfAttentionPooling& pooling = child<nn::SelfAttentionPooling>("pooling", 64);
  nn::Linear& labels;

  AttentionClassifier(std::int64_t vocabulary, std::int64_t classes)
      : TextClassifier(vocabulary, 64), labels(child<nn::Linear>("labels", 64, classes)) {}

  Tensor encode(const TextBatch& batch) {
    Tensor x = dropout.forward(embed(batch, 0.3));
    x = x + dropout.forward(relu(conv.forward(x, batch.texts)));
    return x + dropout.forward(all.forward(norm.forward(x), batch.texts));
  }
  Tensor forward(const TextBatch& batch) override {
    return labels.forward(dropout.forward(pooling.forward(encode(batch), batch.texts)));
  }
  Tensor attention(const TextBatch& batch) override { return pooling.weights(encode(batch), batch.texts); }
};

inline std::unique_ptr<TextClassifier> make_classifier(const std::string& model, std::int64_t vocabulary,
                                                       std::int64_t classes) {
  std::unique_ptr<TextClassifier> result;
  if (model == "words")
    result = std::make_unique<WordsClassifier>(vocabulary, classes);
  else if (model == "window")
    result = std::make_unique<WindowClassifier>(vocabulary, classes);
  else
    result = std::make_unique<AttentionClassifier>(vocabulary, classes);
  result->name = model;
  return result;
}

}  // namespace saw::examples
