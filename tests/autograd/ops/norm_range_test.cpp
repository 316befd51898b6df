// Norms of numbers whose squares leave the range of float32.

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "saw/autograd/ops.h"
#include "support/golden.h"

using namespace saw;

namespace {

using Norm = std::function<Tensor(const Tensor& x, double epsilon)>;

/// A norm of x · scale is the norm of x wherever ε does not count, and its gradient that of x divided by the scale.
void check_scales(const std::string& name, const Norm& norm) {
  CAPTURE(name);
  Generator generator(3);
  const Tensor x = randn({6, 8}, generator), upstream = randn({6, 8}, generator);
  const auto values_and_gradient = [&](double scale, double epsilon) {
    const Tensor input = (x * scale).detach().set_requires_grad(true);
    const Tensor y = norm(input, epsilon);
    y.backward(upstream);
    return std::pair{y.detach(), to(input.grad(), float64) * scale};
  };
  const auto [values, gradient] = values_and_gradient(1.0, 0.0);
  for (const double scale : {1e10, 1e18, 1e20, 1e30, 1e-10, 1e-18, 1e-20, 1e-30}) {
    CAPTURE(scale);
    const auto [scaled_values, scaled_gradient] = values_and_gradient(scale, scale > 1 ? 1e-5 : 0.0);
    // A few dozen roundings of float32, of numbers of the size of 1.
    CHECK_EQ(test::difference(scaled_values, values, 1e-5, 1e-5), "");
    CHECK_EQ(test::difference(scaled_gradient, gradient, 2e-5, 2e-5), "");
  }
}

}  // namespace

TEST_CASE("norms of very large and very small numbers are those of ordinary ones") {
  check_scales("layer_norm", [](const Tensor& x, double epsilon) { return layer_norm(x, {}, {}, epsilon); });
  check_scales("rms_norm", [](const Tensor& x, double epsilon) { return rms_norm(x, {}, epsilon); });
  check_scales("batch_norm", [](const Tensor& x, double epsilon) { return batch_norm(x, {}, {}, epsilon); });
  check_scales("group_norm", [](const Tensor& x, double epsilon) {
    return group_norm(x, Segments::from_lengths({4, 2}), 2, {}, {}, epsilon);
  });
}

TEST_CASE("rows of ordinary size beside a very large one keep their layer norm") {
  Generator generator(4);
  const Tensor x = randn({3, 8}, generator), weight = randn({8}, generator), bias = randn({8}, generator);
  const Tensor expected = layer_norm(x, weight, bias);
  x.select(0, 1).copy_(x.select(0, 1) * 1e25);
  CHECK_EQ(test::difference(layer_norm(x, weight, bias), expected, 1e-4, 1e-4), "");
}
