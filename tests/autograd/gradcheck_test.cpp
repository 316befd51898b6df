// gradcheck itself: that it finds what is wrong, says where, and is not fooled.

#include "saw/autograd/gradcheck.h"

#include <doctest/doctest.h>

#include <cmath>

#include "saw/autograd/base/error.h"
#include "saw/autograd/custom_function.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using saw::TensorList;

Tensor input(std::initializer_list<double> values) { return saw::tensor(values, saw::float64).set_requires_grad(true); }

/// f with this gradient, right or wrong.
saw::TensorFunction with_gradient(std::function<Tensor(const Tensor&)> f, std::function<Tensor(const Tensor&)> slope) {
  return [=](const TensorList& in) {
    const saw::CustomFunction function{
        .name = "planted",
        .forward = [=](const TensorList& x) { return f(x[0]); },
        .backward = [=](const TensorList& x, const Tensor&, const Tensor& g) { return TensorList{g * slope(x[0])}; }};
    return TensorList{function(in)};
  };
}

TEST_CASE("gradcheck: right gradients pass, and the leaves stay as they were") {
  const Tensor x = input({0.5, -1.0, 2.0}), y = input({1.0, 2.0, 3.0});
  const auto f = [](const TensorList& in) { return TensorList{saw::tanh(in[0] * in[1]), saw::exp(in[0])}; };
  const auto first = saw::gradcheck(f, {x, y});
  CHECK_MESSAGE(first.ok, first.message);
  CHECK(static_cast<bool>(first));
  CHECK(first.message.empty());
  CHECK(first.worst < 0.01);
  const auto second = saw::gradgradcheck(f, {x, y});
  CHECK_MESSAGE(second.ok, second.message);
  CHECK_FALSE(x.grad().defined());
  CHECK(x.to_vector<double>() == std::vector<double>{0.5, -1.0, 2.0});
}

TEST_CASE("gradcheck: a slope that is off by one part in a thousand is found") {
  const auto wrong =
      with_gradient([](const Tensor& x) { return saw::sin(x); }, [](const Tensor& x) { return saw::cos(x) * 1.001; });
  const auto result = saw::gradcheck(wrong, {input({0.5, 1.0})}, {.name = "sine"});
  CHECK_FALSE(result.ok);
  CHECK(result.worst > 1.0);
  CHECK(result.message.find("sine: wrong gradient; input 0 of shape (2,), element (") == 0);
  CHECK(result.message.find("analytic ") != std::string::npos);
  CHECK(result.message.find("numeric ") != std::string::npos);
}

TEST_CASE("gradcheck: the worst element is named, among several inputs") {
  const auto f = [](const TensorList& in) {
    const saw::CustomFunction function{
        .name = "planted",
        .forward = [](const TensorList& x) { return x[0] * x[1]; },
        .backward =
            [](const TensorList& x, const Tensor&, const Tensor& g) {
              const Tensor factor = saw::tensor({{1, 1, 1}, {1, 1.5, 1.01}}, saw::float64);
              return TensorList{g * x[1], g * x[0] * factor};
            }};
    return TensorList{function(in)};
  };
  const Tensor a = saw::full({2, 3}, 2.0, saw::float64).set_requires_grad(true);
  const Tensor b = saw::full({2, 3}, 3.0, saw::float64).set_requires_grad(true);
  const auto result = saw::gradcheck(f, {a, b});
  CHECK_FALSE(result.ok);
  CHECK(result.message.find("input 1 of shape (2, 3), element (1, 1)") != std::string::npos);
}

TEST_CASE("gradcheck: mistakes that cancel in the sum of the outputs are found") {
  // The gradient of the sum is right: every column adds up to the same.
  const auto wrong = with_gradient(
      [](const Tensor& x) {
        return x * saw::tensor({1, 3}, saw::float64);
      },
      [](const Tensor&) {
        return saw::tensor({3, 1}, saw::float64);
      });
  CHECK_FALSE(saw::gradcheck(wrong, {input({0.5, 0.5})}).ok);
  const auto transposed = [](const TensorList& in) {
    const saw::CustomFunction function{
        .name = "planted",
        .forward = [](const TensorList& x) { return x[0].transpose(0, 1).clone(); },
        .backward = [](const TensorList&, const Tensor&, const Tensor& g) { return TensorList{g}; }};
    return TensorList{function(in)};
  };
  CHECK_FALSE(saw::gradcheck(transposed, {saw::eye(3, 3, saw::float64).set_requires_grad(true)}).ok);
}

