// Tensors made from nothing, from numbers and from other people's memory.

#include "saw/autograd/ops/creation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

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
  CHECK(saw::arange(1, 4).to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2, 3});
  CHECK(saw::arange(1, 4).dtype() == saw::int64);
  CHECK(saw::arange(1.0, 4.0).dtype() == saw::float32);
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

TEST_CASE("creation: element types follow the C++ values") {
  CHECK(saw::tensor({1, 2}).dtype() == saw::int64);
  CHECK(saw::tensor({1.0, 2.0}).dtype() == saw::float32);
  CHECK(saw::tensor({1.0F}).dtype() == saw::float32);
  CHECK(saw::tensor({true, false}).dtype() == saw::boolean);
  CHECK(saw::tensor({true, false}).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(saw::tensor({1, 2.5}).to_vector<float>() == std::vector<float>{1, 2.5F});
  CHECK(saw::tensor({true, 7}).to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 7});
  CHECK(saw::tensor({}).dtype() == saw::float32);
  CHECK(saw::tensor({}).shape() == Shape{0});
  // Beyond 2^53 a double would lose the last bit.
  CHECK(saw::tensor({std::int64_t{9007199254740993}}).item<std::int64_t>() == 9007199254740993);
  CHECK(saw::tensor({1, 2}, saw::float64).dtype() == saw::float64);
  CHECK(saw::tensor({1.7, -2.7}, saw::int64).to_vector<int>() == std::vector<int>{1, -2});
  CHECK(throws(saw::ErrorKind::dtype, "number: too large for int64; got 18446744073709551615",
               [] { saw::tensor({std::numeric_limits<std::uint64_t>::max()}); }));
}

TEST_CASE("creation: braces nest to any rank") {
  CHECK(saw::tensor({{0}}).shape() == Shape{1, 1});
  CHECK(saw::tensor({{{0}}}).shape() == Shape{1, 1, 1});
  CHECK(saw::tensor({{1, 2}, {3, 4}}).shape() == Shape{2, 2});
  CHECK(saw::tensor({{1, 2}, {3, 4.5}}).dtype() == saw::float32);
  CHECK(saw::tensor({{}, {}}).shape() == Shape{2, 0});
  const Tensor x = saw::tensor({{{{0, 1}, {2, 3}}, {{4, 5}, {6, 7}}, {{8, 9}, {10, 11}}}});
  CHECK(x.shape() == Shape{1, 3, 2, 2});
  CHECK(test::same_bits(saw::reshape(x, {12}), saw::arange(12)));
  CHECK(throws(saw::ErrorKind::shape, "tensor: rows of different lengths; got 1 beside 2", [] {
    saw::tensor({{1, 2}, {3}});
  }));
  CHECK(throws(saw::ErrorKind::shape, "tensor: numbers beside lists", [] { saw::tensor({{1, 2}, 3}); }));
  CHECK(throws(saw::ErrorKind::shape, "tensor: lists of different depths", [] { saw::tensor({{{1}}, {2}}); }));
}

TEST_CASE("creation: from containers of any number type") {
  CHECK(saw::tensor(std::vector<float>{1}).dtype() == saw::float32);
  CHECK(saw::tensor(std::vector<double>{0.1}).dtype() == saw::float64);
  CHECK(saw::tensor(std::vector<double>{0.1}, saw::float32).to_vector<float>() == std::vector<float>{0.1F});
  CHECK(saw::tensor(std::vector<int>{-1, 2}).to_vector<std::int64_t>() == std::vector<std::int64_t>{-1, 2});
  CHECK(saw::tensor(std::vector<std::uint8_t>{200}).item<int>() == 200);
  CHECK(saw::tensor(std::vector<std::int16_t>{-200}).dtype() == saw::int64);
  CHECK(saw::tensor(std::vector<bool>{true, false}).dtype() == saw::boolean);
  CHECK(saw::tensor(std::vector<bool>{true, false}, {2, 1}).shape() == Shape{2, 1});
  const std::array<unsigned, 4> four{1, 2, 3, 4};
  CHECK(saw::tensor(four, {2, 2}).shape() == Shape{2, 2});
  CHECK(saw::tensor(std::span(four).subspan(1)).to_vector<int>() == std::vector<int>{2, 3, 4});
  CHECK(saw::tensor(std::span(four), {4, 1}, saw::float64).dtype() == saw::float64);
  CHECK(saw::tensor(std::vector<float>{}).shape() == Shape{0});
  CHECK(saw::tensor(std::vector{3}, {}).shape() == Shape{});
  CHECK(throws(saw::ErrorKind::shape, "tensor: the values do not fill the shape; got 4 values for (3,)",
               [&] { saw::tensor(four, {3}); }));
  CHECK(throws(saw::ErrorKind::dtype, "number: too large",
               [] { saw::tensor(std::vector<std::uint64_t>{std::uint64_t{1} << 63}); }));
}

