#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/attention.h"
#include "saw/autograd/ops/rotary.h"
#include "saw/nn/activation.h"
#include "saw/nn/dropout.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/layer_norm.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"
#include "saw/nn/module_list.h"
#include "saw/nn/multi_head_attention.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// What a TransformerEncoder is made of; the defaults are PyTorch's where it has any.
struct TransformerOptions {
  std::int64_t width = 0;                    ///< of the rows; must be given
  std::int64_t heads = 0;                    ///< must be given, and divide width
  std::int64_t layers = 1;                   ///< how many
  std::int64_t feed_forward = -1;            ///< hidden width of the feed-forward nets; −1: 4·width
  double dropout = 0.1;                      ///< on attention weights, hidden units, and what each sublayer adds
  Activation activation = Activation::relu;  ///< between the two maps of the feed-forward nets
  /// Normalise what goes into each sublayer instead of what comes out (Xiong et al. 2020): deep encoders learn without
  /// warm-up.
  bool pre_norm = false;
  /// A LayerNorm after the last layer, `norm`; wanted with pre_norm, whose last sum is not normalised.
  bool final_norm = false;
  /// Which positions see which.
  AttentionOptions attention = AttentionOptions::full();
  double epsilon = 1e-5;  ///< of the norms
  /// Self-attention turns queries and keys by their positions (RoFormer), so that scores depend on distances; the width
  /// of a head must be even. No other positions are then needed.
  std::optional<RotaryOptions> rotary = std::nullopt;
};

/// One layer of an encoder (Vaswani et al. 2017): self-attention, then a net that sees one position at a time, each
/// added to what came in. x (N, width) keeps its shape. With F(x) = W₂ activation(W₁ x + b₁) + b₂:
///
///   post-norm: x ← LayerNorm(x + Attention(x)),  x ← LayerNorm(x + F(x))
///   pre-norm:  x ← x + Attention(LayerNorm(x)),  x ← x + F(LayerNorm(x))
///
/// Names as in PyTorch: self_attn, linear1, linear2, norm1, norm2.
class TransformerEncoderLayer : public Module {
 public:
  using Options = TransformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit TransformerEncoderLayer(const TransformerOptions& options);

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (N, width)
  /// The next rows of each sequence, after `past`, to which theirs are added; for a layer that looks only back.
  Tensor step(const Tensor& x, const Segments& segments, KeysAndValues& past) const;
  /// What this layer's attention looks at for input x, in one segment: (heads, T, T).
  Tensor attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const;

 private:
  template <class SelfAttention>
  Tensor run(const Tensor& x, const SelfAttention& to_itself) const;
  Tensor feed_forward(const Tensor& x) const;

  Activation activation_;
  bool pre_norm_;
  MultiHeadAttention& self_attn_;
  Linear& linear1_;
  Dropout& dropout_;
  Linear& linear2_;
  LayerNorm& norm1_;
  LayerNorm& norm2_;
  Dropout& dropout1_;
  Dropout& dropout2_;
};

/// What a TransformerEncoder that looks only back keeps of sequences that grow, so that a new row costs no more than
/// itself: keys and values of the rows until now. Copying is cheap.
struct EncoderState {
  std::vector<KeysAndValues> past;    ///< of each layer, a segment for each sequence
  std::vector<std::int64_t> lengths;  ///< rows of each sequence until now

  /// How many sequences there are.
  std::int64_t count() const { return static_cast<std::int64_t>(lengths.size()); }
  /// The sequences with these numbers in this order, some more than once, others not at all. Throws Error(index) for a
  /// number that is none.
  EncoderState select(std::span<const std::int64_t> sequences) const;
};

/// A stack of encoder layers, `layers.0`, `layers.1`, …, and with final_norm a `norm`. It knows nothing of positions:
/// add SinusoidalPositions or LearnedPositions before it where order matters.
///
/// With attention that looks only back (AttentionOptions::causal()) it is what language models are made of. step()
/// gives the bits that forward() gives for the same rows:
///
///   EncoderState state = encoder.begin(sequences);
///   Tensor hidden = encoder.step(embedded_row_of_each, state);
class TransformerEncoder : public Module {
 public:
  using Options = TransformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit TransformerEncoder(const TransformerOptions& options);

  /// x (N, width) keeps its shape.
  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (N, width)

  /// So many sequences without rows, for step().
  EncoderState begin(std::int64_t sequences) const;
  /// The next row of each sequence, x (sequences, width); adds them to the state. Throws Error(argument) where
  /// attention sees what comes later, Error(shape) where there is not one row for each.
  Tensor step(const Tensor& x, EncoderState& state) const;
  /// Any number of next rows of each, as where a beginning is given.
  Tensor step(const Tensor& x, const Segments& segments, EncoderState& state) const;

  /// What each layer's attention looks at in one segment: layers × (heads, T, T). No gradient.
  TensorList attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const;

 private:
  bool looks_back_;  // and nowhere else
  ModuleList<TransformerEncoderLayer>& layers_;
  const LayerNorm* norm_;
};

}  // namespace nn
}  // namespace saw
