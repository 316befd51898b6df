#pragma once

#include "saw/autograd/ops/loss.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

// Losses. Inputs and targets have exactly the shapes that are written here; nothing is broadcast silently, because a
// loss over (N, 1) beside (N) would be a wrong number without a complaint. Reductions: mean (default) and sum give a
// scalar, none gives one value per element (per row for cross_entropy and nll).

using saw::cross_entropy;
using saw::CrossEntropyOptions;
using saw::Reduction;

struct NllOptions {
  Tensor weight = {};                ///< (C), one weight per class
  std::int64_t ignore_index = -100;  ///< targets of this value do not count
  Reduction reduction = Reduction::mean;
};
/// −weight[target] · log_probabilities[target] for log_probabilities (N, C), targets (N) int64: cross_entropy without
/// its softmax. The mean divides by the sum of the weights that count; where none counts it is 0. A target outside 0 …
/// C − 1 that is not ignore_index throws Error(index).
Tensor nll(const Tensor& log_probabilities, const Tensor& targets, const NllOptions& options = {});

/// (input − target)² for equal shapes.
Tensor mse(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

struct BinaryCrossEntropyOptions {
  Tensor weight = {};      ///< of the input's shape: one factor per element
  Tensor pos_weight = {};  ///< (C), of the input's last axis: how much a 1 counts in this column
  Reduction reduction = Reduction::mean;
};
/// −(p · t · log σ(x) + (1 − t) · log(1 − σ(x))) for logits x and targets t in [0, 1] of equal shapes and dtypes; p is
/// pos_weight. Computed from the logits, without overflow.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                        const BinaryCrossEntropyOptions& options = {});

}  // namespace nn
}  // namespace saw