TEST_CASE("creation: numbers come back as any type that holds them") {
  CHECK(saw::tensor({3}).item<int>() == 3);
  CHECK(saw::tensor({3.0}).item<std::int64_t>() == 3);
  CHECK(saw::tensor({true}).item<bool>());
  CHECK(saw::tensor({0.5}).item<double>() == 0.5);
  CHECK(std::isnan(saw::tensor({std::nan("")}).item<double>()));
  CHECK(saw::tensor({1, 0, 1}).to_vector<bool>() == std::vector<bool>{true, false, true});
  CHECK(saw::tensor({255, 0}).to_vector<unsigned char>() == std::vector<unsigned char>{255, 0});
  CHECK(throws(saw::ErrorKind::dtype, "item: an element does not fit the type that is asked for; got 0.5",
               [] { saw::tensor({0.5}).item<int>(); }));
  CHECK(throws(saw::ErrorKind::dtype,
               "to_vector: an element does not fit the type that is asked for; got 256 at "
               "position (1, 0)",
               [] {
                 saw::tensor({{1}, {256}}).to_vector<unsigned char>();
               }));
  CHECK(throws(saw::ErrorKind::dtype, "to_vector:", [] { saw::tensor({-1}).to_vector<unsigned>(); }));
  CHECK(throws(saw::ErrorKind::dtype, "to_vector:", [] { saw::tensor({2}).to_vector<bool>(); }));
  CHECK(throws(saw::ErrorKind::dtype, "item:", [] { saw::tensor({std::nan("")}).item<int>(); }));
  CHECK(throws(saw::ErrorKind::dtype, "item:", [] { saw::tensor({1e30}).item<std::int64_t>(); }));
  CHECK(throws(saw::ErrorKind::dtype, "item:", [] { saw::tensor(std::vector{0.1}).item<float>(); }));
  CHECK(throws(saw::ErrorKind::dtype, "item:", [] { saw::tensor({16777217}).item<float>(); }));
  CHECK(throws(saw::ErrorKind::dtype,
               "item:", [] { saw::tensor({std::numeric_limits<std::int64_t>::max()}).item<double>(); }));
  CHECK(throws(saw::ErrorKind::shape, "item:", [] { saw::tensor({1, 2}).item<int>(); }));
}

TEST_CASE("creation: integers in a row") {
  CHECK(saw::arange(5, 0, -2).to_vector<int>() == std::vector<int>{5, 3, 1});
  CHECK(saw::arange(3.0).dtype() == saw::float32);
  CHECK(saw::arange(0, 4, 1, saw::float64).dtype() == saw::float64);
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK(saw::arange(most - 2, most).to_vector<std::int64_t>() == std::vector<std::int64_t>{most - 2, most - 1});
  CHECK(saw::arange(-most, most, most).to_vector<std::int64_t>() == std::vector<std::int64_t>{-most, 0});
  CHECK(throws(saw::ErrorKind::argument, "arange: too many elements", [&] { saw::arange(0, most); }));
  CHECK(throws(saw::ErrorKind::argument, "arange:", [] { saw::arange(0, 5, -1); }));
}

TEST_CASE("creation: like another tensor") {
  const Tensor like = saw::zeros({2, 3}, saw::float64);
  for (const Tensor& x : {saw::rand_like(like), saw::randn_like(like), saw::empty_like(like), saw::ones_like(like)}) {
    CHECK(x.shape() == Shape{2, 3});
    CHECK(x.dtype() == saw::float64);
  }
  Generator a(3), b(3);
  CHECK(test::same_bits(saw::randn_like(like, a), saw::randn({2, 3}, b, saw::float64)));
  CHECK(test::same_bits(saw::rand_like(like, a, saw::float32), saw::rand({2, 3}, b)));
  CHECK(test::same_bits(saw::randint_like(like, -3, 9, a), saw::randint(-3, 9, {2, 3}, b).to(saw::float64)));
  CHECK(saw::zeros_like(like, saw::int64).dtype() == saw::int64);
  CHECK(saw::full_like(like, 2.0, saw::boolean).dtype() == saw::boolean);
  CHECK(
      throws(saw::ErrorKind::dtype, "randint_like:", [&] { saw::randint_like(saw::zeros({1}, saw::boolean), 0, 2); }));
  CHECK(throws(saw::ErrorKind::dtype, "rand:", [&] { saw::rand_like(saw::zeros({1}, saw::int64)); }));
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
  // Element 7777 of the normal numbers is the second of the pair that words 7776 and 7777 of the second stream make.
  const auto words = saw::RandomStream(17, 1).block(7777 / 4);
  const double radius = std::sqrt(-2 * std::log((words[0] + 1.0) * 0x1.0p-32));
  const double expected = radius * std::sin(2 * std::numbers::pi * words[1] * 0x1.0p-32);
  CHECK(std::fabs(static_cast<double>(once[1].to_vector<float>()[7777]) - expected) < 8 * 0x1.0p-24 * radius);
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
