#pragma once

#include <cstdint>

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Fisher's linear discriminant with one covariance for all classes (Fisher 1936), in closed form: with class means m_c
/// (around the mean of all rows) and the covariance S of the rows around them, w_c = S⁻¹ m_c and b_c = −½ m_cᵀ S⁻¹ m_c,
///
///   y = log softmax(W (x − centre) + b):  log p(class | row) if all classes are equally likely.
///
/// What it knows that a net learns late is which directions vary little within a class: there small differences count
/// much. A little variance is added (0.1 % and 1e-6), so that few rows make no direction certain. Its numbers are
/// buffers, `centre` (width), `weight` (classes, width), `bias` (classes), made by fit() and saved with the model;
/// before that all classes are equally likely.
///
///   discriminant.fit(statistics.forward(frames, utterances), speakers);     // once, before the training
class LinearDiscriminant : public Module {
 public:
  /// Throws Error(argument) for sizes below 1.
  LinearDiscriminant(std::int64_t width, std::int64_t classes);

  /// x (B, width) → (B, classes).
  Tensor forward(const Tensor& x) const;
  /// From rows x (B, width), floating, and their classes, labels (B) int64; computed in float64. Throws Error(shape),
  /// Error(dtype), Error(index) for a label that is no class; nothing changes then.
  void fit(const Tensor& x, const Tensor& labels);

 private:
  const Tensor& centre_;
  const Tensor& weight_;
  const Tensor& bias_;
};

}  // namespace nn
}  // namespace saw
