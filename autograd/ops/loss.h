#pragma once

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

/// What becomes of the losses of single elements or rows.
enum class Reduction {
  mean,  ///< their mean, a scalar
  sum,   ///< their sum, a scalar
  none,  ///< they stay as they are
};

/// What counts how much in cross_entropy().
struct CrossEntropyOptions {
  Tensor weight = {};                     ///< (C), one weight per class
  std::int64_t ignore_index = -100;       ///< targets of this value do not count
  double label_smoothing = 0.0;           ///< in [0, 1]
  Reduction reduction = Reduction::mean;  ///< over the targets that count
};
/// −log softmax(logits)[target] for logits (N, C), targets (N) int64 (Szegedy et al. 2016 for smoothing). The mean is
/// over the targets that count, weighted as PyTorch does; where none counts it is 0 with zero gradient. A target
/// outside 0 … C − 1 that is not ignore_index throws Error(index). Fused: keeps one number per row.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {});

}  // namespace saw
