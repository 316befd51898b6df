// Initialisers, and the defaults of each layer beside PyTorch's (tests/golden/init.json).

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/nn/nn.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/golden.h"

using namespace saw;

namespace {

struct Moments {
  double mean = 0.0;
  double deviation = 0.0;
  double largest = 0.0;
  double count = 0.0;
};

Moments moments(const Tensor& tensor) {
  Moments result;
  const std::vector<double> values = tensor.detach().to(float64).to_vector<double>();
  result.count = static_cast<double>(values.size());
  for (const double value : values) {
    result.mean += value / result.count;
    result.largest = std::max(result.largest, std::abs(value));
  }
  for (const double value : values) result.deviation += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(result.deviation / result.count);
  return result;
}

// Six standard errors: for numbers as the test says they are, one check in 10^9 fails; the seed is fixed all the same.
constexpr double errors = 6.0;

void check_normal(const Tensor& tensor, double deviation) {
  const Moments m = moments(tensor);
  CHECK(std::abs(m.mean) < errors * deviation / std::sqrt(m.count));
  CHECK(std::abs(m.deviation - deviation) < errors * deviation / std::sqrt(2.0 * m.count));
  CHECK(m.largest > 2.0 * deviation);  // no uniform of this deviation reaches there
}

void check_uniform(const Tensor& tensor, double bound) {
  const Moments m = moments(tensor);
  const double deviation = bound / std::sqrt(3.0);
  CHECK(m.largest <= bound * (1.0 + 1e-6));
  // the largest of n falls short of the bound by bound/n on average, and by more than 20 times that with probability
  // e^−20
  CHECK(m.largest > bound * (1.0 - 20.0 / m.count));
  CHECK(std::abs(m.mean) < errors * deviation / std::sqrt(m.count));
  // the variance of x² is 4/45 of bound⁴
  CHECK(std::abs(m.deviation * m.deviation - deviation * deviation) <
        errors * bound * bound * std::sqrt(4.0 / 45.0 / m.count) * 1.1);
}

void check_constant(const Tensor& tensor, double value) {
  for (const double element : tensor.detach().to(float64).to_vector<double>()) CHECK(element == value);
}

}  // namespace

TEST_CASE("truncated normal numbers have their distribution and keep to their bounds") {
  const GeneratorGuard seeded(Generator(12));
  struct Case {
    double mean, deviation, low, high;
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const Case& c : {Case{0, 1, -2, 2}, Case{0, 0.02, -2, 2}, Case{1, 2, -1, 1.5}, Case{0, 1, 3, 5},
                        Case{0, 1, -9, -7.5}, Case{2, 3, -infinity, 1}, Case{0, 1, 0, infinity}}) {
    CAPTURE(c.low);
    for (const DType dtype : {float32, float64}) {
      const Tensor numbers = Tensor::empty({100, 100}, dtype);
      nn::init::truncated_normal(numbers, c.mean, c.deviation, c.low, c.high);
      std::vector<double> sorted = numbers.to(float64).to_vector<double>();
      std::sort(sorted.begin(), sorted.end());
      CHECK(sorted.front() >= c.low);
      CHECK(sorted.back() <= c.high);
      // Kolmogorov and Smirnov: the largest distance between the two distribution functions passes 2.6/√n with
      // probability 2·exp(−2·2.6²), about 3·10⁻⁶. The probability above is used on the right, where it has its digits.
      const double side = c.low > c.mean ? -1.0 : 1.0;
      const auto below = [&](double x) { return 0.5 * std::erfc(-side * (x - c.mean) / c.deviation / std::sqrt(2.0)); };
      const double first = below(c.low), all = below(c.high) - first;
      const auto n = static_cast<double>(sorted.size());
      double distance = 0.0;
      for (std::size_t i = 0; i < sorted.size(); ++i)
        distance = std::max(distance, std::abs((below(sorted[i]) - first) / all - (static_cast<double>(i) + 0.5) / n));
      CHECK(distance < 2.6 / std::sqrt(n));
    }
  }
  const Tensor same = Tensor::empty({3}, float32);
  nn::init::truncated_normal(same, 0.0, 1.0, 0.5, 0.5);
  check_constant(same, 0.5);
  nn::Linear layer(4, 4);
  nn::init::truncated_normal(0.0, 0.02)(layer.weight);
  CHECK(layer.weight.requires_grad());

  CHECK_THROWS_WITH_AS(nn::init::truncated_normal(same, 0, 1, 2, 1),
                       "truncated_normal: an empty range; got 2 to 1; expected low ≤ high", Error);
  CHECK_THROWS_WITH_AS(nn::init::truncated_normal(same, 0, 0),
                       "truncated_normal: the standard deviation must be positive; got 0", Error);
  CHECK_THROWS_WITH_AS(nn::init::truncated_normal(same, 0, 1, 50, 60),
                       "truncated_normal: nothing lies between the bounds; got 50 to 60 for mean 0 and standard "
                       "deviation 1",
                       Error);
}

