#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/attention.h"
#include "saw/nn/batch_norm.h"
#include "saw/nn/conv1d.h"
#include "saw/nn/depthwise_conv1d.h"
#include "saw/nn/dropout.h"
#include "saw/nn/group_norm.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/layer_norm.h"
#include "saw/nn/module.h"
#include "saw/nn/module_list.h"
#include "saw/nn/multi_head_attention.h"
#include "saw/nn/relative_attention.h"
#include "saw/nn/sequential.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// How a Conformer knows where a frame is.
enum class ConformerPositions {
  relative,  ///< relative sinusoidal positions in the attention, as in the paper
  none,      ///< from the convolutions alone, as in torchaudio
};

/// What normalises the channels behind the depthwise convolution.
enum class ConformerNorm {
  batch,  ///< over all frames of the batch, as in the paper
  group,  ///< over all channels and frames of an utterance: GroupNorm with one group
};

/// What a Conformer is made of, block by block.
struct ConformerOptions {
  std::int64_t width = 0;          ///< of the frames; must be given
  std::int64_t heads = 0;          ///< must be given, and divide width
  std::int64_t layers = 1;         ///< how many blocks
  std::int64_t feed_forward = -1;  ///< hidden width of the feed-forward nets; −1: 4·width
  std::int64_t kernel = 31;        ///< of the depthwise convolution; an even one reaches one frame further ahead
  double dropout = 0.1;            ///< on attention weights, hidden units, and what each part of a block adds
  ConformerPositions positions = ConformerPositions::relative;  ///< how attention learns of positions
  ConformerNorm norm = ConformerNorm::batch;                    ///< behind the depthwise convolution
  bool convolution_first = false;                               ///< convolution before attention
  /// Which frames see which. For streaming, a window with right = 0, and causal_convolution.
  AttentionOptions attention = AttentionOptions::full();
  bool causal_convolution = false;  ///< the depthwise convolution looks back only
  /// Computes as torchaudio.models.Conformer does on a batch that is padded with zeros: the frames of the padding take
  /// part in convolutions and norms, so that an utterance's result depends on the longest one in its batch. Only for
  /// comparing with torchaudio.
  bool torchaudio_padding = false;

  /// The small encoder of the paper's table 1 (Gulati et al. 2020). Its 10.3 million parameters (medium: 30.7, large:
  /// 118.8) count the subsampling and the transducer's decoder too; in the blocks lie 8.1, 25.4 and 107.5 million.
  static ConformerOptions small() { return {.width = 144, .heads = 4, .layers = 16, .kernel = 32}; }
  static ConformerOptions medium() { return {.width = 256, .heads = 4, .layers = 16, .kernel = 32}; }  ///< see small()
  static ConformerOptions large() { return {.width = 512, .heads = 8, .layers = 17, .kernel = 32}; }   ///< see small()
  /// What torchaudio.models.Conformer(width, heads, feed_forward, layers, kernel, dropout) builds.
  static ConformerOptions torchaudio(std::int64_t width, std::int64_t heads, std::int64_t feed_forward,
                                     std::int64_t layers, std::int64_t kernel, double dropout = 0.0);
  /// These options for streaming: frames see `left` frames before them and none after, in attention as in convolution.
  ConformerOptions streaming(std::int64_t left) const;
};

/// What a Conformer keeps of the streams that it reads as they come in (Conformer::step).
struct ConformerState {
  /// Of one block.
  struct Layer {
    KeysAndValues past;  ///< of the frames that attention still sees, a segment for each stream
    Tensor convolution;  ///< (streams · (kernel − 1), width): the frames that the depthwise convolution still sees
  };
  std::vector<Layer> layers;  ///< none before the first frames
};

/// LayerNorm → Linear → Swish → Dropout → Linear → Dropout, over single frames: (N, width) → (N, width).
class ConformerFeedForward : public Module {
 public:
  /// Throws Error(argument) for sizes below 1 and a dropout outside [0, 1].
  ConformerFeedForward(std::int64_t width, std::int64_t hidden, double dropout);
  Tensor forward(const Tensor& x) const;  ///< (N, width) → (N, width)

 private:
  Sequential& sequential_;
};

/// LayerNorm → pointwise convolution to 2·width → GLU → depthwise convolution over time → norm → Swish → pointwise
/// convolution → Dropout: (N, width) → (N, width).
class ConformerConvolution : public Module {
 public:
  using Options = ConformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit ConformerConvolution(const ConformerOptions& options);
  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (N, width)
  /// The next frames of each stream; `kept` (streams · (kernel − 1), width), or undefined before the first, are those
  /// before them, and becomes those before the next. For a causal convolution.
  Tensor step(const Tensor& x, const Segments& segments, Tensor& kept) const;

