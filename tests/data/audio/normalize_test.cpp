#include "saw/data/audio/normalize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/audio/mfcc.h"
#include "support/errors.h"
#include "support/golden.h"

using namespace saw;

namespace {

Tensor frames(std::int64_t rows, std::int64_t features, double offset = 0.0) {
  Generator generator(5);
  return randn({rows, features}, generator).add_(full({rows, features}, offset, float32));
}

}  // namespace

TEST_CASE("normalize: mean and deviation over time") {
  const Tensor x = tensor({{1.0, 10.0}, {2.0, 10.0}, {6.0, 40.0}});
  CHECK(test::difference(data::subtract_mean(x), tensor({{-2.0, -10.0}, {-1.0, -10.0}, {3.0, 20.0}}), 0.0, 1e-6) == "");
  const double a = std::sqrt(14.0 / 3.0), b = std::sqrt(200.0);
  CHECK(test::difference(data::standardize(x), tensor({{-2 / a, -10 / b}, {-1 / a, -10 / b}, {3 / a, 20 / b}}), 0.0,
                         1e-6) == "");
  const Tensor far = data::standardize(frames(500, 3, 1e4));  // a mean far larger than the deviation
  CHECK(std::abs(far.mean().item()) < 1e-6);
  double squares = 0.0;
  for (const float value : far.to_vector<float>()) squares += static_cast<double>(value) * value;
  CHECK(squares / 1500 == doctest::Approx(1.0).epsilon(1e-5));
}

TEST_CASE("normalize: what is constant becomes zero, NaN stays NaN in its column") {
  for (const double value : {0.0, 0.1, -20.723266, 1e30}) {
    CAPTURE(value);
    const Tensor x = full({77, 2}, value, float32);
    CHECK(test::largest(data::standardize(x)) == 0.0);
    CHECK(test::largest(data::subtract_mean(x)) <= std::abs(value) * 1e-15);
  }
  CHECK(test::largest(data::standardize(frames(1, 4))) == 0.0);
  CHECK(data::standardize(zeros({0, 4}, float32)).shape() == Shape{0, 4});
  std::vector<float> values{1.0F, 2.0F, 3.0F, std::numeric_limits<float>::quiet_NaN()};
  const Tensor x = data::standardize(tensor(values, {2, 2}));
  CHECK(x.select(0, 0).select(0, 0).item() == doctest::Approx(-1.0));
  CHECK(std::isnan(x.select(0, 0).select(0, 1).item()));
}

TEST_CASE("normalize: transposed views") {
  const Tensor x = frames(5, 7).transpose(0, 1);
  CHECK(test::difference(data::standardize(x), data::standardize(x.clone()), 0.0, 0.0) == "");
}

TEST_CASE("deltas: the slope of a line, with the ends repeated") {
  std::vector<float> line;
  for (int t = 0; t < 10; ++t) line.push_back(3.0F * static_cast<float>(t));
  const Tensor x = tensor(line, {10, 1});
  const Tensor slope = data::deltas(x);
  CHECK(test::difference(slope.slice(0, 2, 8), full({6, 1}, 3.0, float32), 0.0, 1e-6) == "");
  CHECK(slope.select(0, 0).item() == doctest::Approx(3.0 * (1.0 + 4.0) / 10.0));  // 1 (x_1 − x_0) + 2 (x_2 − x_0)
  CHECK(slope.select(0, 1).item() == doctest::Approx(3.0 * (2.0 + 6.0) / 10.0));  // 1 (x_2 − x_0) + 2 (x_3 − x_0)
  CHECK(slope.select(0, 9).item() == doctest::Approx(3.0 * (1.0 + 4.0) / 10.0));
  CHECK(test::difference(data::deltas(x, 1).slice(0, 1, 9), full({8, 1}, 3.0, float32), 0.0, 1e-6) == "");
  CHECK(test::largest(data::deltas(frames(1, 3), 5)) == 0.0);
  CHECK(data::with_deltas(frames(4, 3)).shape() == Shape{4, 9});
  CHECK(test::difference(data::with_deltas(x, 0), x, 0.0, 0.0) == "");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::deltas(x, 0); }) ==
        "deltas: the window is too small; got 0; expected at least 1");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::with_deltas(x, -1); }) ==
        "with_deltas: the order is too small; got -1; expected at least 0");
  CHECK(test::error_text(ErrorKind::shape, [] { data::deltas(zeros({3}, float32)); }) ==
        "deltas: frames have the wrong shape; got (3,); expected (frames, features)");
}

