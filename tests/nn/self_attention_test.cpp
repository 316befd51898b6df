// The lecture's self-attention, beside its equations written out with loops, and positional encodings.

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/rearrange.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/nn.h"
#include "support/golden.h"

using namespace saw;

namespace {

struct Matrix {
  std::int64_t rows;
  std::int64_t columns;
  std::vector<double> values;
  explicit Matrix(const Tensor& t) : rows(t.size(0)), columns(t.size(1)), values(t.to_vector<double>()) {}
  double at(std::int64_t i, std::int64_t j) const { return values[static_cast<std::size_t>(i * columns + j)]; }
};

/// α' of one sequence, from its queries and keys, one number at a time.
std::vector<double> weights_by_hand(const Matrix& query, const Matrix& key, const std::vector<double>& score_weight,
                                    const nn::SelfAttentionOptions& options) {
  const std::int64_t length = query.rows;
  std::vector<double> result;
  for (std::int64_t i = 0; i < length; ++i) {
    std::vector<double> alpha(static_cast<std::size_t>(length));
    double sum = 0.0;
    for (std::int64_t j = 0; j < length; ++j) {
      double score = 0.0;
      for (std::int64_t k = 0; k < query.columns; ++k) {
        score += options.score == nn::AttentionScore::dot_product
                     ? query.at(i, k) * key.at(j, k)
                     : score_weight[static_cast<std::size_t>(k)] * std::tanh(query.at(i, k) + key.at(j, k));
      }
      if (options.scale) score /= std::sqrt(static_cast<double>(query.columns));
      const bool softmax = options.normalisation == nn::AttentionNormalisation::softmax;
      alpha[static_cast<std::size_t>(j)] = softmax ? std::exp(score) : std::max(score, 0.0);
      sum += alpha[static_cast<std::size_t>(j)];
    }
    for (const double a : alpha) {
      double weight = options.normalisation == nn::AttentionNormalisation::softmax ? a / sum : a;
      if (options.divide_by_length) weight /= static_cast<double>(length);
      result.push_back(weight);
    }
  }
  return result;
}

const std::vector<nn::SelfAttentionOptions>& variants() {
  static const std::vector<nn::SelfAttentionOptions> all = {
      {},
      {.scale = true},
      {.key_width = 3, .value_width = 2, .bias = true},
      {.score = nn::AttentionScore::additive},
      {.normalisation = nn::AttentionNormalisation::relu},
      {.normalisation = nn::AttentionNormalisation::relu, .divide_by_length = true},
      {.key_width = 6,
       .scale = true,
       .score = nn::AttentionScore::additive,
       .normalisation = nn::AttentionNormalisation::relu}};
  return all;
}

}  // namespace

TEST_CASE("self-attention is what its equations say") {
  const GeneratorGuard seeded(Generator(1));
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  const Tensor x = randn({8, 5}, float64);
  for (std::size_t variant = 0; variant < variants().size(); ++variant) {
    CAPTURE(variant);
    const nn::SelfAttentionOptions& options = variants()[variant];
    nn::SelfAttention layer(5, options);
    layer.to(float64);
    const StateDict state = layer.state_dict();
    const auto projected = [&](const std::string& name) {
      return linear(x, find_tensor(state, name + ".weight"), find_tensor(state, name + ".bias"));
    };
    const Tensor query = projected("query");
    const Tensor key = projected("key");
    const Tensor value = projected("value");
    const Tensor score_weight = find_tensor(state, "score_weight");
    const auto score_weights = score_weight.defined() ? score_weight.to_vector<double>() : std::vector<double>();

    const nn::SelfAttention::Result result = layer.forward_with_weights(x, segments);
    REQUIRE(result.weights.size() == 4);
    for (std::int64_t b = 0; b < segments.count(); ++b) {
      const std::int64_t length = segments.length(b);
      const auto rows = [&](const Tensor& t) { return t.slice(0, segments.begin(b), segments.end(b)); };
      const Tensor weights =
          tensor(weights_by_hand(Matrix(rows(query)), Matrix(rows(key)), score_weights, options), {length, length});
      CHECK_EQ(test::difference(result.weights[static_cast<std::size_t>(b)], weights, 1e-12, 1e-12), "");
      if (length > 0) CHECK_EQ(test::difference(rows(result.output), matmul(weights, rows(value)), 1e-12, 1e-12), "");
    }
    CHECK_EQ(test::difference(layer.forward(x, segments), result.output, 1e-12, 1e-12), "");
  }
}