 private:
  Tensor gate(const Tensor& x, const Segments& segments) const;
  Tensor after_mixing(const Tensor& mixed, const Segments& segments) const;

  /// The places in torchaudio's sequence that have parameters.
  struct Steps : Module {
    explicit Steps(const ConformerOptions& options);
    Conv1d& pointwise1;
    DepthwiseConv1d& depthwise;
    BatchNorm1d* batch_norm;
    GroupNorm* group_norm;
    Conv1d& pointwise2;
  };

  LayerNorm& layer_norm_;
  Steps& sequential_;
  Dropout& dropout_;
};

/// One Conformer block (Gulati et al. 2020), on x (N, width):
///
///   x ← x + ½ FeedForward₁(x),  x ← x + Attention(LayerNorm(x)),  x ← x + Convolution(x),
///   y = LayerNorm(x + ½ FeedForward₂(x))
///
/// Names as in torchaudio: ffn1, self_attn_layer_norm, self_attn, conv_module, ffn2, final_layer_norm.
class ConformerLayer : public Module {
 public:
  using Options = ConformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit ConformerLayer(const ConformerOptions& options);

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (N, width)
  /// With torchaudio_padding: x has all frames of a padded batch, `valid` says how many of each segment are real.
  Tensor forward_padded(const Tensor& x, const Segments& segments, const Segments& valid) const;
  /// The next frames of each stream; see Conformer::step.
  Tensor step(const Tensor& x, const Segments& segments, ConformerState::Layer& state) const;
  /// What this layer's attention looks at for input x, in one segment: (heads, T, T).
  Tensor attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const;

 private:
  template <class Convolve>
  Tensor before_attention(const Tensor& x, const Convolve& convolve) const;
  template <class Convolve, class Attend>
  Tensor run(const Tensor& x, const Convolve& convolve, const Attend& attend) const;
  Tensor attend(const Tensor& x, const Segments& segments) const;
  Tensor attend_step(const Tensor& x, const Segments& segments, KeysAndValues& past) const;

  bool convolution_first_;
  std::int64_t left_;  // frames before its own that attention sees
  ConformerFeedForward& ffn1_;
  LayerNorm& self_attn_layer_norm_;
  RelativeMultiHeadAttention* relative_self_attn_;  // one of these two is `self_attn`
  MultiHeadAttention* self_attn_;
  Dropout& self_attn_dropout_;
  ConformerConvolution& conv_module_;
  ConformerFeedForward& ffn2_;
  LayerNorm& final_layer_norm_;
};

/// A stack of Conformer blocks, `conformer_layers.0`, …: x (N, width) keeps its shape. With
/// ConformerOptions::torchaudio the state dict has the names and shapes of torchaudio.models.Conformer.
///
///   nn::Conformer conformer(nn::ConformerOptions{.width = 144, .heads = 4, .layers = 4});
///   Tensor y = conformer.forward(x, utterances);
class Conformer : public Module {
 public:
  using Options = ConformerOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit Conformer(const ConformerOptions& options);

  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (N, width)
  /// The next frames of each of B streams, x (N, width) with a segment for each (also an empty one), in any portions:
  /// gives the bits that forward() gives for these frames when all are there. `state` keeps what later frames will
  /// need, no more than the attention's window and the kernel reach back; it begins as {}. For options that do not look
  /// ahead, such as ConformerOptions::streaming, and after eval(), for in training batch norm takes note of the frames
  /// of a step alone. Throws Error(argument) for options that look ahead or normalise over a whole utterance
  /// (ConformerNorm:: group), Error(shape) where the number of streams changes.
  ///
  ///   nn::ConformerState state;
  ///   while (more()) { Tensor y = conformer.step(frames, Segments::single(frames.size(0)), state); … }
  Tensor step(const Tensor& x, const Segments& segments, ConformerState& state) const;
  /// What each layer's attention looks at in one segment: layers × (heads, T, T). No gradient; call it after eval(),
  /// for in training batch norm takes note of the frames.
  TensorList attention_weights(const Tensor& x, const Segments& segments, std::int64_t segment) const;
  /// load_state_dict for weights of torchaudio, those of its early version included, whose convolutions had no biases:
  /// where the state has none at all, they become 0.
  void load_torchaudio(const StateDict& state);

 private:
  bool torchaudio_padding_;
  std::string looks_ahead_;  // why step() is not possible, or empty
  ModuleList<ConformerLayer>& conformer_layers_;
};

}  // namespace nn
}  // namespace saw
