#pragma once

// The models of frame_labelling.cpp, in the order in which the lecture comes to them.

#include <saw/saw.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "frame_corpus.h"

namespace saw::examples {

/// What every model has to do: scores (N, labels) for the N frames of some utterances.
struct FrameLabeller : nn::Module {
  virtual Tensor forward(const Tensor& frames, const Segments& utterances) = 0;
};

/// A fully connected net that sees `reach` frames on both sides, every `step`-th of them. Beyond the ends of an
/// utterance its first and its last frame are repeated.
struct WindowLabeller : FrameLabeller {
  static constexpr std::int64_t hidden = 384;
  std::int64_t reach, step;
  nn::Linear& first;
  nn::Linear& second = child<nn::Linear>("second", hidden, hidden);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.2);
  nn::Linear& labels;

  WindowLabeller(std::int64_t count, std::int64_t frames_around, std::int64_t every)
      : reach(frames_around),
        step(every),
        first(child<nn::Linear>("first", (2 * reach / step + 1) * FrameFeatures::width, hidden)),
        labels(child<nn::Linear>("labels", hidden, count)) {}

  /// (N, 39) → (N, 39 · frames seen).
  Tensor window(const Tensor& frames, const Segments& utterances) const {
    std::vector<std::int64_t> rows;
    for (std::int64_t u = 0; u < utterances.count(); ++u)
      for (std::int64_t t = utterances.begin(u); t < utterances.end(u); ++t)
        for (std::int64_t other = t - reach; other <= t + reach; other += step)
          rows.push_back(std::clamp(other, utterances.begin(u), utterances.end(u) - 1));
    return index_select(frames, 0, tensor(rows)).reshape({frames.size(0), -1});
  }
  Tensor forward(const Tensor& frames, const Segments& utterances) override {
    const Tensor x = reach > 0 ? window(frames, utterances) : frames;
    const Tensor h = dropout.forward(relu(first.forward(x)));
    return labels.forward(dropout.forward(relu(second.forward(h))));
  }
};

/// Two recurrent nets, one from the left and one from the right; two more read what both say.
struct BilstmLabeller : FrameLabeller {
  nn::LSTM& lstm = child<nn::LSTM>(
      "lstm",
      {.input_size = FrameFeatures::width, .hidden_size = 128, .num_layers = 2, .dropout = 0.2, .bidirectional = true});
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.2);
  nn::Linear& labels;

  explicit BilstmLabeller(std::int64_t count) : labels(child<nn::Linear>("labels", 256, count)) {}

  Tensor forward(const Tensor& frames, const Segments& utterances) override {
    return labels.forward(dropout.forward(lstm.forward(frames, utterances).rows));
  }
};

/// x += attention(norm(x)), x += feed_forward(norm(x)): all frames, each frame.
struct AttentionBlock : nn::Module {
  static constexpr std::int64_t width = 128;
  nn::LayerNorm& norm1 = child<nn::LayerNorm>("norm1", width);
  nn::RelativeMultiHeadAttention& attention = child<nn::RelativeMultiHeadAttention>("attention", width, 4);
  nn::LayerNorm& norm2 = child<nn::LayerNorm>("norm2", width);
  nn::Linear& linear1 = child<nn::Linear>("linear1", width, 3 * width);
  nn::Linear& linear2 = child<nn::Linear>("linear2", 3 * width, width);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.1);

  Tensor forward(Tensor x, const Segments& utterances) {
    x = x + dropout.forward(attention.forward(norm1.forward(x), utterances));
    return x + linear2.forward(dropout.forward(relu(linear1.forward(norm2.forward(x)))));
  }
};

/// Every frame looks at all frames of its utterance. It knows how far away they are, in which direction: with positions
/// that count from the beginning, what "the frame before" is would have to be learnt for each place anew.
struct AttentionLabeller : FrameLabeller {
  nn::Linear& input = child<nn::Linear>("input", FrameFeatures::width, AttentionBlock::width);
  AttentionBlock& block1 = child<AttentionBlock>("block1");
  AttentionBlock& block2 = child<AttentionBlock>("block2");
  nn::LayerNorm& norm = child<nn::LayerNorm>("norm", AttentionBlock::width);
  nn::Linear& labels;

  explicit AttentionLabeller(std::int64_t count) : labels(child<nn::Linear>("labels", AttentionBlock::width, count)) {}

  Tensor forward(const Tensor& frames, const Segments& utterances) override {
    const Tensor x = block1.forward(input.forward(frames), utterances);
    return labels.forward(norm.forward(block2.forward(x, utterances)));
  }
};

/// Their names, and what a frame's label is decided by.
struct LabellerName {
  const char *name, *sees;
};
inline const std::vector<LabellerName>& labeller_names() {
  static const std::vector<LabellerName> all = {{"window1", "one frame: 39 numbers"},
                                                {"window11", "11 frames: 429 numbers"},
                                                {"window41", "41 frames, every second one: 819 numbers"},
                                                {"bilstm", "the utterance, by recurrent nets in both directions"},
                                                {"attention", "the utterance, by self-attention"}};
  return all;
}

inline std::unique_ptr<FrameLabeller> make_labeller(const std::string& name, std::int64_t labels) {
  if (name == "window1") return std::make_unique<WindowLabeller>(labels, 0, 1);
  if (name == "window11") return std::make_unique<WindowLabeller>(labels, 5, 1);
  if (name == "window41") return std::make_unique<WindowLabeller>(labels, 20, 2);
  if (name == "bilstm") return std::make_unique<BilstmLabeller>(labels);
  return std::make_unique<AttentionLabeller>(labels);
}

}  // namespace saw::examples
