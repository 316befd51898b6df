#include "saw/nn/transformer_decoder.h"

#include "saw/autograd/ops/binary.h"
#include "saw/nn/internal/transformer_parts.h"

namespace saw::nn {
namespace {

AttentionOptions causal(AttentionOptions options) {
  options.right = 0;
  return options;
}

/// One segment for each of `texts` texts, of the rows of all its sequences.
Segments rows_of_texts(const Segments& rows, const std::vector<std::int64_t>& text_of_sequence, std::int64_t texts) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(texts));
  for (std::size_t i = 0; i < text_of_sequence.size(); ++i)
    lengths[static_cast<std::size_t>(text_of_sequence[i])] += rows.length(static_cast<std::int64_t>(i));
  return Segments::from_lengths(lengths);
}

}  // namespace

DecoderState DecoderState::select(std::span<const std::int64_t> sequences) const {
  DecoderState result;
  result.memory = memory;
  for (const std::int64_t sequence : sequences) {
    if (sequence < 0 || sequence >= count())
      fail(ErrorKind::index, "DecoderState.select: no such sequence; got {}; expected 0 to {}", sequence, count() - 1);
    const std::int64_t text = text_of_sequence[static_cast<std::size_t>(sequence)];
    if (!result.text_of_sequence.empty() && text < result.text_of_sequence.back())
      fail(ErrorKind::argument,
           "DecoderState.select: sequences of one text have to lie together, the texts in order; got text {} after "
           "text {}",
           text, result.text_of_sequence.back());
    result.text_of_sequence.push_back(text);
    result.lengths.push_back(lengths[static_cast<std::size_t>(sequence)]);
  }
  for (const KeysAndValues& layer : past) result.past.push_back(layer.select(sequences));
  return result;
}

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerOptions& options)
    : activation_(options.activation),
      pre_norm_(options.pre_norm),
      self_attn_(child<MultiHeadAttention>("self_attn", options.width, options.heads,
                                           attention_options(options, causal(options.attention)))),
      multihead_attn_(child<MultiHeadAttention>("multihead_attn", options.width, options.heads,
                                                MultiHeadAttentionOptions{.dropout = options.dropout})),
      linear1_(child<Linear>("linear1", options.width, hidden_width(options))),
      dropout_(child<Dropout>("dropout", options.dropout)),
      linear2_(child<Linear>("linear2", hidden_width(options), options.width)),
      norm1_(child<LayerNorm>("norm1", options.width, norm_options(options))),
      norm2_(child<LayerNorm>("norm2", options.width, norm_options(options))),
      norm3_(child<LayerNorm>("norm3", options.width, norm_options(options))),
      dropout1_(child<Dropout>("dropout1", options.dropout)),
      dropout2_(child<Dropout>("dropout2", options.dropout)),
      dropout3_(child<Dropout>("dropout3", options.dropout)) {}

Tensor TransformerDecoderLayer::feed_forward(const Tensor& x) const {
  const Tensor hidden = activate(activation_, linear1_.forward(x));  // (N, feed_forward)
  return dropout3_.forward(linear2_.forward(dropout_.forward(hidden)));
}

template <class SelfAttention, class MemoryAttention>
Tensor TransformerDecoderLayer::run(const Tensor& x, const SelfAttention& to_itself,
                                    const MemoryAttention& to_memory) const {
  if (pre_norm_) {
    const Tensor y = x + dropout1_.forward(to_itself(norm1_.forward(x)));
    const Tensor z = y + dropout2_.forward(to_memory(norm2_.forward(y)));
    return z + feed_forward(norm3_.forward(z));
  }
  const Tensor y = norm1_.forward(x + dropout1_.forward(to_itself(x)));
  const Tensor z = norm2_.forward(y + dropout2_.forward(to_memory(y)));
  return norm3_.forward(z + feed_forward(z));
}

Tensor TransformerDecoderLayer::forward(const Tensor& x, const Segments& segments, const Tensor& memory,
                                        const Segments& memory_segments) const {
  const auto scope = enter(x);
  return scope.output(run(
      x, [&](const Tensor& y) { return self_attn_.forward(y, segments); },
      [&](const Tensor& y) { return multihead_attn_.forward(y, memory, segments, memory_segments); }));
}

KeysAndValues TransformerDecoderLayer::project_memory(const Tensor& memory, const Segments& memory_segments) const {
  const auto scope = enter_beside_forward();
  return multihead_attn_.project_keys(memory, memory, memory_segments);
}

