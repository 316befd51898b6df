// A causal Conformer that gets its frames in portions beside one that gets them at once.

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/nn/nn.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

namespace {

nn::ConformerOptions options_of(nn::ConformerPositions positions, bool convolution_first, std::int64_t left) {
  const nn::ConformerOptions options{.width = 8,
                                     .heads = 2,
                                     .layers = 2,
                                     .feed_forward = 12,
                                     .kernel = 5,
                                     .positions = positions,
                                     .convolution_first = convolution_first};
  return options.streaming(left);
}

/// Rows of each segment from `done` on, as many as `portions` says.
Tensor next_rows(const Tensor& x, const Segments& segments, const std::vector<std::int64_t>& done,
                 const std::vector<std::int64_t>& portions) {
  TensorList rows;
  for (std::size_t b = 0; b < done.size(); ++b) {
    const std::int64_t begin = segments.begin(static_cast<std::int64_t>(b)) + done[b];
    rows.push_back(x.slice(0, begin, begin + portions[b]));
  }
  return cat(rows, 0);
}

/// Batch norm with statistics of its own, as after a training.
void settle(nn::Conformer& conformer, std::int64_t width, DType dtype) {
  const NoGradGuard no_grad;
  conformer.to(dtype);
  conformer.train();
  for (int i = 0; i < 3; ++i) conformer.forward(randn({40, width}, dtype), Segments::from_lengths({30, 10}));
  conformer.eval();
}

}  // namespace

TEST_CASE("conformer: frames in portions give the bits of all frames at once") {
  const GeneratorGuard seeded(Generator(11));
  const Segments segments = Segments::from_lengths({23, 9, 23, 1});
  // Portions of different streams have nothing to do with each other; some are empty, one stream ends early.
  const std::vector<std::vector<std::int64_t>> portions = {{1, 2, 7, 1},  {1, 0, 0, 0},  {0, 1, 1, 0},
                                                           {13, 0, 1, 0}, {1, 5, 13, 0}, {7, 1, 1, 0}};
  for (const auto positions : {nn::ConformerPositions::relative, nn::ConformerPositions::none})
    for (const bool convolution_first : {false, true})
      for (const std::int64_t left : {std::int64_t{0}, std::int64_t{6}, AttentionOptions::unlimited})
        for (const DType dtype : {float32, float64}) {
          CAPTURE(static_cast<int>(positions));
          CAPTURE(convolution_first);
          CAPTURE(left);
          const NoGradGuard no_grad;
          nn::Conformer conformer(options_of(positions, convolution_first, left));
          settle(conformer, 8, dtype);
          const Tensor x = randn({segments.rows(), 8}, dtype), expected = conformer.forward(x, segments);
          nn::ConformerState state;
          std::vector<std::int64_t> done(4, 0);
          for (const auto& portion : portions) {
            const Tensor y =
                conformer.step(next_rows(x, segments, done, portion), Segments::from_lengths(portion), state);
            CHECK(test::same_bits(y, next_rows(expected, segments, done, portion)));
            for (std::size_t b = 0; b < done.size(); ++b) done[b] += portion[b];
            // No more is kept than later frames can see.
            for (const auto& layer : state.layers) {
              CHECK(layer.convolution.size(0) == 4 * 4);
              CHECK(layer.past.segments.max_length() <= segments.max_length());
              if (positions == nn::ConformerPositions::relative) CHECK(layer.past.segments.max_length() <= left);
            }
          }
          CHECK(done == segments.lengths());
        }
}

TEST_CASE("conformer: a long stream forgets what is behind it and gives the same bits all the same") {
  const GeneratorGuard seeded(Generator(14));
  const NoGradGuard no_grad;
  const Segments segments = Segments::from_lengths({700, 650});
  for (const auto positions : {nn::ConformerPositions::relative, nn::ConformerPositions::none})
    for (const std::int64_t left : {16, 64, 200}) {
      CAPTURE(static_cast<int>(positions));
      CAPTURE(left);
      nn::Conformer conformer(options_of(positions, false, left));
      settle(conformer, 8, float32);
      const Tensor x = randn({segments.rows(), 8}), expected = conformer.forward(x, segments);
      nn::ConformerState state;
      std::vector<std::int64_t> done(2, 0);
      for (std::int64_t i = 0; done != segments.lengths(); ++i) {
        std::vector<std::int64_t> portion = {10 + i % 7, 50 - i % 3};
        for (std::size_t b = 0; b < 2; ++b)
          portion[b] = std::min(portion[b], segments.length(static_cast<std::int64_t>(b)) - done[b]);
        const Tensor y = conformer.step(next_rows(x, segments, done, portion), Segments::from_lengths(portion), state);
        CHECK(test::same_bits(y, next_rows(expected, segments, done, portion)));
        for (std::size_t b = 0; b < 2; ++b) done[b] += portion[b];
        for (const auto& layer : state.layers) CHECK(layer.past.segments.max_length() < left + 128);
      }
    }
}

TEST_CASE("conformer: a frame at a time, one stream alone or beside others, gives the same bits") {
  const GeneratorGuard seeded(Generator(12));
  const NoGradGuard no_grad;
  nn::Conformer conformer(options_of(nn::ConformerPositions::relative, false, 6));
  settle(conformer, 8, float32);
  const Tensor x = randn({2 * 12, 8}, float32);
  nn::ConformerState alone, beside;
  for (std::int64_t i = 0; i < 12; ++i) {
    const Tensor first = x.slice(0, i, i + 1), second = x.slice(0, 12 + i, 13 + i);
    const Tensor one = conformer.step(second, Segments::single(1), alone);
    const Tensor both = conformer.step(cat({first, second}), Segments::from_lengths({1, 1}), beside);
    CHECK(test::same_bits(one, both.slice(0, 1, 2)));
  }
}

TEST_CASE("conformer: what cannot be read as a stream says why, and a failed step leaves the state alone") {
  const GeneratorGuard seeded(Generator(13));
  const auto says = [](ErrorKind kind, const char* part, const std::function<void()>& call) {
    const std::string text = test::error_text(kind, call);
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  };
  const nn::ConformerOptions streaming = options_of(nn::ConformerPositions::relative, false, 4);
  const auto step = [](const nn::ConformerOptions& options) {
    nn::ConformerState state;
    nn::Conformer(options).step(zeros({3, 8}), Segments::single(3), state);
  };
  nn::ConformerOptions options = streaming;
  options.attention = AttentionOptions::full();
  says(ErrorKind::argument, "attention looks ahead", [&] { step(options); });
  options = streaming;
  options.causal_convolution = false;
  says(ErrorKind::argument, "the convolution looks ahead", [&] { step(options); });
  options = streaming;
  options.norm = nn::ConformerNorm::group;
  says(ErrorKind::argument, "whole utterances", [&] { step(options); });

  const NoGradGuard no_grad;
  nn::Conformer conformer(streaming);
  conformer.eval();
  nn::ConformerState state;
  conformer.step(randn({5, 8}), Segments::from_lengths({2, 3}), state);
  const Tensor next = randn({2, 8});
  nn::ConformerState copy = state;
  const Tensor expected = conformer.step(next, Segments::from_lengths({1, 1}), copy);
  says(ErrorKind::shape, "the number of streams changes", [&] {
    conformer.step(randn({1, 8}), Segments::single(1), state);
  });
  says(ErrorKind::shape, "the frames do not fit", [&] {
    conformer.step(randn({3, 8}), Segments::from_lengths({1, 1}), state);
  });
  CHECK(test::same_bits(conformer.step(next, Segments::from_lengths({1, 1}), state), expected));
}
