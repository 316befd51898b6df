#include <cmath>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {

Tensor SampleMaker::normal(const Shape& shape) { return randn(shape, generator_, dtype_); }

Tensor SampleMaker::uniform(const Shape& shape, double low, double high) {
  return affine(rand(shape, generator_, dtype_), high - low, low);
}

Tensor SampleMaker::away_from(const Shape& shape, std::initializer_list<double> kinks, double margin) {
  auto values = randn(shape, generator_, float64).to_vector<double>();
  for (double& value : values)
    for (const double kink : kinks)
      if (std::abs(value - kink) < margin) value = kink + (value < kink ? -margin : margin);
  return to(tensor(values, shape), dtype_);
}

Tensor SampleMaker::distinct(const Shape& shape) {
  const Tensor order = to(randperm(shape.numel(), generator_), float64);
  return to(reshape(affine(order, 0.15, -0.15 * static_cast<double>(shape.numel()) / 2 + 0.03), shape), dtype_);
}

Tensor SampleMaker::integers(const Shape& shape, std::int64_t low, std::int64_t high) {
  return randint(low, high, shape, generator_);
}

Tensor SampleMaker::conditions(const Shape& shape) { return less(rand(shape, generator_, float32), 0.5); }

}  // namespace saw
