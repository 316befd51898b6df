// What layers refuse, in words.

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/creation.h"
#include "saw/nn/nn.h"
#include "support/errors.h"

using namespace saw;

namespace {

std::string bad_argument(const std::function<void()>& call) { return test::error_text(ErrorKind::argument, call); }
std::string bad_shape(const std::function<void()>& call) { return test::error_text(ErrorKind::shape, call); }

}  // namespace

TEST_CASE("layers refuse options that make no sense") {
  CHECK_EQ(bad_argument([] { nn::Linear(-1, 2); }), "Linear: in must not be negative; got -1");
  CHECK_EQ(bad_argument([] { nn::LayerNorm(0); }), "LayerNorm: the width must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::RMSNorm(3, {.epsilon = -1.0}); }), "RMSNorm: epsilon must not be negative; got -1");
  CHECK_EQ(bad_argument([] { nn::Dropout(1.5); }), "Dropout: the probability must be in [0, 1]; got 1.5");
  CHECK_EQ(bad_argument([] { nn::Embedding(4, 2, {.padding_index = 4}); }),
           "Embedding: padding_index is no row; got 4; expected −1 or 0 … 3");
  CHECK_EQ(bad_argument([] { nn::Conv1d(2, 2, 0); }), "Conv1d: the kernel must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::Conv1d(4, 6, 3, {.groups = 3}); }),
           "Conv1d: groups do not divide the channels; got 3 groups for 4 channels in and 6 out");
  CHECK_EQ(bad_argument([] { nn::ConvTranspose1d(4, 6, 3, {.groups = 0}); }),
           "ConvTranspose1d: groups must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::Conv1d(2, 2, 3, {.stride = 0}); }), "Conv1d: the stride must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::SelfAttention(4, {.key_width = 0}); }),
           "SelfAttention: key_width must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::MultiHeadAttention(10, 4); }),
           "MultiHeadAttention: the heads must divide the width; got width 10 and 4 heads");
  CHECK_EQ(
      bad_argument([] { nn::MultiHeadAttention(8, 2, {.attention = {.dropout = 0.1}}); }),
      "MultiHeadAttention: attention.dropout is set by the layer; got 0.1; set dropout, which is off in evaluation");
  CHECK_EQ(bad_argument([] { nn::TransformerEncoder({.heads = 2}); }), "Transformer: width must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::TransformerEncoder({.width = 8}); }), "Transformer: heads must be at least 1; got 0");
  CHECK_EQ(bad_argument([] { nn::TransformerEncoder({.width = 8, .heads = 2, .layers = -1}); }),
           "Transformer: layers must not be negative; got -1");
}

TEST_CASE("layers refuse input of another width") {
  CHECK_EQ(bad_shape([] {
             nn::LayerNorm(3, {.affine = false}).forward(zeros({2, 4}));
           }),
           "LayerNorm: wrong width; got input (2, 4); expected (…, 3)");
  CHECK_EQ(bad_shape([] {
             nn::MultiHeadAttention(4, 2).forward(zeros({2, 3}), Segments::single(2));
           }),
           "MultiHeadAttention: the input does not fit; got (2, 3); expected (N, 4)");
  CHECK_EQ(bad_shape([] {
             nn::MultiHeadAttention(4, 2, {.key_width = 5, .value_width = 5})
                 .forward(zeros({2, 4}), zeros({2, 4}), Segments::single(2), Segments::single(2));
           }),
           "MultiHeadAttention: the key does not fit; got (2, 4); expected (N, 5)");
  CHECK_EQ(bad_shape([] {
             nn::SinusoidalPositions(4).forward(zeros({3, 4}), Segments::single(2));
           }),
           "SinusoidalPositions: input does not fit; got (3, 4); expected (2, 4) for Segments(lengths 2; rows 2)");
  CHECK(bad_shape([] { nn::Linear(3, 2).forward(zeros({2, 4})); }).find("linear: ") == 0);
  CHECK(test::error_text(ErrorKind::index, [] {
          nn::Embedding(4, 2).forward(tensor(std::vector<std::int64_t>{4}));
        }).find("embedding: ") == 0);
}

TEST_CASE("a bias of attention moves its scores") {
  const GeneratorGuard seeded(Generator(41));
  const nn::MultiHeadAttention layer(4, 2);
  const Segments segments = Segments::from_lengths({3, 2});
  const Tensor x = randn({5, 4});
  // −∞ above the diagonal is causal attention.
  const Tensor bias = zeros({1, 3, 3});
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = i + 1; j < 3; ++j)
      bias.select(0, 0).select(0, i).select(0, j).fill_(-std::numeric_limits<double>::infinity());
  nn::MultiHeadAttention causal(4, 2, {.attention = AttentionOptions::causal()});
  causal.load_state_dict(layer.state_dict());
  const std::vector<float> by_bias = layer.forward(x, segments, bias).to_vector<float>();
  const std::vector<float> by_option = causal.forward(x, segments).to_vector<float>();
  for (std::size_t i = 0; i < by_bias.size(); ++i) CHECK(by_bias[i] == doctest::Approx(by_option[i]).epsilon(1e-5));
  CHECK(layer.weights(x, segments, 0, bias).select(0, 1).select(0, 0).to_vector<float>() ==
        std::vector<float>{1, 0, 0});
}

TEST_CASE("dropout of attention is off in evaluation") {
  const GeneratorGuard seeded(Generator(42));
  nn::TransformerEncoder encoder({.width = 8, .heads = 2, .dropout = 0.5});
  const Segments segments = Segments::from_lengths({4, 3});
  const Tensor x = randn({7, 8});
  CHECK(encoder.forward(x, segments).to_vector<float>() != encoder.forward(x, segments).to_vector<float>());
  encoder.eval();
  CHECK(encoder.forward(x, segments).to_vector<float>() == encoder.forward(x, segments).to_vector<float>());
  const TensorList weights = encoder.attention_weights(x, segments, 1);
  REQUIRE(weights.size() == 1);
  CHECK(weights[0].shape() == Shape{2, 3, 3});
}
