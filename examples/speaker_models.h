#pragma once

// The models of speaker_identification.cpp: frames of an utterance → one row → a speaker.

#include <saw/saw.h>

#include <memory>
#include <string>
#include <vector>

namespace saw::examples {

struct SpeakerModelOptions {
  std::string model = "conformer";  ///< or "transformer"
  std::string pooling;              ///< "mean", "attention" or "statistics"
  std::string loss;                 ///< "softmax" or "am-softmax"
  std::int64_t features = 40;       ///< of a frame
  std::int64_t speakers = 0;
  bool discriminant = false;  ///< a linear discriminant beside the Conformer, whose opinion counts as much
};

/// From a row per frame to a row per utterance, by name.
struct SpeakerPooling : nn::Module {
  SpeakerPooling(const std::string& kind, std::int64_t width) : output_width(width) {
    if (kind == "statistics") {
      statistics = &child<nn::StatisticsPooling>("statistics");
      output_width = 2 * width;
    } else if (kind == "attention") {
      attention = &child<nn::SelfAttentionPooling>("attention", width);
    }
  }
  Tensor forward(const Tensor& x, const Segments& utterances) const {
    if (statistics != nullptr) return statistics->forward(x, utterances);
    return attention != nullptr ? attention->forward(x, utterances) : segment_mean(x, utterances);
  }

  std::int64_t output_width;
  nn::StatisticsPooling* statistics = nullptr;
  nn::SelfAttentionPooling* attention = nullptr;
};

/// From a row per utterance to speakers: a linear layer with softmax, or cosines with an additive margin.
struct SpeakerClassifier : nn::Module {
  SpeakerClassifier(const std::string& loss, std::int64_t width, std::int64_t speakers) {
    if (loss == "am-softmax") {
      margin = &child<nn::AdditiveMarginSoftmax>("margin", width, speakers, nn::MarginSoftmaxOptions{.margin = 0.2});
    } else {
      linear = &child<nn::Linear>("linear", width, speakers);
    }
  }
  Tensor scores(const Tensor& x) const { return margin != nullptr ? margin->forward(x) : linear->forward(relu(x)); }
  Tensor loss(const Tensor& x, const Tensor& speakers) const {
    return margin != nullptr ? margin->loss(x, speakers) : nn::cross_entropy(linear->forward(relu(x)), speakers);
  }

  nn::AdditiveMarginSoftmax* margin = nullptr;
  nn::Linear* linear = nullptr;
};

/// What every model has: x (N, features) with an utterance per segment → embeddings (B, width) → speakers.
struct SpeakerModel : nn::Module {
  virtual Tensor embed(const Tensor& x, const Segments& utterances) = 0;
  virtual const SpeakerClassifier& classifier() const = 0;
  /// A second opinion, on statistics() of an utterance's frames, or nothing.
  virtual nn::LinearDiscriminant* discriminant() { return nullptr; }
  static Tensor statistics(const Tensor& x, const Segments& utterances) {
    return nn::StatisticsPooling().forward(x, utterances);
  }

  Tensor loss(const Tensor& x, const Segments& utterances, const Tensor& speakers) {
    return classifier().loss(embed(x, utterances), speakers);
  }
  Tensor scores(const Tensor& x, const Segments& utterances) {
    const Tensor own = classifier().scores(embed(x, utterances));  // (B, speakers)
    const nn::LinearDiscriminant* second = discriminant();
    return second != nullptr ? log_softmax(own, 1) + second->forward(statistics(x, utterances)) : own;
  }
};

/// The assignment's baseline: one Transformer layer of width 80 without positions, then a net of two layers. 125,896
/// parameters for 40 features and 600 speakers with mean pooling and softmax.
struct TransformerSpeakerModel : SpeakerModel {
  nn::Linear& prenet;
  nn::TransformerEncoder& encoder = child<nn::TransformerEncoder>(
      "encoder", nn::TransformerOptions{.width = 80, .heads = 2, .layers = 1, .feed_forward = 256, .dropout = 0.1});
  SpeakerPooling& pooling;
  nn::Linear& hidden;
  SpeakerClassifier& output;

