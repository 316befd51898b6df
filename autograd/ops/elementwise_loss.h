#pragma once

#include "saw/autograd/ops/loss.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

// Losses of an input beside a target of equal shape and dtype, element by element; nothing is broadcast. Reductions:
// mean (default) and sum give a scalar, none one value per element. Each is one pass over memory, forward and backward.
// They throw Error(shape) and Error(dtype).

/// (input − target)².
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
/// |input − target|; gradient 0 where they are equal.
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
/// With d = input − target: ½d² for |d| ≤ delta, delta·(|d| − ½·delta) beyond (Huber 1964). Throws Error(argument)
/// unless delta is positive.
Tensor huber_loss(const Tensor& input, const Tensor& target, double delta = 1.0, Reduction reduction = Reduction::mean);
/// huber_loss / beta: ½d²/beta for |d| ≤ beta, |d| − ½·beta beyond (Girshick 2015); l1_loss for beta = 0. Throws
/// Error(argument) for a negative beta.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, double beta = 1.0,
                      Reduction reduction = Reduction::mean);

/// What counts how much in binary_cross_entropy_with_logits().
struct BinaryCrossEntropyOptions {
  Tensor weight = {};                     ///< of the input's shape: one factor per element
  Tensor pos_weight = {};                 ///< (C), of the input's last axis: how much a 1 counts in this column
  Reduction reduction = Reduction::mean;  ///< over all elements, whatever their weights
};
/// −(p · t · log σ(x) + (1 − t) · log(1 − σ(x))) for logits x and targets t in [0, 1]; p is pos_weight. Computed from
/// the logits, without overflow; value and gradient are exact however sure the logits are.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                        const BinaryCrossEntropyOptions& options = {});

}  // namespace saw
