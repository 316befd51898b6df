#include "saw/optim/clip.h"

#include <doctest/doctest.h>

#include "optim/golden.h"
#include "support/tensors.h"

namespace {

using namespace saw;
using namespace saw::optim;

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor leaf_with_gradient(const Tensor& gradient) {
  Tensor tensor = zeros_like(gradient);
  tensor.set_requires_grad(true);
  tensor.set_grad(gradient.clone());
  return tensor;
}

}  // namespace

TEST_SUITE("clipping") {
  TEST_CASE("clip_grad_norm follows PyTorch") {
    for (const char* name : {"optimizers", "optimizers_float32"}) {
      const StateDict file = test::golden(name);
      struct Case {
        const char* variant;
        double max_norm, norm_type;
      };
      for (const Case& c :
           {Case{"l2", 1.0, 2.0}, Case{"l1", 3.0, 1.0}, Case{"infinity", 0.5, infinity}, Case{"untouched", 1e6, 2.0}}) {
        CAPTURE(name);
        CAPTURE(c.variant);
        const std::string key = std::string("clip_grad_norm.") + c.variant;
        const TensorList parameters = test::initial_parameters(file);
        test::set_gradients(file, parameters, 6);
        const double expected = test::values(test::entry(file, key + ".total"))[0];
        // A sum of 17 numbers in the file's dtype, and the root; the clipped elements have two roundings more.
        const double relative = 17 * test::epsilon_of(parameters[0].dtype());
        CHECK(std::abs(clip_grad_norm(parameters, c.max_norm, c.norm_type) - expected) <= relative * expected);
        for (std::size_t i = 0; i < parameters.size(); ++i) {
          const Tensor clipped = test::entry(file, key + "." + std::to_string(i));
          double largest = 0;
          for (const double value : test::values(clipped)) largest = std::max(largest, std::abs(value));
          CHECK(test::largest_difference(parameters[i].grad(), clipped, largest * relative) <= 1.2);
        }
      }
    }
  }

  TEST_CASE("clip_grad_value follows PyTorch to the bit") {
    for (const char* name : {"optimizers", "optimizers_float32"}) {
      const StateDict file = test::golden(name);
      const TensorList parameters = test::initial_parameters(file);
      test::set_gradients(file, parameters, 6);
      clip_grad_value(parameters, 0.4);
      for (std::size_t i = 0; i < parameters.size(); ++i)
        CHECK(test::identical(parameters[i].grad(), test::entry(file, "clip_grad_value." + std::to_string(i))));
    }
  }

  TEST_CASE("any norm, over many chunks, with one thread as with two") {
    Generator generator(3);
    const Tensor large = randn({50, 997}, generator), small = randn({13}, generator, float64);
    for (const double p : {1.0, 2.0, 3.5, infinity}) {
      CAPTURE(p);
      double expected = 0;
      for (const Tensor& gradient : {large, small})
        for (const double value : test::values(gradient))
          expected = std::isinf(p) ? std::max(expected, std::abs(value)) : expected + std::pow(std::abs(value), p);
      if (!std::isinf(p)) expected = std::pow(expected, 1 / p);
      std::vector<double> norms;
      std::vector<std::vector<float>> clipped;
      for (const int threads : {1, 2}) {
        const test::Threads scope(threads);
        const TensorList parameters = {leaf_with_gradient(large), leaf_with_gradient(small)};
        norms.push_back(clip_grad_norm(parameters, 0.5, p));
        clipped.push_back(parameters[0].grad().to_vector<float>());
        // what is left has norm max_norm, but for the 1e-6 below the line and the rounding to float
        CHECK(clip_grad_norm(parameters, infinity, p) == doctest::Approx(0.5).epsilon(1e-5));
      }
      CHECK(norms[0] == doctest::Approx(expected).epsilon(1e-12));
      CHECK(norms[0] == norms[1]);
      CHECK(clipped[0] == clipped[1]);
    }
  }

  TEST_CASE("gradients of float32 whose squares float32 could not hold") {
    const Tensor parameter = leaf_with_gradient(tensor({3e30, 4e30}));
    CHECK(clip_grad_norm({parameter}, 1.0) == doctest::Approx(5e30).epsilon(1e-6));
    CHECK(parameter.grad().to_vector<float>()[1] == doctest::Approx(0.8));
  }

  TEST_CASE("what is not there is left out, and what is there twice counts once") {
    const Tensor a = leaf_with_gradient(tensor({3.0, 4.0}));
    Tensor without = ones({5});
    CHECK(clip_grad_norm({a, without, a}, 2.5) == doctest::Approx(5.0));
    CHECK(a.grad().to_vector<float>()[0] == doctest::Approx(1.5));
    without.set_requires_grad(true);
    CHECK(clip_grad_norm({without}, 1.0) == 0.0);
    CHECK(clip_grad_norm(TensorList{}, 1.0) == 0.0);
    clip_grad_value({without}, 1.0);
  }

  TEST_CASE("a gradient that is a view is clipped as well") {
    Tensor a = zeros({3, 2});
    a.set_requires_grad(true);
    a.set_grad(tensor({{3.0, 0.0, 0.0}, {4.0, 0.0, 0.0}}).transpose(0, 1));
    CHECK(clip_grad_norm({a}, 1.0) == doctest::Approx(5.0));
    CHECK(a.grad().to_vector<float>()[1] == doctest::Approx(0.8));
    a.set_grad(tensor({{3.0, 0.0, 0.0}, {4.0, 0.0, 0.0}}).transpose(0, 1));
    clip_grad_value({a}, 2.0);
    CHECK(a.grad().to_vector<float>() == std::vector<float>{2, 2, 0, 0, 0, 0});
  }

  TEST_CASE("norms that are not finite") {
    const double nan = std::nan("");
    const Tensor a = leaf_with_gradient(tensor({1.0, nan})), b = leaf_with_gradient(tensor({infinity, 2.0}));
    for (const double p : {1.0, 2.0, infinity}) {
      CHECK_THROWS_AS(clip_grad_norm({a}, 1.0, p, true), Error);
      CHECK_THROWS_AS(clip_grad_norm({b}, 1.0, p, true), Error);
    }
    CHECK(a.grad().to_vector<float>()[0] == 1.0F);  // left as they were
    CHECK(b.grad().to_vector<float>()[1] == 2.0F);
    CHECK(clip_grad_norm({b}, 1.0) == infinity);
    CHECK(b.grad().to_vector<float>()[1] == 0.0F);
    CHECK(std::isnan(clip_grad_norm({a}, 1.0)));
    CHECK(std::isnan(a.grad().to_vector<float>()[0]));
    const Tensor c = leaf_with_gradient(tensor({nan, 9.0}));
    clip_grad_value({c}, 1.0);
    CHECK(std::isnan(c.grad().to_vector<float>()[0]));
    CHECK(c.grad().to_vector<float>()[1] == 1.0F);
  }

  TEST_CASE("arguments out of range") {
    const Tensor a = leaf_with_gradient(ones({2}));
    CHECK_THROWS_WITH_AS(clip_grad_norm({a}, -1.0), "clip_grad_norm: max_norm must not be negative; got -1", Error);
    CHECK_THROWS_WITH_AS(clip_grad_norm({a}, 1.0, 0.0), "clip_grad_norm: norm_type must be positive; got 0", Error);
    CHECK_THROWS_AS(clip_grad_norm({a}, std::nan("")), Error);
    CHECK_THROWS_WITH_AS(clip_grad_value({a}, -1.0), "clip_grad_value: the limit must not be negative; got -1", Error);
  }
}
