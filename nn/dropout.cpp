#include "saw/nn/dropout.h"

#include "saw/autograd/ops/dropout.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {

Dropout::Dropout(double probability) : probability_(checked_probability("Dropout", "the probability", probability)) {}

Tensor Dropout::forward(const Tensor& x) const {
  const auto scope = enter(x);
  return scope.output(is_training() ? dropout(x, probability_) : x);
}

}  // namespace saw::nn
