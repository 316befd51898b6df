#include "saw/nn/transformer.h"

#include "saw/autograd/ops/binary.h"
#include "saw/nn/internal/transformer_parts.h"

namespace saw::nn {

TransformerEncoderLayer::TransformerEncoderLayer(const TransformerOptions& options)
    : activation_(options.activation),
      pre_norm_(options.pre_norm),
      self_attn_(child<MultiHeadAttention>("self_attn", options.width, options.heads,
                                           attention_options(options, options.attention))),
      linear1_(child<Linear>("linear1", options.width, hidden_width(options))),
      dropout_(child<Dropout>("dropout", options.dropout)),
      linear2_(child<Linear>("linear2", hidden_width(options), options.width)),
      norm1_(child<LayerNorm>("norm1", options.width, norm_options(options))),
      norm2_(child<LayerNorm>("norm2", options.width, norm_options(options))),
      dropout1_(child<Dropout>("dropout1", options.dropout)),
      dropout2_(child<Dropout>("dropout2", options.dropout)) {}

Tensor TransformerEncoderLayer::feed_forward(const Tensor& x) const {
  const Tensor hidden = activate(activation_, linear1_.forward(x));  // (N, feed_forward)
  return dropout2_.forward(linear2_.forward(dropout_.forward(hidden)));
}

template <class SelfAttention>
Tensor TransformerEncoderLayer::run(const Tensor& x, const SelfAttention& to_itself) const {
  if (pre_norm_) {
    const Tensor y = x + dropout1_.forward(to_itself(norm1_.forward(x)));
    return y + feed_forward(norm2_.forward(y));
  }
  const Tensor y = norm1_.forward(x + dropout1_.forward(to_itself(x)));
  return norm2_.forward(y + feed_forward(y));
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(run(x, [&](const Tensor& y) { return self_attn_.forward(y, segments); }));
}

Tensor TransformerEncoderLayer::step(const Tensor& x, const Segments& segments, KeysAndValues& past) const {
  const auto scope = enter_beside_forward();
  return run(x, [&](const Tensor& y) {
    const std::vector<std::int64_t> before = past.key.defined() ? past.segments.lengths() : std::vector<std::int64_t>();
    const KeysAndValues more = self_attn_.project_keys(y, y, segments, before);
    past = past.key.defined() ? past.append(more) : more;
    return self_attn_.attend(y, segments, past, before);
  });
}

Tensor TransformerEncoderLayer::attention_weights(const Tensor& x, const Segments& segments,
                                                  std::int64_t segment) const {
  const auto scope = enter(x);
  return self_attn_.weights(pre_norm_ ? norm1_.forward(x) : x, segments, segment);
}

EncoderState EncoderState::select(std::span<const std::int64_t> sequences) const {
  EncoderState result;
  for (const std::int64_t sequence : sequences) {
    if (sequence < 0 || sequence >= count())
      fail(ErrorKind::index, "EncoderState.select: no such sequence; got {}; expected 0 to {}", sequence, count() - 1);
    result.lengths.push_back(lengths[static_cast<std::size_t>(sequence)]);
  }
  for (const KeysAndValues& layer : past) result.past.push_back(layer.select(sequences));
  return result;
}

TransformerEncoder::TransformerEncoder(const TransformerOptions& options)
    : looks_back_(options.attention.right == 0),
      layers_(child<ModuleList<TransformerEncoderLayer>>("layers")),
      norm_(options.final_norm ? &child<LayerNorm>("norm", options.width, norm_options(options)) : nullptr) {
  for (std::int64_t i = 0; i < checked_size("Transformer", "layers", options.layers); ++i) layers_.add(options);
}

Tensor TransformerEncoder::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  Tensor y = x;
  for (const TransformerEncoderLayer& layer : layers_) y = layer.forward(y, segments);
  return scope.output(norm_ != nullptr ? norm_->forward(y) : y);
}

EncoderState TransformerEncoder::begin(std::int64_t sequences) const {
  const auto scope = enter_beside_forward();
  if (sequences < 0)
    fail(ErrorKind::argument, "TransformerEncoder.begin: sequences; got {}; expected at least 0", sequences);
  EncoderState state;
  state.past.resize(layers_.size());
  state.lengths.assign(static_cast<std::size_t>(sequences), 0);
  return state;
}

Tensor TransformerEncoder::step(const Tensor& x, EncoderState& state) const {
  return step(x, Segments::from_lengths(std::vector<std::int64_t>(state.lengths.size(), 1)), state);
}

Tensor TransformerEncoder::step(const Tensor& x, const Segments& segments, EncoderState& state) const {
  const auto scope = enter_beside_forward();
  if (!looks_back_)
    fail(ErrorKind::argument,
         "TransformerEncoder.step: attention sees what comes later; hint: AttentionOptions::causal()");
  if (segments.count() != state.count() || x.rank() < 1 || x.size(0) != segments.rows())
    fail(ErrorKind::shape,
         "TransformerEncoder.step: rows do not fit the state; got {} in {} segments; expected {} segments", x.shape(),
         segments.count(), state.count());
  if (state.past.size() != layers_.size())
    fail(
        ErrorKind::argument,
        "TransformerEncoder.step: the state is of another encoder; got {} layers; expected {}; hint: begin() makes one",
        state.past.size(), layers_.size());
  Tensor y = x;
  std::size_t number = 0;
  for (const TransformerEncoderLayer& layer : layers_) y = layer.step(y, segments, state.past[number++]);
  for (std::int64_t i = 0; i < state.count(); ++i) state.lengths[static_cast<std::size_t>(i)] += segments.length(i);
  return norm_ != nullptr ? norm_->forward(y) : y;
}

TensorList TransformerEncoder::attention_weights(const Tensor& x, const Segments& segments,
                                                 std::int64_t segment) const {
  const auto scope = enter(x);
  const NoGradGuard no_grad;
  TensorList result;
  Tensor y = x;
  for (const TransformerEncoderLayer& layer : layers_) {
    result.push_back(layer.attention_weights(y, segments, segment));
    y = layer.forward(y, segments);
  }
  return result;
}

}  // namespace saw::nn
