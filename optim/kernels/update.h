#pragma once

// Optimizer updates of contiguous arrays of one dtype (float32 or float64), every array read and written once. An
// element's result depends only on its own values, not on where it lies, so an array may be cut anywhere.
// g' = gradient + l2 · parameter throughout.

#include <cstdint>

#include "saw/autograd/base/dtype.h"

namespace saw::optim::kernels {

struct SGDCoefficients {
  double learning_rate;
  double l2;
  double momentum;
  double gradient_share;  ///< 1 − dampening, or 1 in the first step
  bool nesterov;
};
/// buffer ← momentum · buffer + gradient_share · g';  direction = nesterov ? g' + momentum · buffer : buffer;
/// parameter ← parameter − learning_rate · direction. Without a buffer (null) the direction is g'.
void sgd(const SGDCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter, void* buffer);

struct AdamCoefficients {
  double l2;
  double decay;  ///< 1 − learning rate · weight decay for AdamW, 1 for Adam
  double one_minus_beta1;
  double beta2;
  double one_minus_beta2;
  double step_size;   ///< learning rate / (1 − beta1ᵗ)
  double root_scale;  ///< 1 / √(1 − beta2ᵗ)
  double epsilon;
};
/// mean ← mean + (1 − beta1)(g' − mean);  square ← beta2 · square + (1 − beta2) g'²;  largest ← max(largest, square);
/// parameter ← decay · parameter − step_size · mean / (root_scale · √square + epsilon). With `largest` (not null:
/// AMSGrad) it stands under the root in place of `square`.
void adam(const AdamCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter, void* mean,
          void* square, void* largest);

struct RMSpropCoefficients {
  double learning_rate;
  double l2;
  double alpha;
  double epsilon;
  double momentum;
};
/// square ← alpha · square + (1 − alpha) g'²;  mean ← mean + (1 − alpha)(g' − mean);
/// direction = g' / (√(square − mean²) + epsilon);  buffer ← momentum · buffer + direction;
/// parameter ← parameter − learning_rate · buffer. `mean` and `buffer` may be null: then they count as 0, and the
/// direction takes the buffer's place.
void rmsprop(const RMSpropCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
             void* square, void* mean, void* buffer);

struct AdagradCoefficients {
  double learning_rate;
  double l2;
  double epsilon;
};
/// sum ← sum + g'²;  parameter ← parameter − learning_rate · g' / (√sum + epsilon).
void adagrad(const AdagradCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter,
             void* sum);

struct LionCoefficients {
  double learning_rate;
  double decay;  ///< 1 − learning rate · weight decay
  double one_minus_beta1;
  double one_minus_beta2;
};
/// parameter ← decay · parameter − learning_rate · sign(mean + (1 − beta1)(gradient − mean));
/// mean ← mean + (1 − beta2)(gradient − mean). The sign of 0 is 0.
void lion(const LionCoefficients& c, DType dtype, std::int64_t size, const void* gradient, void* parameter, void* mean);

}  // namespace saw::optim::kernels
