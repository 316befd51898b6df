// Strided copies against element-by-element ones, over random layouts.

#include "saw/autograd/kernels/copy.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "support/tensors.h"

namespace {

using saw::Shape;
using saw::Strides;

struct Layout {
  Strides strides;
  std::int64_t extent;  // elements of memory that the strides reach over
};

class Layouts {
 public:
  explicit Layouts(std::uint32_t seed) : engine_(seed) {}

  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint32_t>(limit));
  }

  Shape shape() {
    Shape result;
    for (std::int64_t rank = below(5); rank > 0; --rank)
      result.push_back(below(40) == 0 ? 0 : below(4) == 0 ? 1 : below(3) == 0 ? 1 + below(70) : 1 + below(9));
    return result;
  }

  /// The axes in a random order, with gaps here and there; with `repeats`, some axes have stride 0.
  Layout layout(const Shape& shape, bool repeats) {
    std::vector<std::size_t> order(shape.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
    Layout result{Shape::filled(shape.size(), 0), below(4) == 0 ? 2 : 1};
    for (const std::size_t axis : order) {
      if (repeats && below(4) == 0) continue;
      result.strides[axis] = result.extent;
      result.extent *= std::max<std::int64_t>(shape[axis], 1) + (below(5) == 0 ? 1 : 0);
    }
    return result;
  }

 private:
  std::mt19937 engine_;
};

template <class F>
void for_each_element(const Shape& shape, const Strides& from, const Strides& to, const F& f) {
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    std::int64_t rest = i, source = 0, target = 0;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      source += rest % shape[axis] * from[axis];
      target += rest % shape[axis] * to[axis];
      rest /= shape[axis];
    }
    f(static_cast<std::size_t>(source), static_cast<std::size_t>(target));
  }
}

template <class T>
void check_copies(std::uint32_t seed) {
  Layouts random(seed);
  for (int round = 0; round < 400; ++round) {
    const Shape shape = random.shape();
    const Layout from = random.layout(shape, true), to = random.layout(shape, false);
    std::vector<T> source(static_cast<std::size_t>(from.extent)), expected(static_cast<std::size_t>(to.extent), T{77});
    for (T& value : source) value = static_cast<T>(random.below(100));
    std::vector<T> copy = expected;
    for_each_element(shape, from.strides, to.strides, [&](std::size_t s, std::size_t t) { expected[t] = source[s]; });
    saw::strided_copy(saw::dtype_of<T>(), source.data(), from.strides, copy.data(), to.strides, shape);
    CAPTURE(saw::to_string(shape));
    CAPTURE(saw::to_string(from.strides));
    CAPTURE(saw::to_string(to.strides));
    CHECK(copy == expected);  // also nothing was written between the elements
  }
}

TEST_CASE("strided_copy: random layouts") {
  check_copies<float>(1);
  check_copies<double>(2);
  check_copies<std::int64_t>(3);
}

TEST_CASE("strided_copy: large transposes, with any number of threads") {
  for (const int count : {1, 3}) {
    const test::Threads scope(count);
    for (const auto& [rows, columns] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{513, 1030}, {3, 100003}, {100003, 5}}) {
      const Shape shape{rows, columns};
      std::vector<float> source(static_cast<std::size_t>(rows * columns)), copy(source.size());
      std::iota(source.begin(), source.end(), 0.0f);
      saw::strided_copy(saw::float32, source.data(), {1, rows}, copy.data(), {columns, 1}, shape);
      bool same = true;
      for_each_element(shape, {1, rows}, {columns, 1},
                       [&](std::size_t s, std::size_t t) { same = same && copy[t] == source[s]; });
      CHECK(same);
    }
  }
}

TEST_CASE("strided_convert: truncates, saturates, tests for zero") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> source = {1.9, -1.9, 0.0, 1e300, -infinity, std::numeric_limits<double>::quiet_NaN()};
  const Shape shape{6};
  std::vector<std::int64_t> integers(6);
  saw::strided_convert(saw::float64, source.data(), {1}, saw::int64, integers.data(), {1}, shape);
  CHECK(integers == std::vector<std::int64_t>{1, -1, 0, std::numeric_limits<std::int64_t>::max(),
                                              std::numeric_limits<std::int64_t>::min(), 0});
  bool conditions[6] = {};
  saw::strided_convert(saw::float64, source.data(), {1}, saw::boolean, conditions, {1}, shape);
  CHECK(std::vector<bool>(conditions, conditions + 6) == std::vector<bool>{true, true, false, true, true, true});
  std::vector<float> transposed(6);
  saw::strided_convert(saw::int64, integers.data(), {1, 3}, saw::float32, transposed.data(), {2, 1}, {3, 2});
  CHECK(transposed[0] == 1.0f);
  CHECK(transposed[1] == 9223372036854775807.0f);
  CHECK(transposed[2] == -1.0f);
}

}  // namespace
