// Tensors made from nothing, from numbers and from other people's memory.

#include "saw/autograd/ops/creation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "support/tensors.h"

namespace {

using saw::Generator;
using saw::Shape;
using saw::Tensor;

bool throws(saw::ErrorKind kind, const std::string& text, const std::function<void()>& call) {
  return test::error_text(kind, call).starts_with(text);
}

TEST_CASE("creation: constants") {
  CHECK(saw::zeros({2, 2}).to_vector<float>() == std::vector<float>(4, 0.0F));
  CHECK(saw::ones({2}, saw::boolean).to_vector<bool>() == std::vector<bool>{true, true});
  CHECK(saw::full({3}, -2.7, saw::int64).to_vector<std::int64_t>() == std::vector<std::int64_t>(3, -2));
  CHECK(saw::full_like(saw::zeros({1, 2}, saw::float64), 0.1).to_vector<double>() == std::vector<double>{0.1, 0.1});
  CHECK(saw::scalar(3).shape() == Shape{});
  CHECK(saw::eye(2, 3).to_vector<float>() == std::vector<float>{1, 0, 0, 0, 1, 0});
  CHECK(saw::eye(2).shape() == Shape{2, 2});
  CHECK(saw::zeros({0, 5}).numel() == 0);
  CHECK(throws(saw::ErrorKind::argument, "eye:", [] { saw::eye(-1); }));
  CHECK(throws(saw::ErrorKind::shape, "tensor:", [] { saw::zeros({2, -1}); }));
}

TEST_CASE("creation: ranges") {
  CHECK(saw::arange(1, 4).to_vector<float>() == std::vector<float>{1, 2, 3});
  CHECK(saw::arange(3, 0, -1.5).to_vector<float>() == std::vector<float>{3, 1.5});
  CHECK(saw::arange(0, 10, 3, saw::int64).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 3, 6, 9});
  CHECK(saw::arange(2, 2).numel() == 0);
  CHECK(saw::arange(3).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 2});
  CHECK(saw::linspace(0, 1, 5).to_vector<float>() == std::vector<float>{0, 0.25F, 0.5F, 0.75F, 1});
  CHECK(saw::linspace(2, 9, 1).to_vector<float>() == std::vector<float>{2});
  const std::vector<double> ends = saw::linspace(-0.1, 0.3, 7, saw::float64).to_vector<double>();
  CHECK(ends.front() == -0.1);
  CHECK(ends.back() == 0.3);
  CHECK(throws(saw::ErrorKind::argument, "arange:", [] { saw::arange(0, 1, 0); }));
  CHECK(throws(saw::ErrorKind::argument, "arange:", [] { saw::arange(0, 1, -1); }));
  CHECK(throws(saw::ErrorKind::argument, "arange:", [] { saw::arange(0, std::nan(""), 1); }));
  CHECK(throws(saw::ErrorKind::argument, "arange:", [] { saw::arange(0, 1, 1e-300); }));
  CHECK(throws(saw::ErrorKind::argument, "linspace:", [] { saw::linspace(0, 1, -1); }));
}

TEST_CASE("creation: random numbers are a function of seed, stream and place") {
  const auto draw = [](int threads) {
    const test::Threads scope(threads);
    Generator generator(17);
    return saw::TensorList{saw::rand({9, 1111}, generator), saw::randn({9999}, generator),
                           saw::randint(-5, 6, {9999}, generator), saw::randperm(5000, generator)};
  };
  const saw::TensorList once = draw(1);
  CHECK(test::same_bits(once, draw(2)));
  CHECK(test::same_bits(once, draw(5)));
  const saw::RandomStream second(17, 1);
  CHECK(once[1].to_vector<float>()[7777] == static_cast<float>(second.normal(7777)));
  // A longer tensor begins like a shorter one.
  Generator generator(17);
  CHECK(test::same_bits(saw::rand({5}, generator), saw::contiguous(saw::slice(saw::reshape(once[0], {-1}), 0, 0, 5))));
  CHECK(generator.position() == 1);
}

