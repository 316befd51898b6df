#pragma once

// The models of language_model.cpp: what comes after each unit of a text.

#include <fmt/format.h>
#include <saw/saw.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace saw::examples {

inline constexpr std::int64_t head_width = 32, widest = 8192, most_layers = 100;

struct LanguageModelSize {
  std::int64_t units = 0, width = 0, layers = 0;
};

/// Reads a text unit by unit and gives scores for the next one, at once or as it is written.
class LanguageModel : public nn::Module {
 public:
  /// Scores (N, units) of what comes after each of the ids (N), which `begin` leads.
  virtual Tensor forward(const Tensor& ids, const Segments& segments) = 0;
  /// For nn::sample_sequences() and nn::beam_search(): the same scores as a text grows. Refers to the model.
  virtual nn::NextScores writer(std::int64_t texts) = 0;
};

inline Tensor ids_of(std::span<const std::int64_t> ids) {
  return tensor(std::vector<std::int64_t>(ids.begin(), ids.end()));
}

/// Stacked LSTM (Mikolov et al. 2010; Zaremba et al. 2014). Scores are products with the units' vectors (tied).
class LstmLanguageModel : public LanguageModel {
 public:
  explicit LstmLanguageModel(const LanguageModelSize& size)
      : embedding_(child<nn::Embedding>("embedding", size.units, size.width / 2)),
        lstm_(child<nn::LSTM>("lstm", nn::LSTMOptions{.input_size = size.width / 2,
                                                      .hidden_size = size.width,
                                                      .num_layers = size.layers,
                                                      .dropout = size.layers > 1 ? dropout : 0.0})),
        reduce_(child<nn::Linear>("reduce", size.width, size.width / 2)),
        bias_(param("bias", {size.units}, nn::init::zeros())) {
    nn::init::normal(embedding_.weight, 0.0, std::sqrt(2.0 / static_cast<double>(size.width)));
  }

  Tensor forward(const Tensor& ids, const Segments& segments) override {
    return scores(lstm_.forward(embed(ids), segments).rows);
  }
  nn::NextScores writer(std::int64_t) override {
    auto state = std::make_shared<LstmState>();
    return [this, state](std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
      const Tensor order = ids_of(from);
      if (state->hidden.defined())
        *state = {index_select(state->hidden, 1, order), index_select(state->cell, 1, order)};
      const LstmResult result = lstm_.step(embed(ids_of(last)), *state);
      *state = {result.hidden, result.cell};
      return scores(result.rows);
    };
  }

 private:
  static constexpr double dropout = 0.3;

  Tensor embed(const Tensor& ids) { return dropout_.forward(embedding_.forward(ids)); }
  Tensor scores(const Tensor& hidden) {
    return linear(reduce_.forward(dropout_.forward(hidden)), embedding_.weight, bias_);
  }

  nn::Embedding& embedding_;
  nn::LSTM& lstm_;
  nn::Linear& reduce_;
  nn::Dropout& dropout_ = child<nn::Dropout>("dropout", dropout);
  const Tensor& bias_;
};

/// Transformer that sees what lies before (Radford et al. 2018), pre-norm, with tied vectors. Positions are
/// rotary (Su et al. 2021).
class TransformerLanguageModel : public LanguageModel {
 public:
  explicit TransformerLanguageModel(const LanguageModelSize& size)
      : width_(size.width),
        embedding_(child<nn::Embedding>("embedding", size.units, size.width)),
        encoder_(child<nn::TransformerEncoder>("encoder", stack(size))) {
    nn::init::normal(embedding_.weight, 0.0, 1.0 / std::sqrt(static_cast<double>(size.width)));
  }

  Tensor forward(const Tensor& ids, const Segments& segments) override {
    return scores(encoder_.forward(embed(ids), segments));
  }
  nn::NextScores writer(std::int64_t texts) override {
    auto state = std::make_shared<nn::EncoderState>(encoder_.begin(texts));
    return [this, state](std::span<const std::int64_t> last, std::span<const std::int64_t> from) {
      *state = state->select(from);
      return scores(encoder_.step(embed(ids_of(last)), *state));
    };
  }

 private:
  static nn::TransformerOptions stack(const LanguageModelSize& size) {
    const std::int64_t heads = std::max<std::int64_t>(1, size.width / head_width);
    return {.width = size.width,
            .heads = heads,
            .layers = size.layers,
            .dropout = 0.1,
            .activation = nn::Activation::gelu,
            .pre_norm = true,
            .final_norm = true,
            .attention = AttentionOptions::causal(),
            .rotary = RotaryOptions{}};
  }
  Tensor embed(const Tensor& ids) {
    return dropout_.forward(embedding_.forward(ids) * std::sqrt(static_cast<double>(width_)));
  }
  Tensor scores(const Tensor& hidden) { return linear(hidden, embedding_.weight); }

  std::int64_t width_;
  nn::Embedding& embedding_;
  nn::Dropout& dropout_ = child<nn::Dropout>("dropout", 0.1);
  nn::TransformerEncoder& encoder_;
};

/// What a saved model of so many units is made with. Throws Error(io) where none can be.
inline LanguageModelSize size_of(const train::ModelFile& file, std::int64_t units) {
  const LanguageModelSize size{units, file.integer("width"), file.integer("layers")};
  if (size.width < head_width || size.width > widest || size.width % head_width != 0)
    throw Error(ErrorKind::io,
                fmt::format("{}: option width is out of range; got {}; expected a multiple of {} from {} to {}",
                            file.path, size.width, head_width, head_width, widest));
  if (size.layers < 1 || size.layers > most_layers)
    throw Error(ErrorKind::io, fmt::format("{}: option layers is out of range; got {}; expected 1 to {}", file.path,
                                           size.layers, most_layers));
  return size;
}

/// What pays with so many characters to learn from.
inline LanguageModelSize usual_size(const std::string& model, std::int64_t units, std::int64_t characters) {
  const bool is_small = characters < 200000;
  if (model == "lstm") return {units, is_small ? 256 : 384, 1};
  return {units, 128, is_small ? 2 : 4};
}

inline std::unique_ptr<LanguageModel> make_language_model(const std::string& name, const LanguageModelSize& size) {
  if (name == "lstm") return std::make_unique<LstmLanguageModel>(size);
  return std::make_unique<TransformerLanguageModel>(size);
}

}  // namespace saw::examples
