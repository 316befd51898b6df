// Margin softmax beside its formulas, written out.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/nn.h"
#include "support/golden.h"

using namespace saw;

namespace {

constexpr std::int64_t rows = 6, width = 5, classes = 4;

std::vector<double> cosines(const Tensor& x, const Tensor& weight) {
  const auto a = x.to(float64).to_vector<double>(), w = weight.to(float64).to_vector<double>();
  std::vector<double> result;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < classes; ++c) {
      double product = 0, of_x = 0, of_w = 0;
      for (std::size_t k = 0; k < width; ++k) {
        product += a[i * width + k] * w[c * width + k];
        of_x += a[i * width + k] * a[i * width + k];
        of_w += w[c * width + k] * w[c * width + k];
      }
      result.push_back(product / std::sqrt(of_x * of_w));
    }
  return result;
}

/// Mean cross-entropy of scale · cosine, where the own class has own(cosine) instead.
template <class Own>
double expected_loss(const Tensor& x, const Tensor& weight, const std::vector<std::int64_t>& labels, double scale,
                     Own own) {
  const std::vector<double> cosine = cosines(x, weight);
  double total = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    double sum = 0, target = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const bool is_own = static_cast<std::int64_t>(c) == labels[i];
      const double logit = scale * (is_own ? own(cosine[i * classes + c]) : cosine[i * classes + c]);
      sum += std::exp(logit);
      if (is_own) target = logit;
    }
    total += std::log(sum) - target;
  }
  return total / rows;
}

const std::vector<std::int64_t> labels = {0, 3, 1, 1, 2, 0};

}  // namespace

TEST_CASE("additive margin softmax is its formula") {
  const GeneratorGuard seeded(Generator(8));
  nn::AdditiveMarginSoftmax layer(width, classes, {.scale = 7.0, .margin = 0.35});
  layer.to(float64);
  const Tensor x = randn({rows, width}, float64);
  const double expected = expected_loss(x, layer.weight, labels, 7.0, [](double cosine) { return cosine - 0.35; });
  CHECK(layer.loss(x, tensor(labels)).item() == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("angular margin softmax turns the angle, and goes on falling beyond π − m") {
  const GeneratorGuard seeded(Generator(9));
  constexpr double m = 1.2;  // so large that some angles pass π − m
  nn::AngularMarginSoftmax layer(width, classes, {.scale = 5.0, .margin = m});
  layer.to(float64);
  Tensor x = randn({rows, width}, float64);
  x = cat({layer.weight.detach().slice(0, 0, 1) * -1.0, x.slice(0, 1, rows)}, 0);  // θ = π for the first row
  int beyond = 0;
  const double expected = expected_loss(x, layer.weight, labels, 5.0, [&](double cosine) {
    const double angle = std::acos(std::clamp(cosine, -1.0, 1.0));
    if (angle < std::numbers::pi - m) return std::cos(angle + m);
    ++beyond;
    return cosine - m * std::sin(m);
  });
  CHECK(beyond > 0);
  CHECK(layer.loss(x, tensor(labels)).item() == doctest::Approx(expected).epsilon(1e-9));
}

TEST_CASE("without a margin the loss is the cross-entropy of the scaled cosines, which is what inference sees") {
  const GeneratorGuard seeded(Generator(10));
  nn::AdditiveMarginSoftmax additive(width, classes, {.scale = 12.0, .margin = 0.0});
  nn::AngularMarginSoftmax angular(width, classes, {.scale = 12.0, .margin = 0.0});
  angular.load_state_dict(additive.state_dict());
  const Tensor x = randn({rows, width});
  const double expected = nn::cross_entropy(additive.forward(x), tensor(labels)).item();
  CHECK(additive.loss(x, tensor(labels)).item() == expected);
  CHECK(angular.loss(x, tensor(labels)).item() == expected);
  const std::vector<double> cosine = cosines(x, additive.weight);
  const auto scores = additive.forward(x).to_vector<float>();
  for (std::size_t i = 0; i < scores.size(); ++i)
    CHECK(static_cast<double>(scores[i]) == doctest::Approx(12.0 * cosine[i]).epsilon(1e-4));
}

TEST_CASE("margin softmax passes gradcheck, and a row of zeros does it no harm") {
  const GeneratorGuard seeded(Generator(11));
  nn::AdditiveMarginSoftmax additive(width, classes, {.scale = 6.0});
  nn::AngularMarginSoftmax angular(width, classes, {.scale = 6.0});
  for (nn::MarginSoftmax* layer :
       {static_cast<nn::MarginSoftmax*>(&additive), static_cast<nn::MarginSoftmax*>(&angular)}) {
    layer->to(float64);
    const Tensor x = randn({rows, width}, float64).set_requires_grad(true);
    CHECK(gradcheck([&](const TensorList& in) { return TensorList{layer->loss(in[0], tensor(labels))}; }, {x}));
    const Tensor silent = zeros({rows, width}, float64).set_requires_grad(true);
    layer->loss(silent, tensor(labels)).backward();
    CHECK(test::largest(silent.grad()) < 1e13);
    CHECK_FALSE(std::isnan(silent.grad().sum().item()));
  }
}

TEST_CASE("margin softmax refuses what does not fit") {
  CHECK_THROWS_AS(nn::AdditiveMarginSoftmax(width, classes, {.scale = 0.0}), Error);
  CHECK_THROWS_AS(nn::AdditiveMarginSoftmax(width, classes, {.margin = -0.1}), Error);
  CHECK_THROWS_AS(nn::AngularMarginSoftmax(width, classes, {.margin = 2.0}), Error);
  CHECK_THROWS_AS(nn::AdditiveMarginSoftmax(width, 0), Error);
  nn::AdditiveMarginSoftmax layer(width, classes);
  CHECK_THROWS_AS(layer.forward(zeros({rows, width + 1})), Error);
  CHECK_THROWS_AS(layer.loss(zeros({rows, width}), tensor(std::vector<std::int64_t>{1})), Error);
  for (const double margin : {0.0, 0.35})  // −100 is what cross_entropy leaves out
    for (const std::int64_t label : {std::int64_t{classes}, std::int64_t{-1}, std::int64_t{-100}}) {
      nn::AdditiveMarginSoftmax with(width, classes, {.margin = margin});
      CHECK_THROWS_AS(with.loss(ones({1, width}), tensor(std::vector{label})), Error);
    }
}
