// What elementwise ops promise at the points that samples avoid: ties, bounds, zeros, NaN, numbers beside tensors.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using Numbers = std::vector<double>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor leaf(std::initializer_list<double> values) { return saw::tensor(values, saw::float64).set_requires_grad(true); }

Numbers gradient(const Tensor& y, const Tensor& x, bool create_graph = false) {
  return saw::grad({y.sum()}, {x}, {.create_graph = create_graph})[0].to_vector<double>();
}

TEST_CASE("maximum and minimum share the gradient of ties, and keep NaN") {
  const Tensor a = leaf({1, 2, 3}), b = leaf({1, 3, 2});
  for (const bool recorded : {false, true}) {
    CHECK(gradient(saw::maximum(a, b), a, recorded) == Numbers{0.5, 0, 1});
    CHECK(gradient(saw::maximum(a, b), b, recorded) == Numbers{0.5, 1, 0});
    CHECK(gradient(saw::minimum(a, b), a, recorded) == Numbers{0.5, 1, 0});
    CHECK(gradient(saw::minimum(a, b), b, recorded) == Numbers{0.5, 0, 1});
  }
  for (const double x : (saw::maximum(leaf({nan, 1, nan}), leaf({1, nan, nan}))).to_vector<double>())
    CHECK(std::isnan(x));
}

TEST_CASE("pow at base 0 and exponent 0") {
  for (const bool recorded : {false, true}) {
    const Tensor base = leaf({0, 0, 2}), exponent = leaf({2, 0, 0});
    const Tensor y = saw::pow(base, exponent);
    CHECK(y.to_vector<double>() == Numbers{0, 1, 1});
    CHECK(gradient(saw::pow(base, exponent), base, recorded) == Numbers{0, 0, 0});
    const Numbers slope = gradient(saw::pow(base, exponent), exponent, recorded);
    CHECK(slope[0] == 0);
    CHECK(slope[1] == 0);
    CHECK(slope[2] == doctest::Approx(std::log(2)).epsilon(1e-14));
    CHECK(gradient(saw::pow(base, 0.0), base, recorded) == Numbers{0, 0, 0});
    CHECK(gradient(saw::pow(base, 1.0), base, recorded) == Numbers{1, 1, 1});
    CHECK(gradient(saw::pow(base, 2.0), base, recorded) == Numbers{0, 0, 4});
  }
}

TEST_CASE("gradients at kinks and bounds") {
  for (const bool recorded : {false, true}) {
    const Tensor x = leaf({-1, -0.5, 0, 1, 2});
    CHECK(gradient(saw::clamp(x, -0.5, 1), x, recorded) == Numbers{0, 1, 1, 1, 0});
    CHECK(gradient(saw::relu(x), x, recorded) == Numbers{0, 0, 0, 1, 1});
    CHECK(gradient(saw::abs(x), x, recorded) == Numbers{-1, -1, 0, 1, 1});
    CHECK(gradient(saw::leaky_relu(x, 0.25), x, recorded) == Numbers{0.25, 0.25, 0.25, 1, 1});
    CHECK(gradient(saw::floor(x), x, recorded) == Numbers{0, 0, 0, 0, 0});
    CHECK(gradient(saw::sign(x), x, recorded) == Numbers{0, 0, 0, 0, 0});
  }
}

TEST_CASE("NaN and infinity pass through unary ops") {
  for (const saw::DType dtype : {saw::float32, saw::float64}) {
    const Tensor x = saw::tensor({nan, infinity, -infinity}, dtype);
    const auto values = [](const Tensor& y) { return y.to(saw::float64).to_vector<double>(); };
    for (const Tensor& y : {saw::relu(x), saw::exp(x), saw::log(x), saw::tanh(x), saw::sigmoid(x), saw::erf(x),
                            saw::gelu(x), saw::silu(x), saw::softplus(x), saw::elu(x), saw::leaky_relu(x), saw::abs(x),
                            saw::sign(x), saw::clamp(x, -1, 1), saw::round(x), saw::sqrt(x), x + 1.0, x * 2.0})
      CHECK(std::isnan(values(y)[0]));
    CHECK(values(saw::relu(x))[1] == infinity);
    CHECK(values(saw::relu(x))[2] == 0);
    CHECK(values(saw::sigmoid(x))[1] == 1);
    CHECK(values(saw::sigmoid(x))[2] == 0);
    CHECK(values(saw::softplus(x))[1] == infinity);
    CHECK(values(saw::softplus(x))[2] == 0);
    CHECK(values(saw::clamp(x, -1, 1))[1] == 1);
  }
}

