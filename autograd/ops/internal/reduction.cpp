#include "saw/autograd/ops/internal/reduction.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"

namespace saw {

ReductionPlan plan_reduction(const char* op, const Shape& shape, const Shape& axes, bool keepdim) {
  ReductionPlan plan;
  if (axes.empty()) std::fill_n(plan.reduced.begin(), shape.size(), true);
  for (const std::int64_t axis : axes) {
    const std::size_t a = normalize_axis(op, axis, shape.size());
    if (plan.reduced[a])
      fail(ErrorKind::argument, "{}: axis {} is named twice; got axes {} for a tensor of {} dimensions", op, a, axes,
           shape.size());
    plan.reduced[a] = true;
  }
  plan.kept = shape;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (!plan.reduced[a]) {
      plan.result.push_back(shape[a]);
      continue;
    }
    plan.count *= shape[a];
    plan.kept[a] = 1;
    if (keepdim) plan.result.push_back(1);
  }
  return plan;
}

ReductionLines reduction_lines(const Tensor& x, const ReductionPlan& plan) {
  const NoGradGuard no_grad;
  ReductionLines lines;
  bool begun = false, neighbours = true;  // axes of size 1 lie anywhere
  for (std::size_t a = 0; a < x.rank(); ++a) {
    const std::int64_t size = x.shape()[a];
    if (size == 1) continue;
    if (plan.reduced[a]) {
      if (lines.inner != 1) neighbours = false;
      lines.size *= size;
      begun = true;
    } else {
      (begun ? lines.inner : lines.outer) *= size;
    }
  }
  if (neighbours) {
    lines.x = x.contiguous();
    return lines;
  }
  for (const bool reduced : {false, true})
    for (std::size_t a = 0; a < x.rank(); ++a)
      if (plan.reduced[a] == reduced) lines.order.push_back(static_cast<std::int64_t>(a));
  lines.x = x.permute(lines.order).contiguous();
  lines.outer *= lines.inner;
  lines.inner = 1;
  return lines;
}

Tensor original_order(const Tensor& lying, const ReductionLines& lines) {
  if (lines.order.empty()) return lying;
  Shape inverse = lines.order;
  for (std::size_t a = 0; a < inverse.size(); ++a)
    inverse[static_cast<std::size_t>(lines.order[a])] = static_cast<std::int64_t>(a);
  return lying.permute(inverse);
}

Tensor spread_gradient(kernels::Slope slope, const ReductionLines& lines, const Tensor& centre, const Tensor& scale) {
  const Tensor dx = Tensor::empty(lines.x.shape(), lines.x.dtype());
  dispatch_floating("spread", lines.x.dtype(), [&]<class T>() {
    kernels::spread(slope, lines.x.data<T>(), lines.outer, lines.size, lines.inner, centre.data<double>(),
                    scale.data<double>(), dx.mutable_data<T>());
  });
  return original_order(dx, lines);
}

}  // namespace saw
