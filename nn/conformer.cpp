#include "saw/nn/conformer.h"

#include <algorithm>
#include <string_view>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/glu.h"
#include "saw/autograd/ops/packing.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/activation_layers.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

std::int64_t hidden_width(const ConformerOptions& options) {
  return options.feed_forward == -1 ? 4 * options.width
                                    : checked_positive("Conformer", "feed_forward", options.feed_forward);
}

const ConformerOptions& checked(const ConformerOptions& options) {
  checked_positive("Conformer", "width", options.width);
  checked_positive("Conformer", "heads", options.heads);
  checked_positive("Conformer", "the kernel", options.kernel);
  checked_probability("Conformer", "dropout", options.dropout);
  if (options.width % options.heads != 0)
    fail(ErrorKind::argument, "Conformer: heads does not divide width; got {} and {}", options.heads, options.width);
  if (options.torchaudio_padding && options.positions != ConformerPositions::none)
    fail(ErrorKind::argument,
         "Conformer: torchaudio_padding goes with ConformerPositions::none, as in torchaudio; got relative positions");
  return options;
}

Conv1dOptions depthwise_options(const ConformerOptions& options) {
  if (options.causal_convolution) return {.padding_left = options.kernel - 1, .padding_right = 0};
  return {};
}

/// A row for every place of the padded batch.
Segments padded_segments(const Segments& segments) {
  return Segments::from_lengths(
      std::vector<std::int64_t>(static_cast<std::size_t>(segments.count()), segments.max_length()));
}

Tensor as_batch(const Tensor& rows, const Segments& padded) {
  return rows.reshape({padded.count(), padded.max_length(), rows.size(1)});  // (B, T, width)
}

}  // namespace

// ---- options ----

ConformerOptions ConformerOptions::torchaudio(std::int64_t width, std::int64_t heads, std::int64_t feed_forward,
                                              std::int64_t layers, std::int64_t kernel, double dropout) {
  return {.width = width,
          .heads = heads,
          .layers = layers,
          .feed_forward = feed_forward,
          .kernel = kernel,
          .dropout = dropout,
          .positions = ConformerPositions::none};
}

ConformerOptions ConformerOptions::streaming(std::int64_t left) const {
  ConformerOptions result = *this;
  result.attention = AttentionOptions::window(left, 0);
  result.causal_convolution = true;
  return result;
}

// ---- parts of a block ----

ConformerFeedForward::ConformerFeedForward(std::int64_t width, std::int64_t hidden, double dropout)
    : sequential_(child<Sequential>("sequential")
                      .add<LayerNorm>(width)
                      .add<Linear>(width, hidden)
                      .add<SiLU>()
                      .add<Dropout>(dropout)
                      .add<Linear>(hidden, width)
                      .add<Dropout>(dropout)) {}

Tensor ConformerFeedForward::forward(const Tensor& x) const {
  const auto scope = enter(x);
  return scope.output(sequential_.forward(x));
}

ConformerConvolution::Steps::Steps(const ConformerOptions& options)
    : pointwise1(child<Conv1d>("0", options.width, 2 * options.width, 1)),
      depthwise(child<DepthwiseConv1d>("2", options.width, options.kernel, depthwise_options(options))),
      batch_norm(options.norm == ConformerNorm::batch ? &child<BatchNorm1d>("3", options.width) : nullptr),
      group_norm(options.norm == ConformerNorm::group ? &child<GroupNorm>("3", 1, options.width) : nullptr),
      pointwise2(child<Conv1d>("5", options.width, options.width, 1)) {}

ConformerConvolution::ConformerConvolution(const ConformerOptions& options)
    : layer_norm_(child<LayerNorm>("layer_norm", checked(options).width)),
      sequential_(child<Steps>("sequential", options)),
      dropout_(child<Dropout>("dropout", options.dropout)) {}

Tensor ConformerConvolution::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const Tensor gated = glu(sequential_.pointwise1.forward(layer_norm_.forward(x), segments));  // (N, width)
  const Tensor mixed = sequential_.depthwise.forward(gated, segments);
  const Tensor normed = sequential_.batch_norm != nullptr ? sequential_.batch_norm->forward(mixed)
                                                          : sequential_.group_norm->forward(mixed, segments);
  return scope.output(dropout_.forward(sequential_.pointwise2.forward(silu(normed), segments)));
}

// ---- the block ----