Tensor TransformerDecoderLayer::step(const Tensor& x, const Segments& segments, KeysAndValues& past,
                                     const KeysAndValues& memory, const Segments& texts) const {
  const auto scope = enter_beside_forward();
  const auto to_itself = [&](const Tensor& y) {
    const std::vector<std::int64_t> before = past.key.defined() ? past.segments.lengths() : std::vector<std::int64_t>();
    const KeysAndValues more = self_attn_.project_keys(y, y, segments, before);
    past = past.key.defined() ? past.append(more) : more;
    return self_attn_.attend(y, segments, past, before);
  };
  return run(x, to_itself, [&](const Tensor& y) { return multihead_attn_.attend(y, texts, memory); });
}

Tensor TransformerDecoderLayer::memory_weights(const Tensor& x, const Segments& segments, const Tensor& memory,
                                               const Segments& memory_segments, std::int64_t segment) const {
  const auto scope = enter_beside_forward();
  const NoGradGuard no_grad;
  Tensor weights;
  run(
      x, [&](const Tensor& y) { return self_attn_.forward(y, segments); },
      [&](const Tensor& y) {
        weights = multihead_attn_.weights(y, memory, segments, memory_segments, segment);
        return multihead_attn_.forward(y, memory, segments, memory_segments);
      });
  return weights;
}

TransformerDecoder::TransformerDecoder(const TransformerOptions& options)
    : layers_(child<ModuleList<TransformerDecoderLayer>>("layers")),
      norm_(options.final_norm ? &child<LayerNorm>("norm", options.width, norm_options(options)) : nullptr) {
  for (std::int64_t i = 0; i < checked_size("Transformer", "layers", options.layers); ++i) layers_.add(options);
}

Tensor TransformerDecoder::forward(const Tensor& x, const Segments& segments, const Tensor& memory,
                                   const Segments& memory_segments) const {
  const auto scope = enter(x);
  Tensor y = x;
  for (const TransformerDecoderLayer& layer : layers_) y = layer.forward(y, segments, memory, memory_segments);
  return scope.output(norm_ != nullptr ? norm_->forward(y) : y);
}

DecoderState TransformerDecoder::begin(const Tensor& memory, const Segments& memory_segments) const {
  const auto scope = enter_beside_forward();
  DecoderState state;
  for (const TransformerDecoderLayer& layer : layers_)
    state.memory.push_back(layer.project_memory(memory, memory_segments));
  state.past.resize(state.memory.size());
  for (std::int64_t text = 0; text < memory_segments.count(); ++text) state.text_of_sequence.push_back(text);
  state.lengths.assign(static_cast<std::size_t>(memory_segments.count()), 0);
  return state;
}

Tensor TransformerDecoder::step(const Tensor& x, DecoderState& state) const {
  return step(x, Segments::from_lengths(std::vector<std::int64_t>(state.lengths.size(), 1)), state);
}

Tensor TransformerDecoder::step(const Tensor& x, const Segments& segments, DecoderState& state) const {
  const auto scope = enter_beside_forward();
  if (segments.count() != state.count() || x.rank() < 1 || x.size(0) != segments.rows())
    fail(ErrorKind::shape,
         "TransformerDecoder.step: rows do not fit the state; got {} in {} segments; expected {} "
         "segments",
         x.shape(), segments.count(), state.count());
  if (state.past.size() != layers_.size() || state.memory.size() != layers_.size())
    fail(ErrorKind::argument,
         "TransformerDecoder.step: the state is of another decoder; got {} layers, memory of {}; expected {}; hint: "
         "begin() makes one",
         state.past.size(), state.memory.size(), layers_.size());
  Tensor y = x;
  std::size_t number = 0;
  for (const TransformerDecoderLayer& layer : layers_) {
    const KeysAndValues& memory = state.memory[number];
    y = layer.step(y, segments, state.past[number], memory,
                   rows_of_texts(segments, state.text_of_sequence, memory.segments.count()));
    ++number;
  }
  for (std::int64_t i = 0; i < state.count(); ++i) state.lengths[static_cast<std::size_t>(i)] += segments.length(i);
  return norm_ != nullptr ? norm_->forward(y) : y;
}

TensorList TransformerDecoder::memory_weights(const Tensor& x, const Segments& segments, const Tensor& memory,
                                              const Segments& memory_segments, std::int64_t segment) const {
  const auto scope = enter_beside_forward();
  const NoGradGuard no_grad;
  TensorList result;
  Tensor y = x;
  for (const TransformerDecoderLayer& layer : layers_) {
    result.push_back(layer.memory_weights(y, segments, memory, memory_segments, segment));
    y = layer.forward(y, segments, memory, memory_segments);
  }
  return result;
}

}  // namespace saw::nn
