#include "saw/nn/conformer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/depthwise_conv.h"
#include "saw/autograd/ops/glu.h"
#include "saw/autograd/ops/packing.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/segment_rearrange.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/activation_layers.h"
#include "saw/nn/internal/checked_sizes.h"
#include "saw/nn/internal/last_rows.h"

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

/// What keeps these options from reading streams, or nothing.
std::string why_not_streaming(const ConformerOptions& options) {
  if (options.attention.right != 0) return "attention looks ahead";
  if (!options.causal_convolution) return "the convolution looks ahead";
  if (options.norm == ConformerNorm::group) return "the norm is over whole utterances; expected ConformerNorm::batch";
  if (options.torchaudio_padding) return "frames of the padding have a say";
  return "";
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

Tensor ConformerConvolution::gate(const Tensor& x, const Segments& segments) const {
  return glu(sequential_.pointwise1.forward(layer_norm_.forward(x), segments));  // (N, width)
}

Tensor ConformerConvolution::after_mixing(const Tensor& mixed, const Segments& segments) const {
  const Tensor normed = sequential_.batch_norm != nullptr ? sequential_.batch_norm->forward(mixed)
                                                          : sequential_.group_norm->forward(mixed, segments);
  return dropout_.forward(sequential_.pointwise2.forward(silu(normed), segments));
}

Tensor ConformerConvolution::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(after_mixing(sequential_.depthwise.forward(gate(x, segments), segments), segments));
}

Tensor ConformerConvolution::step(const Tensor& x, const Segments& segments, Tensor& kept) const {
  const auto scope = enter_beside_forward();
  const DepthwiseConv1d& depthwise = sequential_.depthwise;
  const std::int64_t before = depthwise.weight.size(2) - 1;
  const Segments kept_segments =
      Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(segments.count()), before));
  // What forward() pads with, a stream has before its first frame.
  if (!kept.defined()) kept = zeros({kept_segments.rows(), x.size(1)}, x.dtype());
  const PackedRows frames = segment_concat(kept, kept_segments, gate(x, segments), segments);
  kept = last_rows(frames.rows, frames.segments, kept_segments);
  const Tensor mixed = depthwise_conv1d(frames.rows, frames.segments, depthwise.weight, depthwise.bias,
                                        {.padding_left = 0, .padding_right = 0});  // (N, width)
  return after_mixing(mixed, segments);
}

// ---- the block ----

ConformerLayer::ConformerLayer(const ConformerOptions& options)
    : convolution_first_(checked(options).convolution_first),
      left_(options.attention.left),
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

template <class Convolve>
Tensor ConformerLayer::before_attention(const Tensor& x, const Convolve& convolve) const {
  const Tensor y = x + ffn1_.forward(x) * 0.5;
  return convolution_first_ ? y + convolve(y) : y;
}

/// The block, by a function for the convolution module and one for the attention.
template <class Convolve, class Attend>
Tensor ConformerLayer::run(const Tensor& x, const Convolve& convolve, const Attend& attend) const {
  Tensor y = before_attention(x, convolve);
  y = y + self_attn_dropout_.forward(attend(self_attn_layer_norm_.forward(y)));
  if (!convolution_first_) y = y + convolve(y);
  return final_layer_norm_.forward(y + ffn2_.forward(y) * 0.5);
}

Tensor ConformerLayer::attend(const Tensor& x, const Segments& segments) const {
  return relative_self_attn_ != nullptr ? relative_self_attn_->forward(x, segments) : self_attn_->forward(x, segments);
}

Tensor ConformerLayer::attend_step(const Tensor& x, const Segments& segments, KeysAndValues& past) const {
  if (relative_self_attn_ != nullptr) return relative_self_attn_->step(x, segments, past);
  const bool is_first = !past.key.defined();
  const std::vector<std::int64_t> offsets = is_first ? std::vector<std::int64_t>{} : past.segments.lengths();
  const KeysAndValues now = self_attn_->project_keys(x, x, segments);
  past = is_first ? now : past.append(now);
  const Tensor result = self_attn_->attend(x, segments, past, offsets);
  past = past.last_tiles(left_);
  return result;
}

Tensor ConformerLayer::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(run(
      x, [&](const Tensor& y) { return conv_module_.forward(y, segments); },
      [&](const Tensor& y) { return attend(y, segments); }));
}

Tensor ConformerLayer::step(const Tensor& x, const Segments& segments, ConformerState::Layer& state) const {
  const auto scope = enter_beside_forward();
  return run(
      x, [&](const Tensor& y) { return conv_module_.step(y, segments, state.convolution); },
      [&](const Tensor& y) { return attend_step(y, segments, state.past); });
}

Tensor ConformerLayer::forward_padded(const Tensor& x, const Segments& segments, const Segments& valid) const {
  const auto scope = enter(x);
  return scope.output(run(
      x, [&](const Tensor& y) { return conv_module_.forward(y, segments); },
      [&](const Tensor& query) {
        // Padded frames are queries like all others, as in torchaudio; keys and values are the real frames alone.
        return self_attn_->forward(query, pack(as_batch(query, segments), valid), segments, valid);
      }));
}

Tensor ConformerLayer::attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const {
  const auto scope = enter(x);
  const NoGradGuard no_grad;
  const auto convolve = [&](const Tensor& y) { return conv_module_.forward(y, segments); };
  const Tensor y = self_attn_layer_norm_.forward(before_attention(x, convolve));
  return relative_self_attn_ != nullptr ? relative_self_attn_->weights(y, segments, segment)
                                        : self_attn_->weights(y, segments, segment);
}

// ---- the stack ----

Conformer::Conformer(const ConformerOptions& options)
    : torchaudio_padding_(checked(options).torchaudio_padding),
      looks_ahead_(why_not_streaming(options)),
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

Tensor Conformer::step(const Tensor& x, const Segments& segments, ConformerState& state) const {
  const auto scope = enter_beside_forward();
  if (!looks_ahead_.empty())
    fail(ErrorKind::argument, "Conformer: step: {}; see ConformerOptions::streaming", looks_ahead_);
  if (x.rank() != 2 || x.size(0) != segments.rows())
    fail(ErrorKind::shape, "Conformer: step: the frames do not fit; got {} for {}", x.shape(), segments);
  if (state.layers.empty()) state.layers.resize(conformer_layers_.size());
  if (state.layers.size() != conformer_layers_.size())
    fail(ErrorKind::argument, "Conformer: step: the state is another model's; got {} layers; expected {}",
         state.layers.size(), conformer_layers_.size());
  for (const ConformerState::Layer& layer : state.layers)
    if (layer.past.key.defined() && layer.past.segments.count() != segments.count())
      fail(ErrorKind::shape, "Conformer: step: the number of streams changes; got {}; expected {}, as before",
           segments.count(), layer.past.segments.count());
  // Where a layer throws, the streams stand where they stood.
  ConformerState next = state;
  Tensor y = x;
  for (std::size_t i = 0; i < conformer_layers_.size(); ++i) y = conformer_layers_[i].step(y, segments, next.layers[i]);
  state = std::move(next);
  return y;
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