TEST_CASE("creation: random numbers are distributed as said") {
  Generator generator(3);
  const std::size_t count = 100000;
  const double n = static_cast<double>(count);
  const std::vector<float> uniform = saw::rand({100000}, generator).to_vector<float>();
  CHECK(*std::min_element(uniform.begin(), uniform.end()) >= 0.0F);
  CHECK(*std::max_element(uniform.begin(), uniform.end()) < 1.0F);
  double mean = 0;
  for (const float value : uniform) mean += static_cast<double>(value) / n;
  CHECK(std::fabs(mean - 0.5) < 5 * std::sqrt(1.0 / 12 / n));

  const std::vector<double> normal = saw::randn({100000}, generator, saw::float64).to_vector<double>();
  double first = 0, square = 0, fourth = 0;
  for (const double value : normal) {
    first += value / n;
    square += value * value / n;
    fourth += value * value * value * value / n;
  }
  CHECK(std::fabs(first) < 5 / std::sqrt(n));
  CHECK(std::fabs(square - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::fabs(fourth - 3) < 5 * std::sqrt(96 / n));

  std::vector<std::int64_t> seen(7);
  for (const std::int64_t value : saw::randint(-3, 4, {70000}, generator).to_vector<std::int64_t>()) {
    REQUIRE(value >= -3);
    REQUIRE(value < 4);
    ++seen[static_cast<std::size_t>(value + 3)];
  }
  for (const std::int64_t times : seen)
    CHECK(std::fabs(static_cast<double>(times) - 10000) < 5 * std::sqrt(10000 * 6.0 / 7));

  std::vector<std::int64_t> order = saw::randperm(1000, generator).to_vector<std::int64_t>();
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);

  CHECK(throws(saw::ErrorKind::argument, "randint:", [] { saw::randint(3, 3, {1}); }));
  CHECK(throws(saw::ErrorKind::argument, "randperm:", [] { saw::randperm(-1); }));
  CHECK(throws(saw::ErrorKind::dtype, "rand:", [] { saw::rand({1}, saw::int64); }));
  CHECK(throws(saw::ErrorKind::dtype, "randn:", [] { saw::randn({1}, saw::boolean); }));
}

TEST_CASE("creation: one_hot") {
  const Tensor classes = saw::tensor({{2, 0}, {1, 1}}, saw::int64);
  const Tensor y = saw::one_hot(classes, 3);
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(y.to_vector<float>() == std::vector<float>{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0});
  CHECK(saw::one_hot(saw::transpose(classes, 0, 1), 3, saw::boolean).to_vector<bool>()[5] == false);
  CHECK(throws(saw::ErrorKind::index, "one_hot: index out of range; got 3 at position (1,); expected 0 … 2", [] {
    saw::one_hot(saw::tensor({0, 3}, saw::int64), 3);
  }));
  CHECK(throws(saw::ErrorKind::dtype, "one_hot:", [] { saw::one_hot(saw::tensor({0.0}), 3); }));
}

TEST_CASE("creation: from numbers") {
  CHECK(saw::tensor({{1, 2}, {3, 4}, {5, 6}}).shape() == Shape{3, 2});
  CHECK(saw::tensor(std::vector<std::int64_t>{4, 5}).dtype() == saw::int64);
  CHECK(saw::tensor(std::vector<double>{4, 5, 6, 7}, {2, 2}).strides() == Shape{2, 1});
  CHECK(throws(saw::ErrorKind::shape, "tensor: rows of different lengths", [] { saw::tensor({{1, 2}, {3, 4, 5}}); }));
  CHECK(throws(saw::ErrorKind::shape, "tensor: the values do not fill", [] {
    saw::tensor(std::vector<float>{1, 2}, {3});
  }));
}

TEST_CASE("creation: sizes whose product overflows are refused") {
  float number = 1;
  const saw::Shape huge{std::int64_t{1} << 40, std::int64_t{1} << 40};
  CHECK(test::error_text([&] { saw::from_borrowed(&number, huge, saw::float32); }) ==
        "from_borrowed: too many elements; got shape (1099511627776, 1099511627776)");
  CHECK(test::error_text([&] { saw::zeros(huge); }) ==
        "tensor: too many elements; got shape (1099511627776, 1099511627776)");
}

TEST_CASE("creation: borrowed memory is not copied and is released once, after its last view") {
  std::vector<float> memory{1, 2, 3, 4};
  int released = 0;
  {
    Tensor row;
    {
      const Tensor x = saw::from_borrowed(memory.data(), {2, 2}, saw::float32, [&] { ++released; });
      row = saw::select(x, 0, 1);
    }
    CHECK(released == 0);
    memory[2] = 30;
    CHECK(row.to_vector<float>() == std::vector<float>{30, 4});
    row.fill_(7);
    CHECK(memory == std::vector<float>{1, 2, 7, 7});
  }
  CHECK(released == 1);
  CHECK(saw::from_borrowed(nullptr, {0, 3}, saw::float32).numel() == 0);
  CHECK(throws(saw::ErrorKind::argument, "from_borrowed: the memory is null",
               [] { saw::from_borrowed(nullptr, {1}, saw::float32); }));
  CHECK(throws(saw::ErrorKind::argument, "from_borrowed: the memory is not aligned",
               [&] { saw::from_borrowed(reinterpret_cast<char*>(memory.data()) + 1, {1}, saw::float32); }));
  CHECK(
      throws(saw::ErrorKind::shape, "from_borrowed:", [&] { saw::from_borrowed(memory.data(), {-1}, saw::float32); }));
}

}  // namespace
