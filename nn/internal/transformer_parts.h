#pragma once

// For sources of nn/, not for users: what the layers of a Transformer's encoder and decoder have in common.

#include "saw/nn/internal/checked_sizes.h"
#include "saw/nn/transformer.h"

namespace saw::nn {

/// The hidden width of the feed-forward nets.
inline std::int64_t hidden_width(const TransformerOptions& options) {
  return options.feed_forward == -1 ? 4 * options.width
                                    : checked_positive("Transformer", "feed_forward", options.feed_forward);
}

/// The options of a self-attention layer that sees what `attention` says.
inline MultiHeadAttentionOptions attention_options(const TransformerOptions& options,
                                                   const AttentionOptions& attention) {
  checked_positive("Transformer", "width", options.width);
  checked_positive("Transformer", "heads", options.heads);
  return {.dropout = options.dropout, .attention = attention, .rotary = options.rotary};
}

inline LayerNormOptions norm_options(const TransformerOptions& options) { return {.epsilon = options.epsilon}; }

}  // namespace saw::nn