ConformerLayer::ConformerLayer(const ConformerOptions& options)
    : convolution_first_(checked(options).convolution_first),
      ffn1_(child<ConformerFeedForward>("ffn1", options.width, hidden_width(options), options.dropout)),
      self_attn_layer_norm_(child<LayerNorm>("self_attn_layer_norm", options.width)),
      relative_self_attn_(
          options.positions == ConformerPositions::relative
              ? &child<RelativeMultiHeadAttention>(
                    "self_attn", options.width, options.heads,
                    RelativeMultiHeadAttentionOptions{.dropout = options.dropout, .attention = options.attention})
              : nullptr),
      self_attn_(options.positions == ConformerPositions::none
                     ? &child<MultiHeadAttention>(
                           "self_attn", options.width, options.heads,
                           MultiHeadAttentionOptions{.dropout = options.dropout, .attention = options.attention})
                     : nullptr),
      self_attn_dropout_(child<Dropout>("self_attn_dropout", options.dropout)),
      conv_module_(child<ConformerConvolution>("conv_module", options)),
      ffn2_(child<ConformerFeedForward>("ffn2", options.width, hidden_width(options), options.dropout)),
      final_layer_norm_(child<LayerNorm>("final_layer_norm", options.width)) {}

Tensor ConformerLayer::before_attention(const Tensor& x, const Segments& segments) const {
  const Tensor y = x + ffn1_.forward(x) * 0.5;
  return convolution_first_ ? y + conv_module_.forward(y, segments) : y;
}

Tensor ConformerLayer::after_attention(const Tensor& x, const Segments& segments) const {
  const Tensor y = convolution_first_ ? x : x + conv_module_.forward(x, segments);
  return final_layer_norm_.forward(y + ffn2_.forward(y) * 0.5);
}

Tensor ConformerLayer::attend(const Tensor& x, const Segments& segments) const {
  return relative_self_attn_ != nullptr ? relative_self_attn_->forward(x, segments) : self_attn_->forward(x, segments);
}

Tensor ConformerLayer::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const Tensor y = before_attention(x, segments);
  const Tensor seen = attend(self_attn_layer_norm_.forward(y), segments);
  return scope.output(after_attention(y + self_attn_dropout_.forward(seen), segments));
}

Tensor ConformerLayer::forward_padded(const Tensor& x, const Segments& segments, const Segments& valid) const {
  const auto scope = enter(x);
  const Tensor y = before_attention(x, segments);
  const Tensor query = self_attn_layer_norm_.forward(y);
  // Padded frames are queries like all others, as in torchaudio; keys and values are the real frames alone.
  const Tensor memory = pack(as_batch(query, segments), valid);
  const Tensor seen = self_attn_->forward(query, memory, segments, valid);
  return scope.output(after_attention(y + self_attn_dropout_.forward(seen), segments));
}

Tensor ConformerLayer::attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const {
  const auto scope = enter(x);
  const NoGradGuard no_grad;
  const Tensor y = self_attn_layer_norm_.forward(before_attention(x, segments));
  return relative_self_attn_ != nullptr ? relative_self_attn_->weights(y, segments, segment)
                                        : self_attn_->weights(y, segments, segment);
}

// ---- the stack ----

Conformer::Conformer(const ConformerOptions& options)
    : torchaudio_padding_(checked(options).torchaudio_padding),
      conformer_layers_(child<ModuleList<ConformerLayer>>("conformer_layers")) {
  for (std::int64_t i = 0; i < checked_size("Conformer", "layers", options.layers); ++i) conformer_layers_.add(options);
}

Tensor Conformer::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  if (torchaudio_padding_ && segments.rows() > 0) {
    const Segments padded = padded_segments(segments);
    Tensor y = unpack(x, segments).reshape({padded.rows(), x.size(1)});
    for (const ConformerLayer& layer : conformer_layers_) y = layer.forward_padded(y, padded, segments);
    return scope.output(pack(as_batch(y, padded), segments));
  }
  Tensor y = x;
  for (const ConformerLayer& layer : conformer_layers_) y = layer.forward(y, segments);
  return scope.output(y);
}

TensorList Conformer::attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const {
  const auto scope = enter(x);
  const NoGradGuard no_grad;
  TensorList result;
  Tensor y = x;
  for (const ConformerLayer& layer : conformer_layers_) {
    result.push_back(layer.attention_weights(y, segments, segment));
    y = layer.forward(y, segments);
  }
  return result;
}

void Conformer::load_torchaudio(const StateDict& state) {
  const auto is_convolution_bias = [](std::string_view name) {
    return name.find(".conv_module.sequential.") != std::string_view::npos &&
           (name.ends_with(".0.bias") || name.ends_with(".2.bias") || name.ends_with(".5.bias"));
  };
  const bool has_biases =
      std::any_of(state.begin(), state.end(), [&](const auto& entry) { return is_convolution_bias(entry.first); });
  StateDict complete = state;
  if (!has_biases)
    for (const auto& [name, tensor] : named_parameters())
      if (is_convolution_bias(name)) complete.emplace_back(name, zeros(tensor.shape(), tensor.dtype()));
  load_state_dict(complete);
}

}  // namespace saw::nn
