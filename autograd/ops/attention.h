#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// Which keys a query sees: one at position p of its sequence those at p − left … p + right; and how it weighs them.
struct AttentionOptions {
  /// As `left` or `right`: all the way to the end of the sequence.
  static constexpr std::int64_t unlimited = std::numeric_limits<std::int64_t>::max();

  std::int64_t left = unlimited;   ///< how many keys before its own position a query sees
  std::int64_t right = unlimited;  ///< how many after it
  /// Scores are multiplied by it; NaN means 1/√d.
  double scale = std::numeric_limits<double>::quiet_NaN();
  /// Dropout on the attention weights; one stream of the thread's default generator per call, of which every weight has
  /// its own place.
  double dropout = 0.0;
  /// For each segment the position of its first query among its keys, as where new queries meet keys that are kept from
  /// before; empty: 0 for all.
  std::vector<std::int64_t> query_offsets = {};
  /// For each head a slope m (see slopes_of_heads()): a key at distance n from the query has m · n taken off its score,
  /// after the scale (ALiBi, Press et al. 2022). Empty: none. They are constants, not parameters.
  std::vector<double> alibi_slopes = {};

  /// The slopes of ALiBi for that many heads: 2^(−8/heads), 2^(−16/heads), …, 2⁻⁸ for a power of two; else those of the
  /// power of two below, then every second one of the power above. Throws Error(argument) for a negative number.
  static std::vector<double> slopes_of_heads(std::int64_t heads);

  static AttentionOptions full() { return {}; }              ///< every key of the segment
  static AttentionOptions causal() { return {.right = 0}; }  ///< the past and itself
  /// Keys at most so far away.
  static AttentionOptions window(std::int64_t left, std::int64_t right) { return {.left = left, .right = right}; }
};

/// Scaled dot-product attention (Vaswani et al. 2017) inside each segment: query (Nq, heads, d), key (Nk, heads, d),
/// value (Nk, heads, dv) → (Nq, heads, dv); queries of segment b see the keys of segment b alone. `bias`, if defined,
/// is (heads, Tq, Tk) or (1, Tq, Tk) with Tq, Tk at least the longest segments, added to the scores of each segment:
/// element (h, i, j) to that of its i-th query and j-th key. No more than a tile of the score matrix exists at a time,
/// forward or backward. A query that sees no key gives zeros, also where a bias of −∞ hides them all. Projections that
/// lie side by side in one tensor are read where they are: any strides will do as long as the width is contiguous, else
/// a copy is made. Throws Error(shape), Error(dtype) for operands that do not fit, Error(argument) for options that do
/// not.
///
/// A query gets the same bits whichever queries come with it. So one that comes later, with its query_offset, and sees
/// keys kept from before gets what it would have got beside all others.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const Segments& query_segments,
                 const Segments& key_segments, const AttentionOptions& options = {}, const Tensor& bias = {});

/// The weights that attention() uses, for looking at: (heads, Tq, Tk) of one segment, without dropout.
/// No gradient is recorded.
Tensor attention_weights(const Tensor& query, const Tensor& key, const Segments& query_segments,
                         const Segments& key_segments, std::int64_t segment, const AttentionOptions& options = {},
                         const Tensor& bias = {});

}  // namespace saw
