// TransformerDecoder step by step beside all rows at once.

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

nn::TransformerOptions options_of(bool pre_norm) {
  return {.width = 16, .heads = 2, .layers = 2, .feed_forward = 24, .pre_norm = pre_norm, .final_norm = pre_norm};
}

/// Row `place` of each sequence that has one.
Tensor rows_at(const Tensor& x, const Segments& segments, std::int64_t place) {
  TensorList rows;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    rows.push_back(x.slice(0, segments.begin(b) + place, segments.begin(b) + place + 1));
  return cat(rows, 0);
}

}  // namespace

TEST_CASE("transformer decoder: a row at a time gives the bits of all rows at once") {
  const GeneratorGuard seeded(Generator(3));
  const std::int64_t length = 9;
  const Segments segments = Segments::from_lengths({length, length, length});
  const Segments memory_segments = Segments::from_lengths({4, 1, 7});
  for (const DType dtype : {float32, float64})
    for (const bool pre_norm : {false, true}) {
      nn::TransformerDecoder decoder(options_of(pre_norm));
      decoder.to(dtype);
      decoder.eval();
      const NoGradGuard no_grad;
      const Tensor x = randn({segments.rows(), 16}, dtype), memory = randn({memory_segments.rows(), 16}, dtype);
      const Tensor expected = decoder.forward(x, segments, memory, memory_segments);
      nn::DecoderState state = decoder.begin(memory, memory_segments);
      // Two rows at once, then one after the other.
      TensorList first;
      for (std::int64_t b = 0; b < 3; ++b) first.push_back(x.slice(0, segments.begin(b), segments.begin(b) + 2));
      decoder.step(cat(first, 0), Segments::from_lengths({2, 2, 2}), state);
      for (std::int64_t place = 2; place < length; ++place) {
        const Tensor y = decoder.step(rows_at(x, segments, place), state);
        CHECK(test::same_bits(y, rows_at(expected, segments, place)));
      }
      CHECK(state.lengths == std::vector<std::int64_t>(3, length));
    }
}

TEST_CASE("transformer decoder: hypotheses of one text share its memory, and go on from any of them") {
  const GeneratorGuard seeded(Generator(4));
  nn::TransformerDecoder decoder(options_of(true));
  decoder.to(float64);
  decoder.eval();
  const NoGradGuard no_grad;
  const Segments memory_segments = Segments::from_lengths({3, 5});
  const Tensor memory = randn({8, 16}, float64), x = randn({2, 16}, float64), more = randn({3, 16}, float64);
  nn::DecoderState state = decoder.begin(memory, memory_segments);
  decoder.step(x, state);
  // Two hypotheses of text 0, one of text 1.
  const std::vector<std::int64_t> chosen = {0, 0, 1};
  nn::DecoderState three = state.select(chosen);
  CHECK(three.text_of_sequence == chosen);
  const Tensor y = decoder.step(more, three);
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::int64_t text = chosen[static_cast<std::size_t>(i)];
    const Tensor both = cat({x.slice(0, text, text + 1), more.slice(0, i, i + 1)}, 0);
    const Tensor own = memory.slice(0, memory_segments.begin(text), memory_segments.end(text));
    const Tensor alone = decoder.forward(both, Segments::single(2), own, Segments::single(own.size(0)));
    CHECK(test::same_bits(y.slice(0, i, i + 1).clone(), alone.slice(0, 1, 2).clone()));
  }
  // Text 0 is done; its memory is asked by nobody.
  nn::DecoderState last = three.select(std::vector<std::int64_t>{2});
  CHECK(decoder.step(more.slice(0, 0, 1), last).size(0) == 1);
  nn::DecoderState none = last.select(std::vector<std::int64_t>{});
  CHECK(decoder.step(more.slice(0, 0, 0), none).size(0) == 0);

  CHECK(test::error_text(ErrorKind::index, [&] {
          state.select(std::vector<std::int64_t>{2});
        }).starts_with("DecoderState.select: no such sequence; got 2; expected 0 to 1"));
  CHECK(test::error_text(ErrorKind::argument, [&] {
          state.select(std::vector<std::int64_t>{1, 0});
        }).starts_with("DecoderState.select: sequences of one text have to lie together"));
  CHECK(test::error_text(ErrorKind::shape, [&] {
          decoder.step(more, state);
        }).find("TransformerDecoder.step: rows do not fit the state; got (3, 16)") != std::string::npos);
}

TEST_CASE("transformer decoder: what comes later changes nothing, and what a text does not own neither") {
  const GeneratorGuard seeded(Generator(5));
  const Segments segments = Segments::from_lengths({4, 0, 3}), memory_segments = Segments::from_lengths({2, 3, 4});
  nn::TransformerDecoder decoder(options_of(false));
  decoder.eval();
  const NoGradGuard no_grad;
  const Tensor x = randn({7, 16}), memory = randn({9, 16});
  const Tensor expected = decoder.forward(x, segments, memory, memory_segments);
  const Tensor changed = x.clone(), other = memory.clone();
  changed.slice(0, 2, 4).fill_(3.0);           // behind the first two rows of text 0
  changed.slice(0, 4, 7).fill_(std::nan(""));  // text 2
  other.slice(0, 2, 9).fill_(std::nan(""));    // what texts 1 and 2 ask
  const Tensor y = decoder.forward(changed, segments, other, memory_segments);
  CHECK(test::same_bits(y.slice(0, 0, 2).clone(), expected.slice(0, 0, 2).clone()));
  CHECK(decoder.memory_weights(x, segments, memory, memory_segments, 2).at(1).shape() == Shape{2, 3, 4});
}
