#include "saw/autograd/ops/internal/sum_to_shape.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/reduce.h"

namespace saw {

Tensor sum_to_shape(const Tensor& x, const Shape& target) {
  if (x.shape() == target) return x;
  if (target.size() > x.rank())
    fail(ErrorKind::internal, "sum_to_shape: {} is not a broadcast of {}", x.shape(), target);
  const std::size_t extra = x.rank() - target.size();
  Axes axes;
  for (std::size_t a = 0; a < x.rank(); ++a) {
    if (a >= extra && target[a - extra] == x.shape()[a]) continue;
    if (a >= extra && target[a - extra] != 1)
      fail(ErrorKind::internal, "sum_to_shape: {} is not a broadcast of {}", x.shape(), target);
    axes.push_back(static_cast<std::int64_t>(a));
  }
  return sum(x, axes, true).reshape(target);
}

}  // namespace saw