  explicit TransformerSpeakerModel(const SpeakerModelOptions& options)
      : prenet(child<nn::Linear>("prenet", options.features, 80)),
        pooling(child<SpeakerPooling>("pooling", options.pooling, 80)),
        hidden(child<nn::Linear>("hidden", pooling.output_width, 80)),
        output(child<SpeakerClassifier>("output", options.loss, 80, options.speakers)) {}

  Tensor embed(const Tensor& x, const Segments& utterances) override {
    const Tensor frames = encoder.forward(prenet.forward(x), utterances);  // (N, 80)
    return hidden.forward(pooling.forward(frames, utterances));            // (B, 80)
  }
  const SpeakerClassifier& classifier() const override { return output; }
};

/// A small Conformer: features normalised over the training frames, a few blocks, and a normalised embedding.
struct ConformerSpeakerModel : SpeakerModel {
  static constexpr std::int64_t width = 144;
  nn::BatchNorm1d& norm;
  nn::Linear& prenet;
  nn::Conformer& encoder = child<nn::Conformer>(
      "encoder", nn::ConformerOptions{.width = width, .heads = 4, .layers = 2, .feed_forward = 288, .kernel = 15});
  SpeakerPooling& pooling;
  nn::Linear& hidden;
  nn::BatchNorm1d& hidden_norm = child<nn::BatchNorm1d>("hidden_norm", width);
  SpeakerClassifier& output;
  nn::LinearDiscriminant* second_opinion;

  explicit ConformerSpeakerModel(const SpeakerModelOptions& options)
      : norm(child<nn::BatchNorm1d>("norm", options.features)),
        prenet(child<nn::Linear>("prenet", options.features, width)),
        pooling(child<SpeakerPooling>("pooling", options.pooling, width)),
        hidden(child<nn::Linear>("hidden", pooling.output_width, width)),
        output(child<SpeakerClassifier>("output", options.loss, width, options.speakers)),
        second_opinion(options.discriminant
                           ? &child<nn::LinearDiscriminant>("discriminant", 2 * options.features, options.speakers)
                           : nullptr) {}

  Tensor embed(const Tensor& x, const Segments& utterances) override {
    const Tensor frames = encoder.forward(prenet.forward(norm.forward(x)), utterances);  // (N, width)
    return hidden_norm.forward(hidden.forward(pooling.forward(frames, utterances)));     // (B, width)
  }
  const SpeakerClassifier& classifier() const override { return output; }
  nn::LinearDiscriminant* discriminant() override { return second_opinion; }
};

inline std::unique_ptr<SpeakerModel> make_speaker_model(const SpeakerModelOptions& options) {
  if (options.model == "transformer") return std::make_unique<TransformerSpeakerModel>(options);
  return std::make_unique<ConformerSpeakerModel>(options);
}

/// What model.safetensors has beside the weights.
inline train::ModelFile described(const SpeakerModelOptions& options, const std::vector<std::string>& speakers) {
  return {.model = options.model,
          .options = {{"pooling", options.pooling},
                      {"loss", options.loss},
                      {"features", options.features},
                      {"discriminant", options.discriminant}},
          .parts = {{"speakers", data::Vocabulary(speakers, {.unknown = false}).text()}}};
}

inline data::Vocabulary speakers_of(const train::ModelFile& file) {
  return data::Vocabulary::parse(file.part("speakers"), file.part_name("speakers"));
}

inline std::unique_ptr<SpeakerModel> load_speaker_model(const train::ModelFile& file) {
  file.check_model({"conformer", "transformer"});
  auto model = make_speaker_model({.model = file.model,
                                   .pooling = file.text("pooling"),
                                   .loss = file.text("loss"),
                                   .features = file.integer("features"),
                                   .speakers = speakers_of(file).size(),
                                   .discriminant = file.flag("discriminant")});
  file.load_into(*model);
  return model;
}

}  // namespace saw::examples