TEST_CASE("self-attention's parameters are the lecture's matrices") {
  const nn::SelfAttention plain(5);
  CHECK(plain.state_dict().size() == 3);
  CHECK(find_tensor(plain.state_dict(), "query.weight").shape() == Shape{5, 5});
  const nn::SelfAttention other(
      5, {.key_width = 3, .value_width = 2, .bias = true, .score = nn::AttentionScore::additive});
  CHECK(other.state_dict().size() == 7);
  CHECK(find_tensor(other.state_dict(), "score_weight").shape() == Shape{3});
  CHECK(find_tensor(other.state_dict(), "value.weight").shape() == Shape{2, 5});
}

TEST_CASE("without positions self-attention does not see order") {
  const GeneratorGuard seeded(Generator(2));
  nn::SelfAttention layer(4);
  layer.to(float64);
  const Tensor x = randn({5, 4}, float64);
  const Tensor y = layer.forward(x, Segments::single(5));
  const Tensor reversed = layer.forward(flip(x, {0}), Segments::single(5));
  CHECK_EQ(test::difference(flip(reversed, {0}), y, 1e-12, 1e-12), "");
}

TEST_CASE("self-attention over nothing gives nothing") {
  const nn::SelfAttention layer(4, {.value_width = 3, .normalisation = nn::AttentionNormalisation::relu});
  const nn::SelfAttention::Result result = layer.forward_with_weights(zeros({0, 4}), Segments::from_lengths({0, 0}));
  CHECK(result.output.shape() == Shape{0, 3});
  CHECK(result.weights.size() == 2);
  CHECK_THROWS_WITH_AS(
      layer.forward(zeros({3, 4}), Segments::single(2)),
      "SelfAttention: input does not fit; got (3, 4); expected (2, width) for Segments(lengths 2; rows 2)", Error);
}

TEST_CASE("one head of multi-head attention is self-attention with a projection") {
  const GeneratorGuard seeded(Generator(5));
  nn::SelfAttention single(6, {.bias = true, .scale = true});
  nn::MultiHeadAttention multi(6, 1);
  single.to(float64);
  multi.to(float64);
  StateDict state = multi.snapshot();
  const StateDict own = single.state_dict();
  for (auto& [name, tensor] : state) {
    if (name == "in_proj_weight")
      tensor =
          cat({find_tensor(own, "query.weight"), find_tensor(own, "key.weight"), find_tensor(own, "value.weight")});
    if (name == "in_proj_bias")
      tensor = cat({find_tensor(own, "query.bias"), find_tensor(own, "key.bias"), find_tensor(own, "value.bias")});
    if (name == "out_proj.weight") tensor = eye(6, -1, float64);
  }
  multi.load_state_dict(state);
  const Segments segments = Segments::from_lengths({2, 5});
  const Tensor x = randn({7, 6}, float64);
  CHECK_EQ(test::difference(multi.forward(x, segments), single.forward(x, segments), 1e-12, 1e-12), "");
}

TEST_CASE("sinusoidal encoding is its formula") {
  const Tensor encoding = nn::sinusoidal_encoding(7, 5, float64);
  REQUIRE(encoding.shape() == Shape{7, 5});
  for (int p = 0; p < 7; ++p) {
    for (int c = 0; c < 5; ++c) {
      const double angle = p / std::pow(10000.0, (c / 2 * 2) / 5.0);
      const double expected = c % 2 == 0 ? std::sin(angle) : std::cos(angle);
      CHECK(std::abs(encoding.select(0, p).select(0, c).item() - expected) < 1e-14);
    }
  }
}

TEST_CASE("positions begin anew in each segment") {
  const Segments segments = Segments::from_lengths({2, 0, 3});
  CHECK(nn::positions_in_segments(segments).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 0, 1, 2});

  const nn::SinusoidalPositions sinusoidal(4);
  const Tensor y = sinusoidal.forward(zeros({5, 4}, float64), segments);
  const Tensor encoding = nn::sinusoidal_encoding(3, 4, float64);
  CHECK(y.slice(0, 0, 2).to_vector<double>() == encoding.slice(0, 0, 2).to_vector<double>());
  CHECK(y.slice(0, 2, 5).to_vector<double>() == encoding.to_vector<double>());

  const nn::LearnedPositions learned(3, 4);
  const Tensor z = learned.forward(zeros({5, 4}), segments);
  CHECK(z.slice(0, 2, 5).to_vector<float>() == learned.weight.to_vector<float>());
  z.sum().backward();
  CHECK(learned.weight.grad().select(1, 0).to_vector<float>() == std::vector<float>{2, 2, 1});
  CHECK_THROWS_WITH_AS(
      learned.forward(zeros({4, 4}), Segments::single(4)),
      "LearnedPositions: a segment is longer than the table of positions; got length 4; expected at most "
      "3; make the table longer or take SinusoidalPositions",
      Error);
}
