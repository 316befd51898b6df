#pragma once

// The taggers of pos_tagging.cpp: the three steps of the lecture on self-attention, and the recurrent net that it
// compares self-attention with.

#include <saw/saw.h>

#include <memory>
#include <string>

namespace saw::examples {

using data::TaggingBatch;
using data::TaggingVocabularies;

/// What every model has to do: scores (N, tags) for the N words of a batch of sentences.
struct Tagger : nn::Module {
  virtual Tensor forward(const TaggingBatch& batch) = 0;
  /// What training makes small, for the scores of a batch.
  Tensor loss(const Tensor& scores, const TaggingBatch& batch) const {
    if (crf == nullptr) return nn::cross_entropy(scores, batch.tags, {.label_smoothing = 0.05});
    return crf->forward(scores, batch.tags, batch.sentences, {.per_row = true});
  }
  /// The tags (N) that the scores of a batch stand for.
  Tensor decide(const Tensor& scores, const TaggingBatch& batch) const {
    return crf == nullptr ? argmax(scores) : crf->decode(scores, batch.sentences).labels;
  }
  /// −log p(tag) of each word (N).
  Tensor surprise(const Tensor& scores, const TaggingBatch& batch) const {
    const Tensor log_p =
        crf == nullptr ? log_softmax(scores, 1) : log(clamp(crf->marginals(scores, batch.sentences), 1e-30, 1.0));
    return nn::nll(log_p, batch.tags, {.reduction = Reduction::none});
  }
  /// From now on whole sequences of tags compete, under a conditional random field over the scores.
  void add_crf(std::int64_t tags) { crf = &child<nn::ConditionalRandomField>("crf", tags); }
  nn::ConditionalRandomField* crf = nullptr;
  /// Whom the words of the batch's only sentence look at: (T, T), or undefined for models that do not look around.
  virtual Tensor attention(const TaggingBatch&) { return {}; }
};

/// Words through a fully connected net, each with `context` words on both sides: y = W₂ relu(W₁ [x₋ … x … x₊] + b₁) +
/// b₂.
struct WindowTagger : Tagger {
  std::int64_t context;
  nn::Embedding& words;
  nn::Linear& hidden;
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.33);
  nn::Linear& tags;

  WindowTagger(const TaggingVocabularies& vocabularies, std::int64_t neighbours)
      : context(neighbours),
        words(child<nn::Embedding>("words", vocabularies.words.size(), 96)),
        hidden(child<nn::Linear>("hidden", 96 * (2 * neighbours + 1), 192)),
        tags(child<nn::Linear>("tags", 192, vocabularies.tags.size())) {
    nn::init::normal(words.weight, 0.0, 0.1);
  }

  Tensor forward(const TaggingBatch& batch) override {
    const Tensor x = context_window(dropout.forward(words.forward(batch.words)), batch.sentences, context, context);
    return tags.forward(dropout.forward(relu(hidden.forward(x))));
  }
};

/// What the letters of a word say: convolutions over its characters, of which each channel keeps the strongest answer.
struct CharacterEncoder : nn::Module {
  nn::Embedding& characters;
  nn::Conv1d& narrow = child<nn::Conv1d>("narrow", 32, 128, 3);
  nn::Conv1d& wide = child<nn::Conv1d>("wide", 32, 128, 5);

  explicit CharacterEncoder(std::int64_t alphabet) : characters(child<nn::Embedding>("characters", alphabet, 32)) {}

  Tensor forward(const TaggingBatch& batch) {
    const Tensor x = characters.forward(batch.characters);  // (characters, 32)
    const Segments& letters = batch.character_segments;
    const Tensor words =
        relu(cat({segment_max(narrow.forward(x, letters), letters), segment_max(wide.forward(x, letters), letters)},
                 1));                                  // (different words, 256)
    return index_select(words, 0, batch.word_of_row);  // (N, 256)
  }
};

/// x += conv(norm(x)), x += attention(norm(x)), x += feed_forward(norm(x)): near words, all words, each word.
struct Block : nn::Module {
  nn::LayerNorm& norm1 = child<nn::LayerNorm>("norm1", 192);
  nn::Conv1d& conv = child<nn::Conv1d>("conv", 192, 192, 3);
  nn::LayerNorm& norm2 = child<nn::LayerNorm>("norm2", 192);
  nn::MultiHeadAttention& attention = child<nn::MultiHeadAttention>("attention", 192, 4);
  nn::LayerNorm& norm3 = child<nn::LayerNorm>("norm3", 192);
  nn::Linear& linear1 = child<nn::Linear>("linear1", 192, 384);
  nn::Linear& linear2 = child<nn::Linear>("linear2", 384, 192);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.25);

  Tensor convolve(const Tensor& x, const Segments& sentences) {
    return x + dropout.forward(relu(conv.forward(norm1.forward(x), sentences)));
  }
  Tensor forward(Tensor x, const Segments& sentences) {
    x = convolve(x, sentences);
    x = x + dropout.forward(attention.forward(norm2.forward(x), sentences));
    return x + dropout.forward(linear2.forward(dropout.forward(relu(linear1.forward(norm3.forward(x))))));
  }
};

