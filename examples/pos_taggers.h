#pragma once

// The taggers of pos_tagging.cpp: the three steps of the lecture on self-attention, its Transformer, and the recurrent
// net that it compares self-attention with; and several of them as one.

#include <saw/saw.h>

#include <memory>
#include <string>
#include <vector>

namespace saw::examples {

using data::TaggingBatch;
using data::TaggingVocabularies;

/// What every model has to do: scores (N, tags) for the N words of a batch of sentences. The rest follows from them.
struct Tagger : nn::Module {
  virtual Tensor forward(const TaggingBatch& batch) = 0;

  /// What training makes small.
  virtual Tensor loss(const TaggingBatch& batch) {
    const Tensor scores = forward(batch);
    if (crf == nullptr) return nn::cross_entropy(scores, batch.tags, {.label_smoothing = 0.05});
    return crf->forward(scores, batch.tags, batch.sentences, {.per_row = true});
  }
  /// The tags (N) that are chosen: each word's likeliest, or with a conditional random field the likeliest sequence.
  virtual Tensor decide(const TaggingBatch& batch) {
    const Tensor scores = forward(batch);
    return crf == nullptr ? argmax(scores) : crf->decode(scores, batch.sentences).labels;
  }
  /// p(tag) of each word (N, tags).
  virtual Tensor probabilities(const TaggingBatch& batch) {
    const Tensor scores = forward(batch);
    return crf == nullptr ? softmax(scores, 1) : crf->marginals(scores, batch.sentences);
  }
  /// The parameters, in groups that have nothing to do with each other.
  virtual std::vector<TensorList> trained_apart() { return {parameters()}; }
  /// Whom the words of the batch's only sentence look at: (T, T), or undefined for models that do not look around.
  virtual Tensor attention(const TaggingBatch&) { return {}; }

  /// From now on whole sequences of tags compete, under a conditional random field over the scores.
  void add_crf(std::int64_t tags) { crf = &child<nn::ConditionalRandomField>("crf", tags); }
  nn::ConditionalRandomField* crf = nullptr;
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

/// A word as itself and as its letters, side by side (N, 352). In training whole words are left out now and then: they
/// must be guessed from their letters and their neighbours, as an unknown one will be.
inline Tensor embed_words(const nn::Embedding& words, CharacterEncoder& letters, const TaggingBatch& batch) {
  Tensor word = words.forward(batch.words);
  if (letters.is_training()) word = row_dropout(word, 0.3, false, default_generator());
  return cat({word, letters.forward(batch)}, 1);
}

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

  Tensor embed(const TaggingBatch& batch) { return input.forward(dropout.forward(embed_words(words, letters, batch))); }
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
    const Tensor x = dropout.forward(embed_words(words, letters, batch));         // (N, 352)
    return tags.forward(dropout.forward(lstm.forward(x, batch.sentences).rows));  // (N, 320) → (N, tags)
  }
};

/// The Transformer as the lecture draws it: positions are added to the words, then every layer is self-attention and a
/// net for each word. No convolution tells it what stands side by side.
struct TransformerTagger : Tagger {
  nn::Embedding& words;
  CharacterEncoder& letters;
  nn::Linear& input = child<nn::Linear>("input", 96 + 256, 192);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.25);
  nn::SinusoidalPositions& positions = child<nn::SinusoidalPositions>("positions", 192);
  nn::TransformerEncoder& encoder =
      child<nn::TransformerEncoder>("encoder", nn::TransformerOptions{.width = 192,
                                                                      .heads = 4,
                                                                      .layers = 2,
                                                                      .feed_forward = 384,
                                                                      .dropout = 0.25,
                                                                      .pre_norm = true,
                                                                      .final_norm = true});
  nn::Linear& tags;

  explicit TransformerTagger(const TaggingVocabularies& vocabularies)
      : words(child<nn::Embedding>("words", vocabularies.words.size(), 96)),
        letters(child<CharacterEncoder>("letters", vocabularies.characters.size())),
        tags(child<nn::Linear>("tags", 192, vocabularies.tags.size())) {
    nn::init::normal(words.weight, 0.0, 0.1);  // see AttentionTagger
  }

  Tensor embed(const TaggingBatch& batch) {
    return positions.forward(input.forward(dropout.forward(embed_words(words, letters, batch))), batch.sentences);
  }
  Tensor forward(const TaggingBatch& batch) override {
    return tags.forward(dropout.forward(encoder.forward(embed(batch), batch.sentences)));
  }
  Tensor attention(const TaggingBatch& batch) override {
    return mean(encoder.attention_weights(embed(batch), batch.sentences, 0).back(), {0});  // over the heads
  }
};