TEST_CASE("stack_frames: neighbours side by side, with the ends repeated") {
  const Tensor x = tensor({{1.0, 10.0}, {2.0, 20.0}, {3.0, 30.0}});
  CHECK(test::difference(data::stack_frames(x, 1, 1),
                         tensor({{1.0, 10.0, 1.0, 10.0, 2.0, 20.0},
                                 {1.0, 10.0, 2.0, 20.0, 3.0, 30.0},
                                 {2.0, 20.0, 3.0, 30.0, 3.0, 30.0}}),
                         0.0, 0.0) == "");
  CHECK(test::difference(data::stack_frames(x, 0, 1, 2), tensor({{1.0, 10.0, 2.0, 20.0}, {3.0, 30.0, 3.0, 30.0}}), 0.0,
                         0.0) == "");
  CHECK(test::difference(data::stack_frames(x, 0, 0), x, 0.0, 0.0) == "");
  CHECK(data::stack_frames(x, 5, 5, 7).shape() == Shape{1, 22});
  CHECK(test::error_text(ErrorKind::argument, [&] { data::stack_frames(x, 0, 0, 0); }) ==
        "stack_frames: the step is too small; got 0; expected at least 1");
}

TEST_CASE("mfcc: the transform is orthonormal") {
  Tensor identity = zeros({13, 13}, float32);
  for (std::int64_t i = 0; i < 13; ++i) identity.select(0, i).select(0, i).fill_(1.0);
  const std::vector<float> basis = data::dct(identity, 13).to_vector<float>();
  for (std::size_t a = 0; a < 13; ++a)
    for (std::size_t b = 0; b < 13; ++b) {
      double product = 0.0;
      for (std::size_t k = 0; k < 13; ++k) product += static_cast<double>(basis[a * 13 + k]) * basis[b * 13 + k];
      CHECK(product == doctest::Approx(a == b ? 1.0 : 0.0).epsilon(1e-6));
    }
  // A constant has a first coefficient only.
  const Tensor constant = data::dct(full({1, 16}, 0.5, float32), 16);
  CHECK(test::difference(constant.slice(1, 0, 1), full({1, 1}, 2.0, float32), 1e-6, 0.0) == "");
  CHECK(test::largest(constant.slice(1, 1, 16)) < 1e-6);
}

TEST_CASE("mfcc: decibels, lifter and wrong arguments") {
  const Tensor x = tensor({{0.0, std::log(10.0)}, {std::log(1e-20), std::log(1e-3)}});
  CHECK(test::difference(data::decibels(x, 0.0), tensor({{0.0, 10.0}, {-200.0, -30.0}}), 0.0, 1e-4) == "");
  CHECK(test::difference(data::decibels(x, 80.0), tensor({{0.0, 10.0}, {-70.0, -30.0}}), 0.0, 1e-4) == "");
  CHECK(data::decibels(zeros({0, 3}, float32)).shape() == Shape{0, 3});
  const Tensor lifted = data::lifter(ones({1, 12}, float32), 22.0);
  CHECK(lifted.select(1, 0).item() == 1.0);
  CHECK(lifted.select(1, 11).item() == doctest::Approx(12.0));
  CHECK(test::error_text(ErrorKind::argument, [&] { data::lifter(x, 0.0); }) ==
        "lifter: q is out of range; got 0; expected more than 0");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::dct(x, 3); }) ==
        "dct: the number of coefficients is out of range; got 3; expected 1 to 2");
  CHECK(test::error_text(ErrorKind::argument, [&] { data::decibels(x, -1.0); }) ==
        "decibels: the range is negative; got -1");
}
