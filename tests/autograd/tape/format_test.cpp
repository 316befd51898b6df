// How tensors and segments print.

#include "saw/autograd/tape/format.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/tensor.h"

namespace {

using saw::Segments;
using saw::Tensor;
using saw::to_string;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST_CASE("format: floating numbers have four decimals and stand in columns") {
  CHECK(to_string(saw::tensor({{0.5, -1.25}, {10.0, 2.00004}})) ==
        "[[ 0.5000, -1.2500],\n"
        " [10.0000,  2.0000]]\n"
        "shape (2, 2), float32");
  CHECK(to_string(saw::tensor({1.5, 2.0}, saw::float64)) == "[1.5000, 2.0000]  shape (2,), float64");
}

TEST_CASE("format: whole numbers are written short") {
  CHECK(to_string(saw::tensor({1.0, -20.0, 0.0})) == "[  1., -20.,   0.]  shape (3,), float32");
  CHECK(to_string(saw::zeros({2})) == "[0., 0.]  shape (2,), float32");
}

TEST_CASE("format: very large and very small numbers are written with exponents") {
  CHECK(to_string(saw::tensor({1e-6, 2.0})) == "[1.0000e-06, 2.0000e+00]  shape (2,), float32");
  CHECK(to_string(saw::tensor({1.5e9, 1.0}, saw::float64)) == "[1.5000e+09, 1.0000e+00]  shape (2,), float64");
}

TEST_CASE("format: nan and infinities") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(to_string(saw::tensor({std::nan(""), inf, -inf, 0.25})) ==
        "[   nan,    inf,   -inf, 0.2500]  shape (4,), float32");
  CHECK(to_string(saw::tensor({std::nan(""), 3.0})) == "[nan,  3.]  shape (2,), float32");
}

TEST_CASE("format: integers and bools") {
  CHECK(to_string(saw::tensor({{1, -200}, {30, 4}}, saw::int64)) ==
        "[[   1, -200],\n [  30,    4]]\nshape (2, 2), int64");
  CHECK(to_string(saw::tensor(std::vector<bool>{true, false})) == "[ true, false]  shape (2,), bool");
}

TEST_CASE("format: scalars, empty and undefined tensors") {
  CHECK(to_string(saw::scalar(2.5)) == "2.5000  shape (), float32");
  CHECK(to_string(saw::scalar(7, saw::int64)) == "7  shape (), int64");
  CHECK(to_string(saw::zeros({0})) == "[]  shape (0,), float32");
  CHECK(to_string(saw::zeros({2, 0, 3})) == "[]  shape (2, 0, 3), float32");
  CHECK(to_string(Tensor()) == "undefined tensor");
}

TEST_CASE("format: matrices of a three-dimensional tensor are a blank line apart") {
  CHECK(to_string(saw::reshape(saw::arange(8), {2, 2, 2})) ==
        "[[[0, 1],\n"
        "  [2, 3]],\n"
        "\n"
        " [[4, 5],\n"
        "  [6, 7]]]\n"
        "shape (2, 2, 2), int64");
}

TEST_CASE("format: views print what they show, not what lies in memory") {
  const Tensor x = saw::reshape(saw::arange(6), {2, 3});
  CHECK(to_string(saw::transpose(x, 0, 1)) == "[[0, 3],\n [1, 4],\n [2, 5]]\nshape (3, 2), int64");
  CHECK(to_string(saw::select(x, 1, 2)) == "[2, 5]  shape (2,), int64");
  CHECK(to_string(saw::expand(saw::scalar(1, saw::int64), {3})) == "[1, 1, 1]  shape (3,), int64");
}