/// What a tagger is made of.
struct TaggerOptions {
  std::string model = "attention";  ///< one of tagger_models
  bool crf = false;                 ///< a conditional random field on top
  std::int64_t ensemble = 1;        ///< so many of them, asked together
  std::uint64_t seed = 1;           ///< of the first one's weights if there are several; the others' seeds follow
};

inline const std::vector<std::string> tagger_models = {"attention", "transformer", "bilstm", "window", "position"};

/// make.operator()<M>(arguments of M's constructor …) for the tagger of this name.
template <class Make>
auto make_tagger_by(Make make, const std::string& model, const TaggingVocabularies& vocabularies) {
  if (model == "position") return make.template operator()<WindowTagger>(vocabularies, 0);
  if (model == "window") return make.template operator()<WindowTagger>(vocabularies, 2);
  if (model == "bilstm") return make.template operator()<BilstmTagger>(vocabularies);
  if (model == "transformer") return make.template operator()<TransformerTagger>(vocabularies);
  if (model == "attention") return make.template operator()<AttentionTagger>(vocabularies);
  throw Error(ErrorKind::argument, "there is no tagger \"" + model + "\"");
}

/// Taggers of one kind that differ in the weights they began with: each learns for itself, and all are asked. What a
/// word's tag is says the mean of their probabilities.
struct EnsembleTagger : Tagger {
  std::vector<Tagger*> members;

  EnsembleTagger(const TaggerOptions& options, const TaggingVocabularies& vocabularies) {
    for (std::int64_t i = 0; i < options.ensemble; ++i) {
      manual_seed(options.seed + static_cast<std::uint64_t>(i));
      members.push_back(make_tagger_by(
          [&]<class M>(const auto&... arguments) -> Tagger* {
            return &child<M>(fmt::format("member{}", i + 1), arguments...);
          },
          options.model, vocabularies));
      if (options.crf) members.back()->add_crf(vocabularies.tags.size());
    }
  }

  Tensor forward(const TaggingBatch& batch) override { return log(clamp(probabilities(batch), 1e-30, 1.0)); }
  /// The sum of the members' losses: none of them sees the others' gradients.
  Tensor loss(const TaggingBatch& batch) override {
    return sum_over_members([&](Tagger& member) { return member.loss(batch); });
  }
  Tensor probabilities(const TaggingBatch& batch) override {
    return sum_over_members([&](Tagger& member) { return member.probabilities(batch); }) /
           static_cast<double>(members.size());
  }
  Tensor decide(const TaggingBatch& batch) override { return argmax(probabilities(batch)); }
  Tensor attention(const TaggingBatch& batch) override { return members[0]->attention(batch); }
  std::vector<TensorList> trained_apart() override {
    std::vector<TensorList> result;
    for (const Tagger* member : members) result.push_back(member->parameters());
    return result;
  }

 private:
  template <class F>
  Tensor sum_over_members(F f) {
    Tensor sum = f(*members[0]);
    for (std::size_t i = 1; i < members.size(); ++i) sum = sum + f(*members[i]);
    return sum;
  }
};

inline std::unique_ptr<Tagger> make_tagger(const TaggerOptions& options, const TaggingVocabularies& vocabularies) {
  if (options.ensemble > 1) return std::make_unique<EnsembleTagger>(options, vocabularies);
  auto tagger = make_tagger_by(
      []<class M>(const auto&... arguments) -> std::unique_ptr<Tagger> { return std::make_unique<M>(arguments...); },
      options.model, vocabularies);
  if (options.crf) tagger->add_crf(vocabularies.tags.size());
  return tagger;
}

}  // namespace saw::examples