TEST_CASE("gradcheck: a missing gradient and a gradient that should be 0") {
  const auto missing = [](const TensorList& in) { return TensorList{in[0] * in[1].detach()}; };
  const auto result = saw::gradcheck(missing, {input({1.0}), input({2.0})});
  CHECK_FALSE(result.ok);
  CHECK(result.message.find("input 1") != std::string::npos);
  const auto unused = [](const TensorList& in) { return TensorList{in[0] * 2.0}; };
  CHECK(saw::gradcheck(unused, {input({1.0}), input({2.0})}).ok);
  const auto nan =
      with_gradient([](const Tensor& x) { return x * 1.0; }, [](const Tensor& x) { return saw::log(x * 0.0 - 1.0); });
  CHECK_FALSE(saw::gradcheck(nan, {input({1.0})}).ok);
}

TEST_CASE("gradcheck: a function that is not deterministic is reported") {
  int calls = 0;
  const auto f = [&](const TensorList& in) { return TensorList{in[0] * static_cast<double>(++calls)}; };
  const auto result = saw::gradcheck(f, {input({1.0})}, {.name = "counter"});
  CHECK_FALSE(result.ok);
  CHECK(result.message.find("counter: not deterministic") == 0);
}

TEST_CASE("gradcheck: integer outputs and constant inputs are passed over") {
  const auto f = [](const TensorList& in) {
    const auto sorted = saw::sort(in[0] * in[1]);
    return TensorList{sorted.indices, sorted.values};
  };
  CHECK(saw::gradcheck(f, {input({3.0, 1.0}), saw::tensor({1.0, 2.0}, saw::float64)}).ok);
}

TEST_CASE("gradcheck: inputs keep the order of their axes in memory") {
  const Tensor x = saw::randn({3, 4}, saw::float64).transpose(0, 1);
  x.set_requires_grad(true);
  bool seen = true;
  const auto f = [&](const TensorList& in) {
    seen = seen && in[0].strides() == saw::Shape{1, 4};
    return TensorList{saw::tanh(in[0])};
  };
  CHECK(saw::gradcheck(f, {x}).ok);
  CHECK(seen);
}

TEST_CASE("gradcheck: mistakes of the caller") {
  const auto f = [](const TensorList& in) { return TensorList{in[0] * 2.0}; };
  CHECK(test::error_text([&] { saw::gradcheck(f, {saw::ones({2}).set_requires_grad(true)}); }) ==
        "gradcheck: needs float64 inputs, differences drown in float32; got float32 for input 0; convert with to()");
  CHECK(test::error_text([&] { saw::gradcheck(f, {saw::ones({2}, saw::float64)}); }) ==
        "gradcheck: no input requires a gradient; set_requires_grad(true) first");
  CHECK(test::error_text([&] { saw::gradgradcheck(f, {saw::ones({2}, saw::float64)}); }) ==
        "gradgradcheck: no input requires a gradient; set_requires_grad(true) first");
}

TEST_CASE("gradgradcheck: a right first derivative with a wrong second one is found") {
  const auto f = with_gradient([](const Tensor& x) { return saw::sin(x); },
                               [](const Tensor& x) { return saw::cos(x.detach()); });  // constant for create_graph
  const Tensor x = input({0.5, 1.0});
  CHECK(saw::gradcheck(f, {x}).ok);
  const auto result = saw::gradgradcheck(f, {x}, {.name = "sine"});
  CHECK_FALSE(result.ok);
  CHECK(result.message.find("sine (second order): wrong gradient") == 0);
}

}  // namespace
