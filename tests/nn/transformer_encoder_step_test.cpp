// TransformerEncoder that looks only back, step by step beside all rows at once.

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/nn/nn.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

namespace {

nn::TransformerOptions options_of(bool pre_norm, AttentionOptions attention = AttentionOptions::causal()) {
  return {.width = 16,
          .heads = 2,
          .layers = 2,
          .feed_forward = 24,
          .pre_norm = pre_norm,
          .final_norm = pre_norm,
          .attention = attention};
}

/// Rows `begin` to `end` of each sequence.
Tensor rows_at(const Tensor& x, const Segments& segments, std::int64_t begin, std::int64_t end) {
  TensorList rows;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    rows.push_back(x.slice(0, segments.begin(b) + begin, segments.begin(b) + end));
  return cat(rows, 0);
}

}  // namespace

TEST_CASE("transformer encoder: a row at a time gives the bits of all rows at once") {
  const GeneratorGuard seeded(Generator(3));
  const std::int64_t length = 9;
  const Segments segments = Segments::from_lengths({length, length, length});
  AttentionOptions window = AttentionOptions::window(3, 0), slopes = AttentionOptions::causal();
  slopes.alibi_slopes = AttentionOptions::slopes_of_heads(2);
  for (const DType dtype : {float32, float64})
    for (const bool pre_norm : {false, true})
      for (const AttentionOptions& attention : {AttentionOptions::causal(), window, slopes}) {
        nn::TransformerOptions options = options_of(pre_norm, attention);
        if (attention.left == 3) options.rotary = RotaryOptions{};
        nn::TransformerEncoder encoder(options);
        encoder.to(dtype);
        encoder.eval();
        const NoGradGuard no_grad;
        const Tensor x = randn({segments.rows(), 16}, dtype), expected = encoder.forward(x, segments);
        nn::EncoderState state = encoder.begin(3);
        // Four rows at once, then one after the other.
        const Tensor first = encoder.step(rows_at(x, segments, 0, 4), Segments::from_lengths({4, 4, 4}), state);
        CHECK(test::same_bits(first, rows_at(expected, segments, 0, 4)));
        for (std::int64_t place = 4; place < length; ++place)
          CHECK(test::same_bits(encoder.step(rows_at(x, segments, place, place + 1), state),
                                rows_at(expected, segments, place, place + 1)));
        CHECK(state.lengths == std::vector<std::int64_t>(3, length));
      }
}

TEST_CASE("transformer encoder: sequences of different lengths, and those that are followed on") {
  const GeneratorGuard seeded(Generator(4));
  nn::TransformerEncoder encoder(options_of(true));
  encoder.to(float64);
  encoder.eval();
  const NoGradGuard no_grad;
  const Segments begun = Segments::from_lengths({3, 0, 1});
  const Tensor x = randn({4, 16}, float64), more = randn({3, 16}, float64);
  nn::EncoderState state = encoder.begin(3);
  encoder.step(x, begun, state);
  CHECK(state.lengths == std::vector<std::int64_t>{3, 0, 1});
  const std::vector<std::int64_t> chosen = {2, 0, 0};
  nn::EncoderState three = state.select(chosen);
  const Tensor y = encoder.step(more, three);
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::int64_t from = chosen[static_cast<std::size_t>(i)];
    const Tensor both = cat({x.slice(0, begun.begin(from), begun.end(from)), more.slice(0, i, i + 1)}, 0);
    const Tensor alone = encoder.forward(both, Segments::single(both.size(0)));
    CHECK(test::same_bits(y.slice(0, i, i + 1).clone(), alone.slice(0, both.size(0) - 1, both.size(0)).clone()));
  }
  nn::EncoderState none = three.select(std::vector<std::int64_t>{});
  CHECK(encoder.step(more.slice(0, 0, 0), none).size(0) == 0);
  nn::EncoderState before_first = encoder.begin(4).select(std::vector<std::int64_t>{1, 1});
  CHECK(encoder.step(more.slice(0, 0, 2), before_first).size(0) == 2);

  CHECK(test::error_text(ErrorKind::index, [&] {
          state.select(std::vector<std::int64_t>{3});
        }).starts_with("EncoderState.select: no such sequence; got 3; expected 0 to 2"));
  CHECK(test::error_text(ErrorKind::shape, [&] {
          encoder.step(more.slice(0, 0, 2), state);
        }).find("TransformerEncoder.step: rows do not fit the state; got (2, 16)") != std::string::npos);
  CHECK(test::error_text(ErrorKind::argument, [&] { encoder.begin(-1); }).find("sequences; got -1") !=
        std::string::npos);
  nn::EncoderState empty;
  CHECK(test::error_text(ErrorKind::argument, [&] {
          encoder.step(more.slice(0, 0, 0), empty);
        }).find("the state is of another encoder") != std::string::npos);
  nn::TransformerEncoder both_ways(options_of(true, AttentionOptions::full()));
  nn::EncoderState other = both_ways.begin(3);
  CHECK(test::error_text(ErrorKind::argument, [&] {
          both_ways.step(more, other);
        }).find("attention sees what comes later") != std::string::npos);
}

TEST_CASE("transformer encoder: rotary positions see the order of the rows") {
  const GeneratorGuard seeded(Generator(6));
  const NoGradGuard no_grad;
  nn::TransformerOptions options = options_of(true, AttentionOptions::full());
  for (const bool rotary : {false, true}) {
    if (rotary) options.rotary = RotaryOptions{};
    nn::TransformerEncoder encoder(options);
    encoder.to(float64);
    encoder.eval();
    const Tensor x = randn({5, 16}, float64);
    const Tensor order = tensor(std::vector<std::int64_t>{4, 2, 0, 3, 1});
    const Tensor y = index_select(encoder.forward(x, Segments::single(5)), 0, order);
    const Tensor z = encoder.forward(index_select(x, 0, order), Segments::single(5));
    CHECK(test::difference(y, z, 1e-12).empty() == !rotary);
  }
}
