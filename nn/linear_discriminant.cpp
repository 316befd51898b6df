#include "saw/nn/linear_discriminant.h"

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {

LinearDiscriminant::LinearDiscriminant(std::int64_t width, std::int64_t classes)
    : centre_(buffer("centre", zeros({checked_positive("LinearDiscriminant", "width", width)}))),
      weight_(buffer("weight", zeros({checked_positive("LinearDiscriminant", "classes", classes), width}))),
      bias_(buffer("bias", zeros({classes}))) {}

Tensor LinearDiscriminant::forward(const Tensor& x) const {
  const auto scope = enter(x);
  return scope.output(log_softmax(linear(x - centre_, weight_, bias_), 1));
}

void LinearDiscriminant::fit(const Tensor& rows, const Tensor& labels) {
  const std::int64_t width = weight_.size(1), classes = weight_.size(0);
  if (rows.rank() != 2 || rows.size(1) != width || rows.size(0) < 1)
    fail(ErrorKind::shape, "LinearDiscriminant.fit: rows; got {}; expected (rows, {}), at least one", rows.shape(),
         width);
  if (labels.rank() != 1 || labels.size(0) != rows.size(0))
    fail(ErrorKind::shape, "LinearDiscriminant.fit: labels; got {}; expected ({}), one for each row", labels.shape(),
         rows.size(0));
  const NoGradGuard no_grad;
  const std::int64_t count = rows.size(0);
  const Tensor middle = mean(rows.to(float64), {0});
  const Tensor x = rows.to(float64) - middle;
  const Tensor of_class = one_hot(labels, classes, float64);                        // (B, classes)
  const Tensor sizes = clamp(sum(of_class, {0}), 1.0, static_cast<double>(count));  // (classes)
  const Tensor means = matmul(of_class.transpose(0, 1), x) / sizes.unsqueeze(1);    // (classes, width)
  const Tensor apart = x - matmul(of_class, means);                                 // (B, width)
  Tensor covariance = matmul(apart.transpose(0, 1), apart) / std::max(1.0, static_cast<double>(count - classes));
  covariance = covariance + covariance * eye(width, width, float64) * 1e-3 + eye(width, width, float64) * 1e-6;
  // S = L Lᵀ is positive definite, so that it needs no row exchanges.
  const Tensor lower = cholesky(covariance);
  const Tensor halfway = solve_triangular(lower, means.transpose(0, 1), false);
  const Tensor solved = solve_triangular(lower.transpose(0, 1), halfway, true).transpose(0, 1);  // (classes, width)
  Tensor(centre_).copy_(middle.to(centre_.dtype()));
  Tensor(weight_).copy_(solved.to(weight_.dtype()));
  Tensor(bias_).copy_((sum(solved * means, {1}) * -0.5).to(bias_.dtype()));
}

}  // namespace saw::nn
