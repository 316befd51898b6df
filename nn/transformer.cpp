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

Tensor TransformerEncoderLayer::attend(const Tensor& x, const Segments& segments) const {
  return dropout1_.forward(self_attn_.forward(x, segments));
}

Tensor TransformerEncoderLayer::feed_forward(const Tensor& x) const {
  const Tensor hidden = activate(activation_, linear1_.forward(x));  // (N, feed_forward)
  return dropout2_.forward(linear2_.forward(dropout_.forward(hidden)));
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  if (pre_norm_) {
    const Tensor y = x + attend(norm1_.forward(x), segments);
    return scope.output(y + feed_forward(norm2_.forward(y)));
  }
  const Tensor y = norm1_.forward(x + attend(x, segments));
  return scope.output(norm2_.forward(y + feed_forward(y)));
}

Tensor TransformerEncoderLayer::attention_weights(const Tensor& x, const Segments& segments,
                                                  std::int64_t segment) const {
  const auto scope = enter(x);
  return self_attn_.weights(pre_norm_ ? norm1_.forward(x) : x, segments, segment);
}

TransformerEncoder::TransformerEncoder(const TransformerOptions& options)
    : layers_(child<ModuleList<TransformerEncoderLayer>>("layers")),
      norm_(options.final_norm ? &child<LayerNorm>("norm", options.width, norm_options(options)) : nullptr) {
  for (std::int64_t i = 0; i < checked_size("Transformer", "layers", options.layers); ++i) layers_.add(options);
}

Tensor TransformerEncoder::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  Tensor y = x;
  for (const TransformerEncoderLayer& layer : layers_) y = layer.forward(y, segments);
  return scope.output(norm_ != nullptr ? norm_->forward(y) : y);
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
