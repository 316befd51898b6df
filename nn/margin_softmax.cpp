#include "saw/nn/margin_softmax.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/loss.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

/// Rows of length 1; a row of zeros stays one.
Tensor unit_rows(const Tensor& x) {
  constexpr double smallest = 1e-24;  // of the squared length
  return x * rsqrt(clamp(sum(square(x), {1}, true), smallest, std::numeric_limits<double>::infinity()));
}

}  // namespace

MarginSoftmax::MarginSoftmax(const char* name, std::int64_t width, std::int64_t classes,
                             const MarginSoftmaxOptions& options, double largest_margin)
    : weight(param("weight",
                   {checked_positive(name, "the number of classes", classes), checked_positive(name, "width", width)},
                   init::xavier_uniform())),
      options_(options) {
  if (!(options.scale > 0.0 && std::isfinite(options.scale)))
    fail(ErrorKind::argument, "{}: scale must be positive; got {}", name, options.scale);
  if (!(options.margin >= 0.0 && options.margin <= largest_margin))
    fail(ErrorKind::argument, "{}: margin is out of range; got {}; expected 0 … {:.4g}", name, options.margin,
         largest_margin);
}

Tensor MarginSoftmax::cosines(const Tensor& x) const {
  if (x.rank() != 2 || x.size(1) != weight.size(1))
    fail(ErrorKind::shape, "MarginSoftmax: x does not fit; got {}; expected (N, {})", x.shape(), weight.size(1));
  return matmul(unit_rows(x), unit_rows(weight).transpose(0, 1));  // (N, classes)
}

Tensor MarginSoftmax::forward(const Tensor& x) const {
  const auto scope = enter(x);
  return scope.output(cosines(x) * options_.scale);
}

Tensor MarginSoftmax::loss(const Tensor& x, const Tensor& labels) const {
  const auto scope = enter(x);
  const Tensor cosine = cosines(x);
  if (labels.dtype() != int64 || labels.shape() != Shape{x.size(0)})
    fail(ErrorKind::shape, "MarginSoftmax: labels do not fit; got {} {}; expected int64 ({},)", labels.dtype(),
         labels.shape(), x.size(0));
  const Tensor column = labels.unsqueeze(1);     // (N, 1)
  const Tensor own = gather(cosine, 1, column);  // (N, 1); refuses labels that cross_entropy would leave out, too
  if (options_.margin == 0.0) return cross_entropy(cosine * options_.scale, labels);
  const Tensor handicap = with_margin(own) - own;  // (N, 1)
  return cross_entropy(scatter_add(cosine, 1, column, handicap) * options_.scale, labels);
}

AdditiveMarginSoftmax::AdditiveMarginSoftmax(std::int64_t width, std::int64_t classes,
                                             const MarginSoftmaxOptions& options)
    : MarginSoftmax("AdditiveMarginSoftmax", width, classes, options, 2.0) {}

Tensor AdditiveMarginSoftmax::with_margin(const Tensor& cosine) const { return cosine - options_.margin; }

AngularMarginSoftmax::AngularMarginSoftmax(std::int64_t width, std::int64_t classes,
                                           const MarginSoftmaxOptions& options)
    : MarginSoftmax("AngularMarginSoftmax", width, classes, options, std::numbers::pi / 2) {}

Tensor AngularMarginSoftmax::with_margin(const Tensor& cosine) const {
  const double m = options_.margin;
  // Rounding may carry a cosine past 1, and the sine's gradient is infinite at 0.
  constexpr double smallest = 1e-12;
  const Tensor sine = sqrt(clamp(1.0 - square(cosine), smallest, std::numeric_limits<double>::infinity()));
  const Tensor turned = cosine * std::cos(m) - sine * std::sin(m);  // cos(θ + m)
  return where(greater(cosine, -std::cos(m)), turned, cosine - m * std::sin(m));
}

}  // namespace saw::nn
