#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Linear-chain conditional random fields (Lafferty et al. 2001): whole label sequences compete instead of single
// labels. With emissions e (N, labels), transitions A (labels, labels) from the row's label to the column's, begin and
// end scores (labels), the labels y of a segment have the score
//
//   s(y) = begin[y₀] + Σₜ e[t, yₜ] + Σₜ A[yₜ₋₁, yₜ] + end[yₙ₋₁],   p(y) = exp s(y) / Σ exp s(all labellings)
//
// An empty segment has one labelling, of score 0. Scores of −∞ forbid a label or a transition; they give neither NaN
// nor gradients. All four tensors have one floating dtype (Error(dtype)) and as many labels (Error(shape)). nn/crf.h
// has them as a layer.

/// −log p(labels) of each segment: (B), for labels (N) int64. A row whose label is `ignore_index` may have any (its
/// labellings add up). A labelling that −∞ forbids has the loss +∞ and no gradient. A label outside 0 … labels − 1 that
/// is not ignore_index throws Error(index). One kernel forward, one backward; both work with logarithms relative to
/// their row, so long segments lose nothing.
Tensor crf_loss(const Tensor& emissions, const Tensor& transitions, const Tensor& begin, const Tensor& end,
                const Tensor& labels, const Segments& segments, std::int64_t ignore_index = -100);

/// What crf_decode finds.
struct BestLabels {
  Tensor labels;  ///< (N) int64
  Tensor scores;  ///< (B): s(labels) of each segment; −∞ where no labelling is possible
};
/// The labels with the largest score (Viterbi 1967); of equal ones those with the smaller number, seen from the end,
/// and 0 where no labelling is possible. No gradient.
BestLabels crf_decode(const Tensor& emissions, const Tensor& transitions, const Tensor& begin, const Tensor& end,
                      const Segments& segments);

/// The probability of each label in each row, summed over all labellings: (N, labels). Zeros in a segment without any
/// possible labelling. No gradient.
Tensor crf_marginals(const Tensor& emissions, const Tensor& transitions, const Tensor& begin, const Tensor& end,
                     const Segments& segments);

}  // namespace saw
