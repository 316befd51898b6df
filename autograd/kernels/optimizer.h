#pragma once

// Optimizer updates of contiguous arrays, every array read and written once. An element's result depends only on its
// own values, not on where it lies, so an array may be cut anywhere. g' = gradient + l2 · parameter throughout. The
// optim room calls these across a library boundary, hence the visibility.

#include <cstdint>

namespace saw {
namespace [[gnu::visibility("default")]] kernels {

struct SGDCoefficients {
  double learning_rate;
  double l2;
  double momentum;
  double gradient_share;  ///< 1 − dampening, or 1 in the first step
  bool nesterov;
};
/// buffer ← momentum · buffer + gradient_share · g';  direction = nesterov ? g' + momentum · buffer : buffer;
/// parameter ← parameter − learning_rate · direction. Without a buffer (null) the direction is g'.
void sgd(const SGDCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* buffer);
void sgd(const SGDCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* buffer);

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
void adam(const AdamCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* mean,
          float* square, float* largest);
void adam(const AdamCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* mean,
          double* square, double* largest);

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
void rmsprop(const RMSpropCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* square,
             float* mean, float* buffer);
void rmsprop(const RMSpropCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* square,
             double* mean, double* buffer);

struct AdagradCoefficients {
  double learning_rate;
  double l2;
  double epsilon;
};
/// sum ← sum + g'²;  parameter ← parameter − learning_rate · g' / (√sum + epsilon).
void adagrad(const AdagradCoefficients& c, std::int64_t size, const float* gradient, float* parameter, float* sum);
void adagrad(const AdagradCoefficients& c, std::int64_t size, const double* gradient, double* parameter, double* sum);

}  // namespace kernels
}  // namespace saw
