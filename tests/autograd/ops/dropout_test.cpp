// Dropout: which elements stay, how many, and that forward and backward agree on it.

#include "saw/autograd/ops/dropout.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Generator;
using saw::Tensor;
using saw::TensorList;

TEST_CASE("dropout: element i stays when word i of the stream reaches p·2³²") {
  // 5003 elements: several chunks of the kernel and a ragged end
  const Tensor x = saw::ones({5003});
  for (const double p : {0.1, 0.5, 0.9}) {
    Generator generator(0x123456789abcdef0, std::uint64_t{1} << 40);
    const std::vector<float> y = saw::dropout(x, p, generator).to_vector<float>();
    const saw::RandomStream stream(0x123456789abcdef0, std::uint64_t{1} << 40);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const bool kept = stream.block(i / 4)[i % 4] >= std::llround(p * 0x1p32);
      wrong += y[i] != (kept ? static_cast<float>(1.0 / (1.0 - p)) : 0.0F);
    }
    CHECK(wrong == 0);
    CHECK(generator.position() == (std::uint64_t{1} << 40) + 1);
  }
}

TEST_CASE("dropout: as many are dropped as asked for, and the mean stays") {
  Generator generator(9);
  const std::int64_t count = 1 << 18;
  const Tensor x = saw::ones({512, 512});
  const std::vector<float> y = saw::dropout(x, 0.3, generator).to_vector<float>();
  double zeros = 0, sum = 0;
  for (const float value : y) {
    zeros += value == 0;
    sum += static_cast<double>(value);
  }
  const double n = static_cast<double>(count);
  const double deviation = std::sqrt(0.3 * 0.7 / n);  // of the fraction that is dropped
  CHECK(std::fabs(zeros / n - 0.3) < 5 * deviation);
  CHECK(std::fabs(sum / n - 1.0) < 5 * deviation / 0.7);
}

TEST_CASE("dropout: the same with any number of threads and in float64, forward and backward") {
  saw::Generator numbers(2);
  const Tensor values = saw::randn({300, 333}, numbers);
  TensorList first;
  for (const int threads : {1, 2, 5}) {
    const test::Threads scope(threads);
    const Tensor x = values.clone();
    x.set_requires_grad(true);
    Generator generator(11);
    const Tensor y = saw::dropout(x, 0.4, generator);
    const Tensor gradient = saw::grad({y}, {x}, {.grad_outputs = {values}})[0];
    CHECK(test::same_bits(gradient, y.detach()));  // linear: the gradient of the same numbers is the same
    if (threads == 1) first = {y.detach(), gradient};
    CHECK(test::same_bits(TensorList{y.detach(), gradient}, first));
  }
  Generator generator(11);
  const Tensor wide = saw::dropout(values.to(saw::float64), 0.4, generator);
  CHECK(test::difference(first[0], wide, 1e-6) == "");
}

TEST_CASE("dropout: edges") {
  const Tensor bad = saw::tensor({std::numeric_limits<double>::infinity(), std::nan("")});
  Generator generator(1);
  CHECK(saw::dropout(bad, 1.0, generator).to_vector<float>() == std::vector<float>{0, 0});
  CHECK(saw::row_dropout(bad, 1.0, true, generator).to_vector<float>() == std::vector<float>{0, 0});
  const Tensor x = saw::randn({3, 4});
  CHECK(saw::dropout(x, 0.0, generator).is_same(x));
  CHECK_FALSE(
      test::same_bits(saw::dropout(saw::ones({64}), 0.5, generator), saw::dropout(saw::ones({64}), 0.5, generator)));
  saw::manual_seed(4);
  const Tensor once = saw::dropout(saw::ones({64}), 0.5);
  saw::manual_seed(4);
  CHECK(test::same_bits(once, saw::dropout(saw::ones({64}), 0.5)));
}

TEST_CASE("row_dropout: whole rows, rescaled or not") {
  const Tensor x = saw::ones({1000, 3});
  for (const bool rescale : {true, false}) {
    Generator generator(8);
    const std::vector<float> y = saw::row_dropout(x, 0.25, rescale, generator).to_vector<float>();
    const float kept = rescale ? static_cast<float>(1 / 0.75) : 1.0F;
    std::size_t dropped = 0, broken = 0;
    for (std::size_t row = 0; row < 1000; ++row) {
      const float value = y[3 * row];
      dropped += value == 0;
      broken += (value != 0 && value != kept) || y[3 * row + 1] != value || y[3 * row + 2] != value;
    }
    CHECK(broken == 0);
    CHECK(std::fabs(static_cast<double>(dropped) - 250) < 5 * std::sqrt(1000 * 0.25 * 0.75));
  }
}

}  // namespace
