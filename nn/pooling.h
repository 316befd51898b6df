#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

// From a row per frame to a row per utterance: x (N, width) with segments → (B, …). Only an utterance's own frames
// count; one without frames gives zeros (and the smallest deviation, √epsilon).

/// The mean over the frames: (N, width) → (B, width).
class MeanPooling : public Module {
 public:
  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (B, width)
};

/// The largest value of each channel: (N, width) → (B, width).
class MaxPooling : public Module {
 public:
  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (B, width)
};

/// Mean and standard deviation side by side (Snyder et al. 2017, x-vectors): (N, width) → (B, 2·width). The variance is
/// the biased one and at least `epsilon` before its root is taken, so that one frame, or frames that are all alike,
/// have a finite gradient.
class StatisticsPooling : public Module {
 public:
  /// Throws Error(argument) unless epsilon is positive.
  explicit StatisticsPooling(double epsilon = 1e-6);
  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (B, 2·width)

 private:
  double epsilon_;
};

/// Self-attention pooling (Safari et al. 2020): a mean in which each frame has the weight that a learned vector gives
/// it,
///
///   y = Σ_t a_t x_t,   a = softmax over the utterance's frames of x_t · w
///
/// (N, width) → (B, width). Parameter `attention.weight` (1, width); a bias would cancel in the softmax.
class SelfAttentionPooling : public Module {
 public:
  /// Throws Error(argument) for a width below 1.
  explicit SelfAttentionPooling(std::int64_t width);
  Tensor forward(const Tensor& x, const Segments& segments) const;  ///< (N, width) → (B, width)
  /// The weights a (N) themselves, for looking at. No gradient.
  Tensor weights(const Tensor& x, const Segments& segments) const;

 private:
  Tensor attend(const Tensor& x, const Segments& segments) const;

  Linear& attention_;
};

}  // namespace nn
}  // namespace saw
