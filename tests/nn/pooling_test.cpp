// From a row per frame to a row per utterance: values by hand, and gradients where there is little to pool.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/base/error.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/nn.h"
#include "support/golden.h"

using namespace saw;

namespace {

const Segments& utterances() {
  static const Segments segments = Segments::from_lengths({2, 0, 3});
  return segments;
}

Tensor frames() { return tensor({{1, 5}, {3, 5}, {0, 1}, {0, -2}, {6, 1}}, float64); }

}  // namespace

TEST_CASE("mean, maximum and statistics of an utterance's own frames") {
  CHECK_EQ(test::difference(nn::MeanPooling().forward(frames(), utterances()),
                            tensor({{2, 5}, {0, 0}, {2, 0}}, float64), 0.0, 1e-15),
           "");
  CHECK_EQ(test::difference(nn::MaxPooling().forward(frames(), utterances()), tensor({{3, 5}, {0, 0}, {6, 1}}, float64),
                            0.0, 1e-15),
           "");
  // Channel 1 of the first utterance is constant, and the second has no frames: only the floor of 10⁻⁶ is left.
  const Tensor expected =
      tensor({{2, 5, 1, 1e-3}, {0, 0, 1e-3, 1e-3}, {2, 0, std::sqrt(8.0), std::sqrt(2.0)}}, float64);
  CHECK_EQ(test::difference(nn::StatisticsPooling().forward(frames(), utterances()), expected, 0.0, 1e-15), "");
}

TEST_CASE("statistics keep their digits far from zero") {
  const Tensor near = frames(), far = frames() + 1e6;
  const Tensor a = nn::StatisticsPooling().forward(near, utterances());
  const Tensor b = nn::StatisticsPooling().forward(far, utterances());
  CHECK_EQ(test::difference(b.slice(1, 2, 4), a.slice(1, 2, 4), 1e-9, 0.0), "");
}

TEST_CASE("one frame and frames that are all alike have finite gradients") {
  const Tensor x = full({5, 2}, 3.0, float64).set_requires_grad(true);
  const Segments segments = Segments::from_lengths({1, 4});
  nn::StatisticsPooling().forward(x, segments).sum().backward();
  CHECK(all(isfinite(x.grad())).item() == 1.0);
}

TEST_CASE("self-attention pooling is a mean with learned weights") {
  nn::SelfAttentionPooling pooling(2);
  pooling.to(float64);
  pooling.load_state_dict({{"attention.weight", tensor({{0.5, -1.0}}, float64).clone()}});
  const Tensor weights = pooling.weights(frames(), utterances());
  CHECK(weights.shape() == Shape{5});
  // Scores −4.5, −3.5 | −1, 2, 2.
  const double last = std::exp(-3.0) + 2.0;
  const Tensor expected =
      tensor({1 / (1 + std::exp(1.0)), 1 / (1 + std::exp(-1.0)), std::exp(-3.0) / last, 1 / last, 1 / last}, float64);
  CHECK_EQ(test::difference(weights, expected, 1e-12, 0.0), "");
  const Tensor pooled = pooling.forward(frames(), utterances());
  CHECK_EQ(test::difference(pooled, segment_sum(frames() * weights.unsqueeze(1), utterances()), 1e-12, 1e-12), "");
  // Without frames nothing is asked: zeros. With equal scores it is the mean.
  pooling.load_state_dict({{"attention.weight", zeros({1, 2}, float64)}});
  CHECK_EQ(
      test::difference(pooling.forward(frames(), utterances()), segment_mean(frames(), utterances()), 1e-12, 1e-12),
      "");
}

TEST_CASE("poolings pass gradcheck") {
  const GeneratorGuard seeded(Generator(4));
  nn::SelfAttentionPooling attention(3);
  attention.to(float64);
  const nn::StatisticsPooling statistics;
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  const Tensor x = randn({8, 3}, float64).set_requires_grad(true);
  CHECK(gradcheck([&](const TensorList& in) { return TensorList{attention.forward(in[0], segments)}; }, {x}));
  // A single frame sits on the floor of the variance, where the root is flat: its own gradient is 0 on both sides.
  CHECK(gradcheck([&](const TensorList& in) { return TensorList{statistics.forward(in[0], segments)}; }, {x}));
}

TEST_CASE("poolings refuse what does not fit") {
  CHECK_THROWS_AS(nn::StatisticsPooling(0.0), Error);
  CHECK_THROWS_AS(nn::SelfAttentionPooling(0), Error);
  CHECK_THROWS_AS(nn::MeanPooling().forward(zeros({4, 2}), utterances()), Error);
  CHECK_THROWS_AS(nn::StatisticsPooling().forward(zeros({4, 2}), utterances()), Error);
}
