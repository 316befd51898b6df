#pragma once

// The encoder-decoder of translation.cpp.

#include <saw/saw.h>

#include <cmath>
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

/// Transformer (Vaswani et al. 2017), pre-norm: the encoder reads the source, the decoder asks it and what it has
/// written itself for the next unit. The scores of the units are the products with their vectors (tied embeddings).
struct TranslationModel : nn::Module {
  static constexpr std::int64_t width = 128;

  nn::Embedding& source;
  nn::Embedding& target;
  nn::SinusoidalPositions& positions = child<nn::SinusoidalPositions>("positions", width);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.1);
  nn::TransformerEncoder& encoder = child<nn::TransformerEncoder>("encoder", stack());
  nn::TransformerDecoder& decoder = child<nn::TransformerDecoder>("decoder", stack());

  TranslationModel(std::int64_t source_size, std::int64_t target_size)
      : source(child<nn::Embedding>("source", source_size, width)),
        target(child<nn::Embedding>("target", target_size, width)) {
    for (const Tensor& vectors : {source.weight, target.weight}) nn::init::normal(vectors, 0.0, 1.0 / std::sqrt(width));
  }

  Tensor embed(nn::Embedding& units, const Tensor& ids, const Segments& segments,
               const std::vector<std::int64_t>& offsets = {}) {
    return dropout.forward(positions.forward(units.forward(ids) * std::sqrt(width), segments, offsets));
  }
  Tensor encode(const Tensor& ids, const Segments& segments) {
    return encoder.forward(embed(source, ids, segments), segments);
  }
  /// Scores (N, units) of rows (N, width).
  Tensor scores(const Tensor& hidden) { return linear(hidden, target.weight); }

  /// What comes after each unit of the targets: (Nt, units).
  Tensor forward(const TranslationBatch& batch) {
    const Tensor memory = encode(batch.source, batch.source_segments);
    const Tensor x = embed(target, batch.input, batch.target_segments);
    return scores(decoder.forward(x, batch.target_segments, memory, batch.source_segments));
  }

  /// Translations of the sources, best first.
  std::vector<std::vector<nn::Generated>> translate(const Tensor& ids, const Segments& segments,
                                                    const nn::BeamOptions& options) {
    const NoGradGuard no_grad;
    nn::DecoderState state = decoder.begin(encode(ids, segments), segments);
    return nn::beam_search(
        segments.count(),
        [&](std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
          state = state.select(from);
          const Segments rows = Segments::from_lengths(std::vector<std::int64_t>(last.size(), 1));
          const Tensor x =
              embed(target, tensor(std::vector<std::int64_t>(last.begin(), last.end())), rows, state.lengths);
          return scores(decoder.step(x, state));
        },
        options);
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

}  // namespace saw::examples
