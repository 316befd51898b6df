#include "saw/autograd/base/shape.h"

#include <doctest/doctest.h>

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/error.h"
#include "support/tensors.h"

namespace {

using saw::Shape;
using test::error_text;

TEST_CASE("shape: a short list") {
  Shape shape{2, 3};
  CHECK(shape.size() == 2);
  CHECK(shape.back() == 3);
  CHECK(shape.numel() == 6);
  shape.push_back(4);
  CHECK(shape == Shape{2, 3, 4});
  shape.insert(0, 5);
  CHECK(shape == Shape{5, 2, 3, 4});
  shape.insert(2, 7);
  CHECK(shape == Shape{5, 2, 7, 3, 4});
  shape.erase(0);
  shape.erase(1);
  CHECK(shape == Shape{2, 3, 4});
  CHECK(shape != Shape{2, 3});
  CHECK(shape != Shape{2, 3, 5});
  CHECK(Shape{}.empty());
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{3, 0}.numel() == 0);
  CHECK(Shape(std::vector<std::int64_t>{1, 2}) == Shape{1, 2});
  CHECK(Shape::filled(3, 7) == Shape{7, 7, 7});
  CHECK(std::vector<std::int64_t>(shape.begin(), shape.end()) == std::vector<std::int64_t>{2, 3, 4});
}

TEST_CASE("shape: at most eight dimensions") {
  CHECK(Shape{1, 2, 3, 4, 5, 6, 7, 8}.size() == Shape::max_rank);
  CHECK(error_text([] {
          Shape({1, 2, 3, 4, 5, 6, 7, 8, 9});
        }) == "shape: too many dimensions; got 9; expected at most 8");
  CHECK(error_text([] { Shape::filled(8, 1).push_back(1); }) ==
        "shape: too many dimensions; got 9; expected at most 8");
  CHECK(error_text([] { Shape::filled(8, 1).insert(0, 1); }) ==
        "shape: too many dimensions; got 9; expected at most 8");
}

TEST_CASE("shape: erasing and adding again leaves no trace in comparisons") {
  Shape shape{2, 3, 9};
  shape.erase(2);
  CHECK(shape == Shape{2, 3});
  shape.push_back(0);
  CHECK(shape == Shape{2, 3, 0});
}

TEST_CASE("shape: strides") {
  CHECK(saw::contiguous_strides({2, 3, 4}) == Shape{12, 4, 1});
  CHECK(saw::contiguous_strides({}) == Shape{});
  CHECK(saw::contiguous_strides({5}) == Shape{1});
}

TEST_CASE("shape: broadcasting") {
  CHECK(saw::broadcast_shapes("op", {2, 3}, {2, 3}) == Shape{2, 3});
  CHECK(saw::broadcast_shapes("op", {2, 1}, {3}) == Shape{2, 3});
  CHECK(saw::broadcast_shapes("op", {3}, {2, 1}) == Shape{2, 3});
  CHECK(saw::broadcast_shapes("op", {}, {4, 5}) == Shape{4, 5});
  CHECK(saw::broadcast_shapes("op", {1}, {0}) == Shape{0});
  CHECK(saw::broadcast_shapes("op", {0, 1}, {1, 3}) == Shape{0, 3});
  CHECK(saw::broadcast_shapes("op", {7, 1, 5}, {6, 1}) == Shape{7, 6, 5});
  CHECK(error_text([] {
          saw::broadcast_shapes("add", {2, 3}, {4});
        }) ==
        "add: shapes do not broadcast; got (2, 3) and (4,); expected equal sizes, or 1, counted from the last axis");
  CHECK(error_text([] { saw::broadcast_shapes("add", {0}, {4}); }).find("add: shapes do not broadcast") == 0);
}

TEST_CASE("shape: axes") {
  CHECK(saw::normalize_axis("op", 0, 3) == 0);
  CHECK(saw::normalize_axis("op", -1, 3) == 2);
  CHECK(saw::normalize_axis("op", -3, 3) == 0);
  CHECK(error_text([] { saw::normalize_axis("softmax", 3, 3); }) ==
        "softmax: axis out of range; got 3 for 3 dimension(s); expected -3 … 2");
  CHECK(error_text([] { saw::normalize_axis("sum", -4, 3); }).find("sum: axis out of range; got -4") == 0);
}

TEST_CASE("shape: dtypes") {
  CHECK(std::string(saw::to_string(saw::float32)) == "float32");
  CHECK(std::string(saw::to_string(saw::boolean)) == "bool");
  CHECK(saw::size_of(saw::float32) == sizeof(float));
  CHECK(saw::size_of(saw::float64) == sizeof(double));
  CHECK(saw::size_of(saw::int64) == sizeof(std::int64_t));
  CHECK(saw::size_of(saw::boolean) == sizeof(bool));
  CHECK(saw::is_floating(saw::float64));
  CHECK_FALSE(saw::is_floating(saw::int64));
}

}  // namespace