TEST_CASE("format: more than a thousand elements are shortened in the middle") {
  CHECK(to_string(saw::arange(1001)) == "[   0,    1,    2, ...,  998,  999, 1000]  shape (1001,), int64");
  const std::string all = to_string(saw::arange(1000));
  CHECK(all.find("...") == std::string::npos);
  CHECK(all.find("500") != std::string::npos);

  const std::string matrix = to_string(saw::reshape(saw::arange(10000), {100, 100}));
  CHECK(matrix ==
        "[[   0,    1,    2, ...,   97,   98,   99],\n"
        " [ 100,  101,  102, ...,  197,  198,  199],\n"
        " [ 200,  201,  202, ...,  297,  298,  299],\n"
        " ...,\n"
        " [9700, 9701, 9702, ..., 9797, 9798, 9799],\n"
        " [9800, 9801, 9802, ..., 9897, 9898, 9899],\n"
        " [9900, 9901, 9902, ..., 9997, 9998, 9999]]\n"
        "shape (100, 100), int64");

  // only long axes are shortened
  const std::string tall = to_string(saw::zeros({400, 3}));
  CHECK(count(tall, "[0., 0., 0.]") == 6);
  CHECK(count(tall, "...") == 1);
}

TEST_CASE("format: a large tensor prints without being copied or walked through") {
  // 2^45 elements by stride 0: anything that touched each of them would not come back
  const std::string text = to_string(saw::expand(saw::ones({1, 1}), {std::int64_t{1} << 22, std::int64_t{1} << 23}));
  CHECK(text.find("[1., 1., 1., ..., 1., 1., 1.]") != std::string::npos);
}

TEST_CASE("format: long rows are broken, and the next line stands under the first element") {
  const std::string text = to_string(saw::arange(60));
  std::istringstream lines(text);
  std::string line;
  std::size_t rows = 0;
  while (std::getline(lines, line)) {
    CHECK(line.size() <= 100);
    if (rows++ > 0 && line.rfind("shape", 0) != 0) {
      CHECK(line[0] == ' ');
      CHECK(line[1] != ' ');
    }
  }
  CHECK(rows == 4);  // 60 elements of width 4 on lines of 100, and the shape
}

TEST_CASE("format: the place on the tape is named") {
  const Tensor x = saw::ones({2, 2});
  x.set_requires_grad(true);
  CHECK(to_string(x) == "[[1., 1.],\n [1., 1.]]\nshape (2, 2), float32, requires_grad");
  CHECK(to_string(saw::matmul(x, x)) == "[[2., 2.],\n [2., 2.]]\nshape (2, 2), float32, from matmul");
  CHECK(to_string(saw::matmul(x, x).detach()) == "[[2., 2.],\n [2., 2.]]\nshape (2, 2), float32");
}

TEST_CASE("format: segments") {
  CHECK(to_string(Segments::from_lengths({3, 0, 5})) == "Segments(lengths 3, 0, 5; rows 8)");
  CHECK(to_string(Segments::from_lengths({0})) == "Segments(lengths 0; rows 0)");
  CHECK(to_string(Segments()) == "Segments(none; rows 0)");
  CHECK(to_string(Segments::from_lengths(std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})) ==
        "Segments(lengths 1, 2, 3, ..., 11, 12, 13; 13 segments; rows 91)");
}

TEST_CASE("format: streams and fmt show the same") {
  const Tensor x = saw::tensor({1.5});
  const Segments segments = Segments::from_lengths({2, 1});
  std::ostringstream stream;
  stream << x << '|' << segments << '|' << saw::Shape{2, 3} << '|' << saw::int64;
  CHECK(stream.str() == "[1.5000]  shape (1,), float32|Segments(lengths 2, 1; rows 3)|(2, 3)|int64");
  CHECK(fmt::format("{}|{}|{}|{}", x, segments, saw::Shape{2, 3}, saw::int64) == stream.str());
  CHECK(fmt::format("[{:>8}|{:<7}|{:2}]", saw::Shape{2, 3}, saw::int64, saw::Shape{4}) == "[  (2, 3)|int64  |(4,)]");
}

}  // namespace
