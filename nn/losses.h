#pragma once

#include "saw/autograd/ops/elementwise_loss.h"
#include "saw/autograd/ops/loss.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

// Losses. Inputs and targets have exactly the shapes that are written here; nothing is broadcast silently, because a
// loss over (N, 1) beside (N) would be a wrong number without a complaint. Reductions: mean (default) and sum give a
// scalar, none gives one value per element (per row for cross_entropy and nll).

using saw::binary_cross_entropy_with_logits;
using saw::BinaryCrossEntropyOptions;
using saw::cross_entropy;
using saw::CrossEntropyOptions;
using saw::huber_loss;
using saw::l1_loss;
using saw::mse_loss;
using saw::Reduction;
using saw::smooth_l1_loss;

/// What counts how much in nll().
struct NllOptions {
  Tensor weight = {};                     ///< (C), one weight per class
  std::int64_t ignore_index = -100;       ///< targets of this value do not count
  Reduction reduction = Reduction::mean;  ///< over the targets that count
};
/// −weight[target] · log_probabilities[target] for log_probabilities (N, C), targets (N) int64: cross_entropy without
/// its softmax. The mean divides by the sum of the weights that count; where none counts it is 0. A target outside 0 …
/// C − 1 that is not ignore_index throws Error(index).
Tensor nll(const Tensor& log_probabilities, const Tensor& targets, const NllOptions& options = {});

/// mse_loss by its short name.
Tensor mse(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

/// What kl_div() is given and gives.
struct KlDivOptions {
  bool log_target = false;                ///< the targets are logarithms of probabilities too
  bool batchmean = false;                 ///< with Reduction::mean: divided by the rows, as the divergence is defined
  Reduction reduction = Reduction::mean;  ///< over all elements
};
/// Kullback-Leibler divergence, element by element: t·(log t − x) for log-probabilities x and probabilities t of equal
/// shapes; 0 where t is 0.
Tensor kl_div(const Tensor& input, const Tensor& target, const KlDivOptions& options = {});

/// The margin and the reduction of cosine_embedding_loss().
struct CosineEmbeddingOptions {
  double margin = 0.0;                    ///< cosines below it cost nothing for pairs of target −1
  Reduction reduction = Reduction::mean;  ///< over the pairs
};
/// 1 − cos(a, b) for pairs of target 1, max(0, cos(a, b) − margin) for those of target −1; a, b (N, d), targets (N) of
/// their dtype. Throws Error(argument) for other targets.
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                             const CosineEmbeddingOptions& options = {});

/// How triplet_margin_loss() measures.
struct TripletMarginOptions {
  double margin = 1.0;    ///< how much farther the negative is to be
  double p = 2.0;         ///< of the distance ‖a − b + epsilon‖ₚ
  double epsilon = 1e-6;  ///< keeps the gradient finite where two are equal
  bool swap = false;      ///< the negative counts from the nearer one of anchor and positive (Balntas et al. 2016)
  Reduction reduction = Reduction::mean;  ///< over the triplets
};
/// max(0, margin + ‖anchor − positive‖ − ‖anchor − negative‖), all three (N, d) (Schroff et al. 2015).
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options = {});

/// The margin and the reduction of margin_ranking_loss().
struct MarginRankingOptions {
  double margin = 0.0;                    ///< how much larger the one is to be than the other
  Reduction reduction = Reduction::mean;  ///< over all elements
};
/// max(0, −target·(a − b) + margin): a should be the larger where the target is 1, b where it is −1. All of one shape.
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                           const MarginRankingOptions& options = {});

}  // namespace nn
}  // namespace saw
