#include "saw/nn/sequential.h"

namespace saw::nn {

Tensor Sequential::forward(const Tensor& x) const {
  const auto scope = enter();
  Tensor result = x;
  for (const auto& step : steps_) result = step(result);
  return result;
}

}  // namespace saw::nn
