// The handle to an array: making one, looking at it, and changing it in place.

#include "saw/autograd/tape/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/format.h"
#include "support/tensors.h"

namespace {

using saw::ErrorKind;
using saw::Shape;
using saw::Tensor;
using test::error_text;
using test::kind_of;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;

TEST_CASE("tensor: undefined") {
  const Tensor x;
  CHECK_FALSE(x.defined());
  CHECK(error_text([&] { x.shape(); }) == "tensor: used while undefined; expected a tensor with data");
  CHECK(error_text([&] { x.requires_grad(); }) == "tensor: used while undefined; expected a tensor with data");
  CHECK(kind_of([&] { x.item(); }) == ErrorKind::argument);
}

TEST_CASE("tensor: constants") {
  CHECK(saw::zeros({2, 2}).to_vector<float>() == Floats{0, 0, 0, 0});
  CHECK(saw::ones({3}, saw::int64).to_vector<std::int64_t>() == Integers{1, 1, 1});
  CHECK(saw::full({2}, 2.5, saw::float64).to_vector<double>() == Doubles{2.5, 2.5});
  CHECK(saw::ones({2}, saw::boolean).to_vector<bool>() == std::vector<bool>{true, true});
  CHECK(saw::scalar(3.0).rank() == 0);
  CHECK(saw::scalar(3.0).item() == 3.0);
  CHECK(saw::zeros({0, 3}).numel() == 0);
  CHECK(saw::zeros({0, 3}).to_vector<float>().empty());
  const Tensor like = saw::zeros({2, 1}, saw::float64);
  CHECK(saw::full_like(like, 4.0).shape() == Shape{2, 1});
  CHECK(saw::full_like(like, 4.0).dtype() == saw::float64);
  CHECK(saw::ones_like(like).to_vector<double>() == Doubles{1, 1});
  CHECK(saw::zeros_like(like.expand({2, 3})).is_contiguous());
  CHECK(saw::eye(2).to_vector<float>() == Floats{1, 0, 0, 1});
  CHECK(saw::eye(2, 3).to_vector<float>() == Floats{1, 0, 0, 0, 1, 0});
}

TEST_CASE("tensor: ranges") {
  CHECK(saw::arange(4).to_vector<std::int64_t>() == Integers{0, 1, 2, 3});
  CHECK(saw::arange(0).numel() == 0);
  CHECK(saw::arange(1, 2, 0.25, saw::float64).to_vector<double>() == Doubles{1, 1.25, 1.5, 1.75});
  CHECK(saw::arange(3, 0, -1).to_vector<std::int64_t>() == Integers{3, 2, 1});
  CHECK(kind_of([] { saw::arange(0, 1, 0); }) == ErrorKind::argument);
  CHECK(kind_of([] { saw::arange(0, 1, -1); }) == ErrorKind::argument);
  CHECK(saw::linspace(0, 1, 5, saw::float64).to_vector<double>() == Doubles{0, 0.25, 0.5, 0.75, 1});
  CHECK(saw::linspace(2, 3, 1).to_vector<float>() == Floats{2});
  CHECK(saw::linspace(-1, 0.1, 7, saw::float64).to_vector<double>().back() == 0.1);
}

TEST_CASE("tensor: copies of C++ values") {
  CHECK(saw::tensor(Floats{1, 2}).dtype() == saw::float32);
  CHECK(saw::tensor(Doubles{1, 2}).dtype() == saw::float64);
  CHECK(saw::tensor(Integers{1, 2}).dtype() == saw::int64);
  CHECK(saw::tensor(std::vector<bool>{true, false}).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(saw::tensor({1.5, 2.5}).to_vector<float>() == Floats{1.5f, 2.5f});
  const Tensor matrix = saw::tensor({{1, 2, 3}, {4, 5, 6}}, saw::float64);
  CHECK(matrix.shape() == Shape{2, 3});
  CHECK(matrix.select(0, 1).to_vector<double>() == Doubles{4, 5, 6});
  CHECK(saw::tensor(Doubles{1, 2, 3, 4}, {2, 2}).select(1, 0).to_vector<double>() == Doubles{1, 3});
  CHECK(kind_of([] { saw::tensor(Doubles{1, 2, 3}, {2, 2}); }) == ErrorKind::shape);
  CHECK(kind_of([] { saw::tensor({{1, 2}, {3}}); }) == ErrorKind::shape);
}

TEST_CASE("tensor: one_hot") {
  const Tensor encoded = saw::one_hot(saw::tensor(Integers{2, 0}), 3);
  CHECK(encoded.shape() == Shape{2, 3});
  CHECK(encoded.to_vector<float>() == Floats{0, 0, 1, 1, 0, 0});
  CHECK(kind_of([] { saw::one_hot(saw::tensor(Integers{3}), 3); }) == ErrorKind::index);
  CHECK(kind_of([] { saw::one_hot(saw::tensor(Integers{-1}), 3); }) == ErrorKind::index);
  CHECK(kind_of([] { saw::one_hot(saw::tensor({1.0}), 3); }) == ErrorKind::dtype);
}

TEST_CASE("tensor: random draws depend on seed and stream alone") {
  saw::Generator a(5), b(5), c(6);
  const Tensor first = saw::randn({100}, a);
  CHECK(test::same_bits(first, saw::randn({100}, b)));
  CHECK_FALSE(test::same_bits(first, saw::randn({100}, a)));
  CHECK_FALSE(test::same_bits(first, saw::randn({100}, c)));
  const Tensor order = saw::randperm(50, a);
  const auto positions = order.to_vector<std::int64_t>();
  CHECK(std::set<std::int64_t>(positions.begin(), positions.end()).size() == 50);
  const auto numbers = saw::randint(-2, 3, {1000}, a).to_vector<std::int64_t>();
  CHECK(std::set<std::int64_t>(numbers.begin(), numbers.end()) == std::set<std::int64_t>{-2, -1, 0, 1, 2});
  CHECK(kind_of([&] { saw::randint(3, 3, {1}, a); }) == ErrorKind::argument);
  for (const float value : saw::rand({1000}, a).to_vector<float>()) CHECK((value >= 0.0f && value < 1.0f));
}

TEST_CASE("tensor: borrowed memory is used as it is and released once, after the last view") {
  std::vector<float> memory{1, 2, 3, 4};
  int released = 0;
  {
    Tensor view;
    {
      const Tensor x = saw::from_borrowed(memory.data(), {2, 2}, saw::float32, [&] { ++released; });
      CHECK(x.data<float>() == memory.data());
      memory[3] = 40;
      CHECK(x.to_vector<float>() == Floats{1, 2, 3, 40});
      x.select(0, 0).fill_(7);
      view = x.transpose(0, 1);
    }
    CHECK(memory == Floats{7, 7, 3, 40});
    CHECK(view.to_vector<float>() == Floats{7, 3, 7, 40});
    CHECK(released == 0);
  }
  CHECK(released == 1);
  { const Tensor x = saw::from_borrowed(memory.data(), {4}, saw::float32); }
  CHECK(memory == Floats{7, 7, 3, 40});
}

TEST_CASE("tensor: sizes that no memory holds") {
  CHECK(kind_of([] { saw::zeros({-1, 2}); }) == ErrorKind::shape);
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max() / 2;
  CHECK(kind_of([=] { saw::zeros({huge, huge}); }) == ErrorKind::shape);
  CHECK(kind_of([=] { saw::zeros({4, huge}); }) == ErrorKind::shape);
  CHECK(saw::zeros({0, 1000000, 1000000}).numel() == 0);
}

TEST_CASE("tensor: item and data") {
  CHECK(saw::tensor({2.5}).item() == 2.5);
  CHECK(saw::ones({1, 1}, saw::boolean).item() == 1.0);
  CHECK(saw::arange(5).select(0, 3).item() == 3.0);
  CHECK(error_text([] {
          saw::zeros({2, 3}).item();
        }) == "item: needs exactly one element; got shape (2, 3); take sum(), mean() or select()");
  CHECK(kind_of([] { saw::zeros({0}).item(); }) == ErrorKind::shape);
  CHECK(error_text([] { saw::zeros({2}).data<double>(); }) ==
        "data: read as another dtype; got float64; expected float32");
  CHECK(kind_of([] { saw::full({2}, 0.5).to_vector<std::int64_t>(); }) == ErrorKind::dtype);
  const Tensor row = saw::tensor({{1.0, 2.0}, {3.0, 4.0}}).select(0, 1);
  CHECK(*row.data<float>() == 3.0f);  // the offset is included
}

TEST_CASE("tensor: size, strides, contiguity") {
  const Tensor x = saw::zeros({2, 3, 4});
  CHECK(x.strides() == Shape{12, 4, 1});
  CHECK(x.size(-1) == 4);
  CHECK(x.size(0) == 2);
  CHECK(kind_of([&] { x.size(3); }) == ErrorKind::argument);
  CHECK(x.is_contiguous());
  CHECK_FALSE(x.transpose(0, 1).is_contiguous());
  CHECK_FALSE(x.slice(2, 0, 2).is_contiguous());
  CHECK(x.slice(0, 1, 2).is_contiguous());
  CHECK(saw::zeros({1, 3}).transpose(0, 1).is_contiguous());
  CHECK(saw::zeros({0, 3}).transpose(0, 1).is_contiguous());
  CHECK_FALSE(saw::zeros({1}).expand({5}).is_contiguous());
}

TEST_CASE("tensor: to_vector reads any layout in row-major order") {
  const Tensor x = saw::arange(6.0).reshape({2, 3});
  CHECK(x.transpose(0, 1).to_vector<float>() == Floats{0, 3, 1, 4, 2, 5});
  CHECK(x.slice(1, 1, 3).to_vector<float>() == Floats{1, 2, 4, 5});
  CHECK(x.slice(1, 0, 3, 2).to_vector<float>() == Floats{0, 2, 3, 5});
  CHECK(x.slice(1, 0, 1).expand({2, 2}).to_vector<float>() == Floats{0, 0, 3, 3});
}

TEST_CASE("tensor: copy_ broadcasts, keeps to views, and minds overlaps") {
  const Tensor x = saw::zeros({2, 3});
  x.copy_(saw::tensor({1.0, 2.0, 3.0}));
  CHECK(x.to_vector<float>() == Floats{1, 2, 3, 1, 2, 3});
  x.transpose(0, 1).slice(0, 1, 3).copy_(saw::tensor({{10.0, 20.0}, {30.0, 40.0}}));
  CHECK(x.to_vector<float>() == Floats{1, 10, 30, 1, 20, 40});
  x.copy_(saw::scalar(5.0));
  CHECK(x.to_vector<float>() == Floats(6, 5));
  // Overlap: every element moves one place along.
  const Tensor line = saw::arange(6.0);
  line.slice(0, 1, 6).copy_(line.slice(0, 0, 5));
  CHECK(line.to_vector<float>() == Floats{0, 0, 1, 2, 3, 4});
  const Tensor square = saw::arange(4.0).reshape({2, 2});
  square.copy_(square.transpose(0, 1));
  CHECK(square.to_vector<float>() == Floats{0, 2, 1, 3});
  CHECK(kind_of([&] { x.copy_(saw::zeros({2, 2})); }) == ErrorKind::shape);
  CHECK(kind_of([&] { x.copy_(saw::zeros({4, 2, 3})); }) == ErrorKind::shape);
  CHECK(kind_of([&] { x.copy_(saw::zeros({2, 3}, saw::float64)); }) == ErrorKind::dtype);
}

TEST_CASE("tensor: add_ minds overlaps") {
  const std::int64_t count = 1000;
  Floats expected(count);
  for (std::int64_t i = 0; i < count; ++i) expected[static_cast<std::size_t>(i)] = static_cast<float>(2 * i - (i > 0));
  const Tensor x = saw::arange(count).to(saw::float32);
  x.slice(0, 1, count).add_(x.slice(0, 0, count - 1));
  CHECK(x.to_vector<float>() == expected);
  x.add_(x);
  CHECK(x.slice(0, 0, 3).to_vector<float>() == Floats{0, 2, 6});
}

TEST_CASE("tensor: an expanded tensor does not change in place") {
  const Tensor x = saw::zeros({1}), row = saw::tensor({1.0, 2.0, 3.0});
  CHECK(kind_of([&] { x.expand({3}).copy_(row); }) == ErrorKind::argument);
  CHECK(kind_of([&] { x.expand({3}).add_(row); }) == ErrorKind::argument);
  CHECK(kind_of([&] { x.expand({3}).mul_(2.0); }) == ErrorKind::argument);
  CHECK(kind_of([&] { x.expand({3}).fill_(2.0); }) == ErrorKind::argument);
  CHECK(x.item() == 0.0);
  x.expand({1}).fill_(3.0);
  CHECK(x.item() == 3.0);
}

TEST_CASE("tensor: a change in place that is refused is no change") {
  const Tensor x = saw::zeros({3});
  const std::uint64_t version = x.storage()->version();
  CHECK(kind_of([&] { x.copy_(saw::zeros({4})); }) == ErrorKind::shape);
  CHECK(kind_of([&] { x.copy_(saw::zeros({3}, saw::float64)); }) == ErrorKind::dtype);
  CHECK(kind_of([&] { x.mutable_data<double>(); }) == ErrorKind::dtype);
  CHECK(x.storage()->version() == version);
}

TEST_CASE("tensor: fill_, add_ and mul_ on views") {
  const Tensor x = saw::zeros({3, 3}, saw::float64);
  saw::diagonal(x).fill_(2.0);
  CHECK(x.to_vector<double>() == Doubles{2, 0, 0, 0, 2, 0, 0, 0, 2});
  x.select(1, 0).add_(saw::tensor({1, 1, 1}, saw::float64), 0.5);
  CHECK(x.to_vector<double>() == Doubles{2.5, 0, 0, 0.5, 2, 0, 0.5, 0, 2});
  x.select(1, 2).mul_(-3.0);
  CHECK(x.to_vector<double>() == Doubles{2.5, 0, 0, 0.5, 2, 0, 0.5, 0, -6});
  const Tensor integers = saw::arange(3);
  integers.fill_(4.0);
  CHECK(integers.to_vector<std::int64_t>() == Integers{4, 4, 4});
  x.add_(saw::ones({3}, saw::float64));  // a row, broadcast
  CHECK(x.select(0, 1).to_vector<double>() == Doubles{1.5, 3, 1});
  CHECK(kind_of([&] { x.add_(saw::ones({4}, saw::float64)); }) == ErrorKind::shape);
  CHECK(kind_of([&] { x.add_(saw::ones({3, 3})); }) == ErrorKind::dtype);
}

TEST_CASE("tensor: writing marks the storage, reading does not") {
  const Tensor x = saw::zeros({4});
  const auto version = x.storage()->version();
  x.data<float>();
  x.to_vector<float>();
  CHECK(x.storage()->version() == version);
  x.slice(0, 0, 1).fill_(1.0);
  CHECK(x.storage()->version() > version);
}

TEST_CASE("tensor: handles share, clones do not") {
  const Tensor x = saw::ones({2});
  const Tensor handle = x, copy = x.clone();
  x.fill_(3.0);
  CHECK(handle.to_vector<float>() == Floats{3, 3});
  CHECK(copy.to_vector<float>() == Floats{1, 1});
  CHECK(handle.is_same(x));
  CHECK_FALSE(copy.is_same(x));
  CHECK_FALSE(x.uniquely_owned());
  CHECK(copy.uniquely_owned());
  CHECK_FALSE(Tensor(copy).uniquely_owned());
}

TEST_CASE("tensor: conversions between dtypes") {
  const Tensor x = saw::tensor({-1.7, 0.0, 2.9}, saw::float64);
  CHECK(x.to(saw::int64).to_vector<std::int64_t>() == Integers{-1, 0, 2});
  CHECK(x.to(saw::boolean).to_vector<bool>() == std::vector<bool>{true, false, true});
  CHECK(x.to(saw::float32).to_vector<float>() == Floats{-1.7f, 0, 2.9f});
  CHECK(x.to(saw::boolean).to(saw::float32).to_vector<float>() == Floats{1, 0, 1});
}

TEST_CASE("tensor: printing") {
  CHECK(fmt::format("{}", Shape{2, 3}) == "(2, 3)");
  CHECK(fmt::format("{}", Shape{4}) == "(4,)");
  CHECK(fmt::format("{}", Shape{}) == "()");
  const std::string text = fmt::format("{}", saw::tensor({{1, 2}, {3, 4.5}}));
  INFO(text);
  CHECK(text.find("4.5") != std::string::npos);
  CHECK(text.find("(2, 2)") != std::string::npos);
  CHECK(text.find("float32") != std::string::npos);
  const std::string large = fmt::format("{}", saw::zeros({1000, 1000}));
  CHECK(large.size() < 4000);
  const bool shortened = large.find("...") != std::string::npos || large.find("…") != std::string::npos;
  CHECK(shortened);
  CHECK(fmt::format("{}", Tensor()).find("undefined") != std::string::npos);
  CHECK(fmt::format("{}", saw::zeros({0, 2})).find("(0, 2)") != std::string::npos);
}

}  // namespace
