#include "saw/autograd/ops/quantile.h"

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/lines.h"
#include "saw/autograd/ops/sort.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo quantile_info{"quantile", "x in order at q·(n − 1)", true};

/// The quantiles in the place of the axis.
Tensor quantiles_along(const Tensor& x, const std::vector<double>& q, std::int64_t axis) {
  const std::size_t a = normalize_axis("quantile", axis, x.rank());
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "quantile: needs floating point elements; got {}; expected float32 or float64", x.dtype());
  if (x.shape()[a] == 0)
    fail(ErrorKind::shape, "quantile: the axis is empty; got shape {} and axis {}; expected at least one element",
         x.shape(), axis);
  std::vector<std::int64_t> lower, upper;
  std::vector<double> shares;
  for (const double part : q) {
    if (!(part >= 0 && part <= 1)) fail(ErrorKind::argument, "quantile: q must lie in [0, 1]; got {}", part);
    const double place = part * static_cast<double>(x.shape()[a] - 1), below = std::floor(place);
    lower.push_back(static_cast<std::int64_t>(below));
    upper.push_back(static_cast<std::int64_t>(std::ceil(place)));
    shares.push_back(place - below);
  }
  const auto along = static_cast<std::int64_t>(a), count = static_cast<std::int64_t>(q.size());
  Shape stretched = Shape::filled(x.rank(), 1);
  stretched[a] = count;
  Tensor y, below_places, above_places, share;
  {
    const NoGradGuard no_grad;
    const Sorted sorted = sort(x, along);
    const Tensor below = tensor(lower), above = tensor(upper);
    share = to(tensor(shares, stretched), x.dtype());
    const Tensor low = index_select(sorted.values, along, below), high = index_select(sorted.values, along, above);
    // Elements at the same place may be infinite: no difference of them is taken.
    y = where(equal(low, high), low, low + (high - low) * share);
    const Tensor last = sorted.values.slice(along, x.shape()[a] - 1, x.shape()[a]);
    y = where(not_equal(last, last), last, y);
    below_places = index_select(sorted.indices, along, below);
    above_places = index_select(sorted.indices, along, above);
  }
  return record(quantile_info, {x}, y, [&] {
    enum Saved : std::size_t { below, above, part };
    return Gradient::of_ops(
        {below_places, above_places, share}, [along, shape = x.shape()](const BackwardContext& context) -> TensorList {
          const Tensor dy = context.grad_output(), upward = dy * context.saved(part);
          const Tensor dx = scatter_add(zeros(shape, dy.dtype()), along, context.saved(below), dy - upward);
          return {scatter_add(dx, along, context.saved(above), upward)};
        });
  });
}

}  // namespace

Tensor quantile(const Tensor& x, double q, std::int64_t axis, bool keepdim) {
  if (is_number(x, axis)) return quantile(x.reshape({1}), q, 0);
  const Tensor y = quantiles_along(x, {q}, axis);
  return keepdim ? y : y.squeeze(axis);
}

Tensor quantile(const Tensor& x, const std::vector<double>& q, std::int64_t axis, bool keepdim) {
  if (is_number(x, axis)) return quantile(x.reshape({1}), q, 0);
  const Tensor y = quantiles_along(x, q, axis).unsqueeze(0);
  const auto a = static_cast<std::int64_t>(normalize_axis("quantile", axis, x.rank())) + 1;
  const Tensor first = y.transpose(0, a);
  return keepdim ? first : first.squeeze(a);
}

Tensor quantile(const Tensor& x, double q) { return quantile(x.reshape({-1}), q, 0); }
Tensor quantile(const Tensor& x, const std::vector<double>& q) { return quantile(x.reshape({-1}), q, 0); }

OpList quantile_ops() { return {&quantile_info}; }

}  // namespace saw
