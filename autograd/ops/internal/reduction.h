#pragma once

// For sources of autograd/, not for users: what a reduction over axes takes away and leaves.

#include <array>
#include <cstdint>

#include "saw/autograd/kernels/moments.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Which axes go, and the shapes of what stays.
struct ReductionPlan {
  std::array<bool, Shape::max_rank> reduced{};
  Shape kept;              // reduced axes have size 1
  Shape result;            // kept, or without the reduced axes
  std::int64_t count = 1;  // elements per result
};

/// An empty list of axes means all. Throws Error(argument) in the name of `op` for axes out of range or named twice.
ReductionPlan plan_reduction(const char* op, const Shape& shape, const Shape& axes, bool keepdim);

/// A tensor as contiguous memory (outer, size, inner) whose middle is all that is reduced; results are (outer, inner),
/// which is plan.result in row-major order.
struct ReductionLines {
  Tensor x;
  std::int64_t outer = 1, size = 1, inner = 1;
  Shape order;  // x's axes before they were permuted; empty where they were not
};

/// Copies only what is not contiguous, or whose reduced axes are no neighbours. Has no history.
ReductionLines reduction_lines(const Tensor& x, const ReductionPlan& plan);

/// A tensor that lies like lines.x, with its axes in the order they had.
Tensor original_order(const Tensor& lying, const ReductionLines& lines);

/// The gradient of x by kernels::spread; `centre` and `scale` have one double for each result.
Tensor spread_gradient(kernels::Slope slope, const ReductionLines& lines, const Tensor& centre, const Tensor& scale);

}  // namespace saw
