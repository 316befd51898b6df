#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Scale and margin of AdditiveMarginSoftmax and AngularMarginSoftmax.
struct MarginSoftmaxOptions {
  double scale = 30.0;   ///< s: cosines are multiplied by it
  double margin = 0.35;  ///< m: what the own class must be ahead by; radians in AngularMarginSoftmax
};

/// A classifier on the unit sphere that wants its classes apart: logits are scaled cosines between the row and one
/// direction per class, and in the loss the row's own class is handicapped by the margin. Parameter `weight` (classes,
/// width), Xavier uniform at first.
class MarginSoftmax : public Module {
 public:
  using Options = MarginSoftmaxOptions;

  /// s · cos θ: x (N, width) → (N, classes). This is inference: no margin.
  Tensor forward(const Tensor& x) const;
  /// Mean cross-entropy with the margin, for labels (N) int64. With margin 0 it is cross_entropy(forward(x), labels).
  /// Throws Error(index) for a label that is no class.
  Tensor loss(const Tensor& x, const Tensor& labels) const;

  const Tensor& weight;  ///< (classes, width)

 protected:
  /// Throws Error(argument) for sizes below 1, a scale that is not positive, a margin outside 0 … largest_margin.
  MarginSoftmax(const char* name, std::int64_t width, std::int64_t classes, const MarginSoftmaxOptions& options,
                double largest_margin);

  /// What stands in for the cosine (N) of the own class.
  virtual Tensor with_margin(const Tensor& cosine) const = 0;

  MarginSoftmaxOptions options_;  ///< as given, checked

 private:
  Tensor cosines(const Tensor& x) const;
};

/// Additive margin softmax (Wang et al. 2018, also CosFace): cos θ − m for the own class.
///
///   auto& classifier = child<nn::AdditiveMarginSoftmax>("classifier", 256, speakers);
///   Tensor loss = classifier.loss(embedding, labels);
///   Tensor speaker = argmax(classifier.forward(embedding));
class AdditiveMarginSoftmax : public MarginSoftmax {
 public:
  /// Throws Error(argument) as MarginSoftmax; a margin is at most 2.
  AdditiveMarginSoftmax(std::int64_t width, std::int64_t classes, const MarginSoftmaxOptions& options = {});

 private:
  Tensor with_margin(const Tensor& cosine) const override;
};

/// Additive angular margin softmax (Deng et al. 2019, ArcFace, AAM-softmax): cos(θ + m) for the own class. Beyond
/// θ = π − m, where cos(θ + m) would rise again, cos θ − m · sin m goes on downwards.
class AngularMarginSoftmax : public MarginSoftmax {
 public:
  /// Throws Error(argument) as MarginSoftmax; a margin is at most π/2.
  AngularMarginSoftmax(std::int64_t width, std::int64_t classes,
                       const MarginSoftmaxOptions& options = {.scale = 30.0, .margin = 0.2});

 private:
  Tensor with_margin(const Tensor& cosine) const override;
};

}  // namespace nn
}  // namespace saw
