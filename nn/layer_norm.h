#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Options of LayerNorm; the defaults are PyTorch's.
struct LayerNormOptions {
  double epsilon = 1e-5;  ///< ε, added to the variance
  bool affine = true;     ///< weight and bias, or neither
  bool bias = true;       ///< false: weight alone
};

/// (x − mean) / √(var + ε) · weight + bias over the last axis (Ba et al. 2016); x (…, width) keeps its shape. The
/// variance is the biased one. Parameters `weight` (width), 1 at first, and `bias` (width), 0 at first.
class LayerNorm : public Module {
 public:
  using Options = LayerNormOptions;

  /// Throws Error(argument) for a width below 1 or a negative epsilon.
  explicit LayerNorm(std::int64_t width, const LayerNormOptions& options = {});

  Tensor forward(const Tensor& x) const;  ///< (…, width) → (…, width)

  const Tensor& weight;  ///< undefined without affine
  const Tensor& bias;    ///< undefined without affine or bias

 private:
  std::int64_t width_;
  double epsilon_;
};

/// Options of RMSNorm.
struct RMSNormOptions {
  double epsilon = 1e-6;  ///< ε, added to the mean square
  bool affine = true;     ///< the weight, or nothing learned
};

/// x / √(mean(x²) + ε) · weight over the last axis (Zhang & Sennrich 2019); x (…, width) keeps its shape. Parameter
/// `weight` (width), 1 at first.
class RMSNorm : public Module {
 public:
  using Options = RMSNormOptions;

  /// Throws Error(argument) for a width below 1 or a negative epsilon.
  explicit RMSNorm(std::int64_t width, const RMSNormOptions& options = {});

  Tensor forward(const Tensor& x) const;  ///< (…, width) → (…, width)

  const Tensor& weight;  ///< undefined without affine

 private:
  std::int64_t width_;
  double epsilon_;
};

}  // namespace nn
}  // namespace saw
