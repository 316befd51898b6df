#include "samples/rearranged.h"

#include <algorithm>

#include "saw/autograd/base/internal/dispatch.h"

namespace samples {

using saw::Shape;
using saw::Tensor;

Shape unravel(std::int64_t element, const Shape& shape) {
  Shape index = shape;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = element % shape[axis];
    element /= shape[axis];
  }
  return index;
}

std::int64_t ravel(const Shape& index, const Shape& shape) {
  std::int64_t element = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) element = element * shape[axis] + index[axis];
  return element;
}

Tensor rearranged(const Tensor& x, const Shape& shape, const std::function<Shape(const Shape& index)>& source) {
  Tensor y = Tensor::empty(shape, x.dtype());
  saw::dispatch_all(x.dtype(), [&]<class T>() {
    const std::vector<T> values = x.to_vector<T>();
    T* out = y.mutable_data<T>();
    for (std::int64_t i = 0; i < shape.numel(); ++i) {
      const Shape from = source(unravel(i, shape));
      const bool outside = std::any_of(from.begin(), from.end(), [](std::int64_t position) { return position < 0; });
      out[i] = outside ? T{} : static_cast<T>(values[static_cast<std::size_t>(ravel(from, x.shape()))]);
    }
  });
  return y;
}

}  // namespace samples
