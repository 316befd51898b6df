#include "saw/autograd/ops/statistics.h"

#include <doctest/doctest.h>

#include <cmath>

#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"

namespace {

using saw::Tensor;

/// value and the gradient's first element, for elements 1, 2, 3, 4 times `unit` in float32.
template <class F>
void check(double unit, const F& f, double value, double first_gradient) {
  const Tensor x = saw::tensor({1 * unit, 2 * unit, 3 * unit, 4 * unit}).set_requires_grad(true);
  const Tensor y = f(x);
  y.backward();
  constexpr double eps = 0x1.0p-23;
  CHECK(std::fabs(y.item() / value - 1) < 8 * eps);
  CHECK(std::fabs(static_cast<double>(x.grad().to_vector<float>()[0]) / first_gradient - 1) < 8 * eps);
}

}  // namespace

TEST_CASE("statistics: neither very large nor very small elements overflow or vanish on the way") {
  for (const double unit : {1e-25, 1.0, 1e25}) {
    CAPTURE(unit);
    const double deviation = std::sqrt(5.0 / 3), length = std::sqrt(30.0);
    check(
        unit, [](const Tensor& x) { return saw::stddev(x); }, deviation * unit, -1.5 / (3 * deviation));
    check(
        unit, [](const Tensor& x) { return saw::norm(x); }, length * unit, 1 / length);
    check(
        unit, [](const Tensor& x) { return saw::norm(x, 1.0); }, 10 * unit, 1.0);
    check(
        unit, [](const Tensor& x) { return saw::norm(x, 3.0); }, std::cbrt(100.0) * unit, std::pow(100.0, -2.0 / 3));
    check(
        unit, [](const Tensor& x) { return saw::mean(x); }, 2.5 * unit, 0.25);
  }
  const Tensor largest = saw::full({1000}, 3e38);
  CHECK(saw::mean(largest).item() == largest.to_vector<float>()[0]);
}
