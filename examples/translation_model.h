#pragma once

// The encoder-decoders of translation.cpp.

#include <saw/saw.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace saw::examples {

/// Pairs of texts as the model sees them. A target has `begin` before it as input and `end` behind it as output.
struct TranslationBatch {
  Tensor source;  ///< (Ns) ids
  Segments source_segments;
  Tensor input, output;  ///< (Nt) ids: output is one ahead
  Segments target_segments;
};

/// What every model has: scores of the units that come after each unit of a target, and translations by beam search.
/// The scores are the products with the units' vectors (tied embeddings).
struct TranslationModel : nn::Module {
  static constexpr std::int64_t width = 128;

  nn::Embedding& source;
  nn::Embedding& target;
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.1);

  TranslationModel(std::int64_t source_size, std::int64_t target_size)
      : source(child<nn::Embedding>("source", source_size, width)),
        target(child<nn::Embedding>("target", target_size, width)) {
    for (const Tensor& vectors : {source.weight, target.weight}) nn::init::normal(vectors, 0.0, 1.0 / std::sqrt(width));
  }

  /// What comes after each unit of the targets: (Nt, units).
  virtual Tensor forward(const TranslationBatch& batch) = 0;
  /// Translations of the sources, best first.
  virtual std::vector<std::vector<nn::Generated>> translate(const Tensor& ids, const Segments& segments,
                                                            const nn::BeamOptions& options) = 0;

 protected:
  /// Scores (N, units) of rows (N, width).
  Tensor scores(const Tensor& hidden) { return linear(hidden, target.weight); }
  /// Beam search by `step`, which makes rows (sequences, width) of the sequences' last units and moves `state` on.
  template <class State, class Step>
  std::vector<std::vector<nn::Generated>> search(State state, const Step& step, const nn::BeamOptions& options) {
    return nn::beam_search(
        state.count(),
        [&](std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
          state = state.select(from);
          return scores(step(tensor(std::vector<std::int64_t>(last.begin(), last.end())), state));
        },
        options);
  }
};

/// Transformer (Vaswani et al. 2017), pre-norm: the encoder reads the source, the decoder asks it and what it has
/// written itself for the next unit.
struct TransformerTranslation : TranslationModel {
  nn::SinusoidalPositions& positions = child<nn::SinusoidalPositions>("positions", width);
  nn::TransformerEncoder& encoder = child<nn::TransformerEncoder>("encoder", stack());
  nn::TransformerDecoder& decoder = child<nn::TransformerDecoder>("decoder", stack());

  using TranslationModel::TranslationModel;

  Tensor embed(nn::Embedding& units, const Tensor& ids, const Segments& segments,
               const std::vector<std::int64_t>& offsets = {}) {
    return dropout.forward(positions.forward(units.forward(ids) * std::sqrt(width), segments, offsets));
  }
  Tensor encode(const Tensor& ids, const Segments& segments) {
    return encoder.forward(embed(source, ids, segments), segments);
  }
  Tensor forward(const TranslationBatch& batch) override {
    const Tensor memory = encode(batch.source, batch.source_segments);
    const Tensor x = embed(target, batch.input, batch.target_segments);
    return scores(decoder.forward(x, batch.target_segments, memory, batch.source_segments));
  }
  std::vector<std::vector<nn::Generated>> translate(const Tensor& ids, const Segments& segments,
                                                    const nn::BeamOptions& options) override {
    const NoGradGuard no_grad;
    const auto step = [&](const Tensor& last, nn::DecoderState& state) {
      const Segments rows = Segments::from_lengths(std::vector<std::int64_t>(state.lengths.size(), 1));
      return decoder.step(embed(target, last, rows, state.lengths), state);
    };
    return search(decoder.begin(encode(ids, segments), segments), step, options);
  }

 private:
  static nn::TransformerOptions stack() {
    return {.width = width,
            .heads = 4,
            .layers = 2,
            .feed_forward = 4 * width,
            .dropout = 0.1,
            .pre_norm = true,
            .final_norm = true};
  }
};

/// What came before it (Bahdanau et al. 2015): one recurrent net reads the source from both ends, another one writes,
/// and before each unit asks where in the source to look.
struct RecurrentTranslation : TranslationModel {
  nn::GRU& encoder =
      child<nn::GRU>("encoder", nn::GRUOptions{.input_size = width, .hidden_size = width, .bidirectional = true});
  nn::RecurrentDecoder& decoder =
      child<nn::RecurrentDecoder>("decoder", nn::RecurrentDecoderOptions{.input_size = width,
                                                                         .hidden_size = 2 * width,
                                                                         .memory_size = 2 * width,
                                                                         .attention_size = width,
                                                                         .output_size = width});

  using TranslationModel::TranslationModel;

  Tensor embed(nn::Embedding& units, const Tensor& ids) {
    return dropout.forward(units.forward(ids) * std::sqrt(width));
  }
  Tensor encode(const Tensor& ids, const Segments& segments) {
    return dropout.forward(encoder.forward(embed(source, ids), segments).rows);
  }
  Tensor forward(const TranslationBatch& batch) override {
    const Tensor memory = encode(batch.source, batch.source_segments);
    const Tensor x = embed(target, batch.input);
    return scores(dropout.forward(decoder.forward(x, batch.target_segments, memory, batch.source_segments)));
  }
  std::vector<std::vector<nn::Generated>> translate(const Tensor& ids, const Segments& segments,
                                                    const nn::BeamOptions& options) override {
    const NoGradGuard no_grad;
    const auto step = [&](const Tensor& last, nn::RecurrentDecoderState& state) {
      return decoder.step(embed(target, last), state);
    };
    return search(decoder.begin(encode(ids, segments), segments), step, options);
  }
};

inline const std::vector<std::string> translation_models = {"transformer", "recurrent"};

inline std::unique_ptr<TranslationModel> make_translation_model(const std::string& model, std::int64_t source_size,
                                                                std::int64_t target_size) {
  if (model == "recurrent") return std::make_unique<RecurrentTranslation>(source_size, target_size);
  return std::make_unique<TransformerTranslation>(source_size, target_size);
}

}  // namespace saw::examples