TEST_CASE("numbers beside tensors") {
  const Tensor x = saw::tensor({1.0, 5.0, 7.0, -0.0});
  const std::vector<float> seventh = (x / 7.0).to_vector<float>();
  CHECK(seventh[0] == 1.0f / 7.0f);  // a true division, not a product with 1/7
  CHECK(seventh[1] == 5.0f / 7.0f);
  CHECK(std::signbit((x * 2.0).to_vector<float>()[3]));
  CHECK((2.0 / x).to_vector<float>()[1] == 2.0f / 5.0f);
  CHECK((2.0 - x).to_vector<float>()[2] == -5.0f);
  const Tensor whole = saw::tensor(std::vector<std::int64_t>{1, 2, 3});
  CHECK((whole * 3.0 - 1.0).to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 5, 8});
  CHECK_THROWS_AS(whole + 0.5, saw::Error);
  CHECK_THROWS_AS(whole / 2.0, saw::Error);
  // A number is rounded to the elements' precision before it is compared; int64 is compared as it is.
  CHECK(saw::equal(saw::tensor({0.1}), 0.1).to_vector<bool>()[0]);
  CHECK(saw::less(whole, 2.5).to_vector<bool>() == std::vector<bool>{true, true, false});
}

TEST_CASE("all_close") {
  const Tensor x = saw::tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  CHECK(saw::all_close(x, x));
  CHECK(saw::all_close(x, x + 1e-6));
  CHECK_FALSE(saw::all_close(x, x + 1e-3));
  CHECK_FALSE(saw::all_close(x, x.transpose(0, 1)));
  CHECK(saw::all_close(x.transpose(0, 1), x.transpose(0, 1).clone()));
  const Tensor numbers = saw::tensor({nan}), large = saw::tensor({infinity});
  CHECK_FALSE(saw::all_close(numbers, numbers));
  CHECK(saw::all_close(large, large));
  CHECK_FALSE(saw::all_close(large, -large));
  CHECK_FALSE(saw::all_close(saw::tensor({1.0}), large));
  CHECK_THROWS_AS(saw::all_close(x, x.to(saw::float64)), saw::Error);
}

TEST_CASE("large elementwise ops: any layout, any number of threads, the same bits") {
  saw::Generator generator(3);
  const Tensor x = saw::randn({301, 517}, generator), row = saw::randn({517}, generator);
  const Tensor column = saw::randn({301, 1}, generator), turned = x.transpose(0, 1).clone().transpose(0, 1);
  std::vector<std::vector<float>> results;
  for (const int count : {1, 3}) {
    const test::Threads scope(count);
    for (const Tensor& a : {x, turned})
      results.push_back(
          saw::cat({saw::gelu(a) + row, a * column, saw::exp(a), saw::where(saw::greater(a, 0.0), a, column)})
              .to_vector<float>());
  }
  for (const std::vector<float>& result : results) CHECK(result == results[0]);
}

TEST_CASE("int64 elements at the ends of their range beside numbers") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  using Whole = std::vector<std::int64_t>;
  const Tensor ends = saw::tensor({most, least, std::int64_t{5}});
  CHECK(saw::clamp(ends, 0.0).to_vector<std::int64_t>() == Whole{most, 0, 5});
  CHECK(saw::clamp(ends, 0.0, infinity).to_vector<std::int64_t>() == Whole{most, 0, 5});
  CHECK(saw::clamp(ends, {}, 1e30).to_vector<std::int64_t>() == Whole{most, least, 5});
  CHECK(saw::clamp(ends, {}, -5e18).to_vector<std::int64_t>()[2] == -5000000000000000000);
  CHECK_FALSE(saw::equal(ends, 9223372036854775808.0).to_vector<bool>()[0]);
  CHECK(saw::less(ends, 9223372036854775808.0).to_vector<bool>() == std::vector<bool>{true, true, true});
  CHECK_FALSE(saw::equal(saw::tensor({std::int64_t{9007199254740993}}), 9007199254740992.0).item<bool>());
  CHECK_THROWS_AS(saw::masked_fill(ends, saw::tensor({true, false, true}), 1e30), saw::Error);
  CHECK_THROWS_AS(saw::affine(ends, 1.0, 9007199254740992.0), saw::Error);
}

TEST_CASE(
    "huber_loss without an end is half the square, smooth_l1_loss without a middle the distance, in every order") {
  const Tensor x = leaf({0.5, -3.0, 40.0}), t = saw::tensor({0.0, 0.0, 0.0}, saw::float64);
  for (const bool recorded : {false, true})
    CHECK(gradient(saw::huber_loss(x, t, infinity, saw::Reduction::sum), x, recorded) == Numbers{0.5, -3.0, 40.0});
  const Tensor q = saw::tensor({0.5f, -3.0f}), zero = saw::zeros({2});
  CHECK(saw::smooth_l1_loss(q, zero, 1e-40, saw::Reduction::none).to_vector<double>() == Numbers{0.5, 3.0});
}

TEST_CASE("multinomial: a weight too small to be normal is none") {
  CHECK_THROWS_AS(saw::multinomial(saw::tensor({1e-40f, 1.0f}), 2), saw::Error);
  CHECK_THROWS_AS(saw::multinomial(saw::tensor({1e-40f, 0.0f}), 1), saw::Error);
  CHECK(saw::multinomial(saw::tensor({1e-40f, 1.0f}), 1).item<int>() == 1);
  CHECK(saw::multinomial(saw::tensor({1e-40f, 1.0f}), 5, true).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{1, 1, 1, 1, 1});
}

}  // namespace