TEST_CASE("default initialisation equals PyTorch's") {
  const GeneratorGuard seeded(Generator(11));
  const auto golden = nlohmann::json::parse(test::read_file(test::directory() / "golden" / "init.json"));
  std::map<std::string, std::unique_ptr<nn::Module>> layers;
  layers["Linear(300, 200)"] = std::make_unique<nn::Linear>(300, 200);
  layers["Conv1d(64, 96, 5)"] = std::make_unique<nn::Conv1d>(64, 96, 5);
  layers["Conv1d(400, 400, 9, groups=400)"] = std::make_unique<nn::DepthwiseConv1d>(400, 9);
  layers["BatchNorm1d(100)"] = std::make_unique<nn::BatchNorm1d>(100);
  layers["GroupNorm(4, 100)"] = std::make_unique<nn::GroupNorm>(4, 100);
  layers["Embedding(400, 100)"] = std::make_unique<nn::Embedding>(400, 100);
  layers["LayerNorm(100)"] = std::make_unique<nn::LayerNorm>(100);
  layers["RMSNorm(100)"] = std::make_unique<nn::RMSNorm>(100);
  layers["MultiheadAttention(120, 4)"] = std::make_unique<nn::MultiHeadAttention>(120, 4);
  layers["MultiheadAttention(120, 4, kdim=80, vdim=60)"] = std::make_unique<nn::MultiHeadAttention>(
      120, 4, nn::MultiHeadAttentionOptions{.key_width = 80, .value_width = 60});

  REQUIRE(golden["layers"].size() == layers.size());
  for (const auto& layer_entry : golden["layers"].items()) {
    const std::string& layer = layer_entry.key();  // clang 14 captures no structured bindings
    const auto& parameters = layer_entry.value();
    CAPTURE(layer);
    REQUIRE(layers.count(layer) == 1);
    const StateDict named = layers[layer]->named_parameters();
    CHECK(named.size() == parameters.size());
    for (const auto& parameter : parameters.items()) {
      const std::string& name = parameter.key();
      const auto& entry = parameter.value();
      CAPTURE(name);
      const Tensor tensor = find_tensor(named, name);
      REQUIRE(tensor.defined());
      const std::string distribution = entry["distribution"];
      if (distribution == "uniform") {
        check_uniform(tensor, entry["bound"]);
      } else if (distribution == "normal") {
        check_normal(tensor, entry["standard_deviation"]);
      } else {
        check_constant(tensor, entry["value"]);
      }
    }
  }
}

TEST_CASE("the padding row of an embedding is zero") {
  const nn::Embedding table(5, 3, {.padding_index = 2});
  check_constant(table.weight.select(0, 2), 0.0);
  CHECK(moments(table.weight.select(0, 1)).largest > 0.0);
}

TEST_CASE("initialisers draw from their distributions") {
  const GeneratorGuard seeded(Generator(12));
  const Tensor weight = zeros({80, 50, 3});  // fan in 150, fan out 240
  nn::init::uniform(weight, -0.25, 0.25);
  check_uniform(weight, 0.25);
  nn::init::normal(weight, 0.0, 0.3);
  check_normal(weight, 0.3);
  nn::init::normal(weight, 100.0, 0.3);
  CHECK(std::abs(moments(weight).mean - 100.0) < 0.1);
  nn::init::xavier_uniform(weight);
  check_uniform(weight, std::sqrt(6.0 / 390.0));
  nn::init::xavier_normal(weight, 2.0);
  check_normal(weight, 2.0 * std::sqrt(2.0 / 390.0));
  nn::init::he_uniform(weight);
  check_uniform(weight, std::sqrt(6.0 / 150.0));
  nn::init::he_uniform(weight, nn::Activation::tanh, nn::init::Fan::out);
  check_uniform(weight, 5.0 / 3.0 * std::sqrt(3.0 / 240.0));
  nn::init::he_normal(weight, nn::Activation::leaky_relu);
  check_normal(weight, std::sqrt(2.0 / 1.0001 / 150.0));
  nn::init::constant(weight, 0.5);
  check_constant(weight, 0.5);
}

TEST_CASE("initialisers work on leaves and repeat themselves with the seed") {
  const nn::Linear layer(6, 5);
  const auto draw = [&] {
    const GeneratorGuard seeded(Generator(3));
    nn::init::xavier_uniform(layer.weight);
    return layer.weight.to_vector<float>();
  };
  const std::vector<float> first = draw();
  CHECK(first == draw());
  CHECK(layer.weight.requires_grad());
}

TEST_CASE("orthogonal gives orthonormal rows or columns") {
  const GeneratorGuard seeded(Generator(4));
  for (const Shape& shape : {Shape{5, 5}, Shape{3, 8}, Shape{8, 3}, Shape{4, 3, 2}}) {
    CAPTURE(to_string(shape));
    const Tensor weight = zeros(shape, float64);
    nn::init::orthogonal(weight, 2.0);
    Tensor matrix = weight.reshape({shape[0], weight.numel() / shape[0]});
    if (matrix.size(0) > matrix.size(1)) matrix = matrix.transpose(0, 1);
    CHECK_EQ(
        test::difference(matmul(matrix, matrix.transpose(0, 1)), eye(matrix.size(0), -1, float64) * 4.0, 0.0, 1e-13),
        "");
  }
}

TEST_CASE("initialisers refuse what makes no sense") {
  CHECK_EQ(test::error_text(ErrorKind::shape, [] { nn::init::xavier_uniform(zeros({4})); }),
           "xavier_uniform: needs fans in and out; got shape (4,); expected (out, in) or (out, in, kernel…)");
  CHECK_EQ(test::error_text(ErrorKind::argument, [] { nn::init::uniform(zeros({4}), 1.0, 0.0); }),
           "uniform: an empty range; got 1 to 0; expected low ≤ high");
  CHECK_EQ(test::error_text(ErrorKind::argument, [] { nn::init::normal(zeros({4}), 0.0, -1.0); }),
           "normal: the standard deviation must not be negative; got -1");
}