struct AttentionTagger : Tagger {
  nn::Embedding& words;
  CharacterEncoder& letters;
  nn::Linear& input = child<nn::Linear>("input", 96 + 256, 192);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.25);
  Block& block1 = child<Block>("block1");
  Block& block2 = child<Block>("block2");
  nn::LayerNorm& norm = child<nn::LayerNorm>("norm", 192);
  nn::Linear& tags;

  explicit AttentionTagger(const TaggingVocabularies& vocabularies)
      : words(child<nn::Embedding>("words", vocabularies.words.size(), 96)),
        letters(child<CharacterEncoder>("letters", vocabularies.characters.size())),
        tags(child<nn::Linear>("tags", 192, vocabularies.tags.size())) {
    // Small at first: a rare word is moved too seldom to outgrow a large random vector.
    nn::init::normal(words.weight, 0.0, 0.1);
  }

  Tensor embed(const TaggingBatch& batch) {
    Tensor word = words.forward(batch.words);
    // Word dropout: now and then a word must be guessed from its letters and its neighbours, as an unknown one will be.
    if (is_training()) word = row_dropout(word, 0.3, false, default_generator());
    return input.forward(dropout.forward(cat({word, letters.forward(batch)}, 1)));
  }
  Tensor forward(const TaggingBatch& batch) override {
    Tensor x = embed(batch);  // (N, 192)
    x = block1.forward(x, batch.sentences);
    x = block2.forward(x, batch.sentences);
    return tags.forward(dropout.forward(norm.forward(x)));
  }
  Tensor attention(const TaggingBatch& batch) override {
    const Tensor x = block2.convolve(block1.forward(embed(batch), batch.sentences), batch.sentences);
    return mean(block2.attention.weights(block2.norm2.forward(x), batch.sentences, 0), {0});  // over the heads
  }
};

/// A recurrent net reads the sentence from the left, another one from the right; a second layer reads what both say.
struct BilstmTagger : Tagger {
  nn::Embedding& words;
  CharacterEncoder& letters;
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.33);
  nn::LSTM& lstm = child<nn::LSTM>(
      "lstm", {.input_size = 96 + 256, .hidden_size = 160, .num_layers = 2, .dropout = 0.33, .bidirectional = true});
  nn::Linear& tags;

  explicit BilstmTagger(const TaggingVocabularies& vocabularies)
      : words(child<nn::Embedding>("words", vocabularies.words.size(), 96)),
        letters(child<CharacterEncoder>("letters", vocabularies.characters.size())),
        tags(child<nn::Linear>("tags", 320, vocabularies.tags.size())) {
    nn::init::normal(words.weight, 0.0, 0.1);  // small at first, and left out now and then: see AttentionTagger
  }

  Tensor forward(const TaggingBatch& batch) override {
    Tensor word = words.forward(batch.words);
    if (is_training()) word = row_dropout(word, 0.3, false, default_generator());
    const Tensor x = dropout.forward(cat({word, letters.forward(batch)}, 1));     // (N, 352)
    return tags.forward(dropout.forward(lstm.forward(x, batch.sentences).rows));  // (N, 320) → (N, tags)
  }
};

inline std::unique_ptr<Tagger> make_tagger(const std::string& model, const TaggingVocabularies& vocabularies) {
  if (model == "position") return std::make_unique<WindowTagger>(vocabularies, 0);
  if (model == "window") return std::make_unique<WindowTagger>(vocabularies, 2);
  if (model == "bilstm") return std::make_unique<BilstmTagger>(vocabularies);
  return std::make_unique<AttentionTagger>(vocabularies);
}

/// The same, and a conditional random field on top if wanted.
inline std::unique_ptr<Tagger> make_tagger(const std::string& model, const TaggingVocabularies& vocabularies,
                                           bool with_crf) {
  std::unique_ptr<Tagger> tagger = make_tagger(model, vocabularies);
  if (with_crf) tagger->add_crf(vocabularies.tags.size());
  return tagger;
}

}  // namespace saw::examples
