// Attention of new rows over keys and values that are kept from before, beside all rows at once.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/nn.h"
#include "support/golden.h"
#include "support/tensors.h"

using namespace saw;

namespace {

/// The rows `begin` … `end` of every sequence of x.
Tensor steps(const Tensor& x, const Segments& segments, std::int64_t begin, std::int64_t end) {
  TensorList parts;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    parts.push_back(x.slice(0, segments.begin(b) + begin, segments.begin(b) + end));
  return cat(parts, 0);
}

struct Variant {
  std::string name;
  nn::MultiHeadAttentionOptions options;
};

std::vector<Variant> variants() {
  return {{"causal", {.attention = AttentionOptions::causal()}},
          {"window", {.attention = AttentionOptions::window(2, 0)}},
          {"linear biases", {.attention = {.right = 0, .alibi_slopes = AttentionOptions::slopes_of_heads(2)}}},
          {"rotary", {.attention = AttentionOptions::causal(), .rotary = RotaryOptions{}}},
          {"rotary halves", {.attention = AttentionOptions::causal(), .rotary = RotaryOptions{.interleaved = false}}}};
}

}  // namespace

TEST_CASE("decoding: step by step with kept keys and values gives what all rows at once give") {
  const GeneratorGuard seeded(Generator(1));
  const std::int64_t length = 7, width = 8;
  const Segments all = Segments::from_lengths({length, length, length});
  const Tensor x = randn({all.rows(), width}, float64);
  for (const Variant& variant : variants()) {
    CAPTURE(variant.name);
    nn::MultiHeadAttention attention(width, 2, variant.options);
    attention.to(float64);
    attention.train(false);
    const Tensor expected = attention.forward(x, all);
    // The first three rows at once, then one after the other.
    const Tensor first = steps(x, all, 0, 3);
    const Segments three = Segments::from_lengths({3, 3, 3}), one = Segments::from_lengths({1, 1, 1});
    nn::KeysAndValues past = attention.project_keys(first, first, three);
    TensorList got = {attention.attend(first, three, past)};
    CHECK_EQ(test::difference(got[0], steps(expected, all, 0, 3), 1e-13, 1e-13), "");
    for (std::int64_t p = 3; p < length; ++p) {
      const Tensor row = steps(x, all, p, p + 1);
      const std::vector<std::int64_t> offsets(3, p);
      past = past.append(attention.project_keys(row, row, one, offsets));
      REQUIRE(past.segments == Segments::from_lengths({p + 1, p + 1, p + 1}));
      // Rows of 8 go through products of up to 8 terms: a few dozen roundings of numbers of about 1.
      CHECK_EQ(
          test::difference(attention.attend(row, one, past, offsets), steps(expected, all, p, p + 1), 1e-13, 1e-13),
          "");
    }
  }
}

TEST_CASE("decoding: sequences of different lengths have offsets of their own") {
  const GeneratorGuard seeded(Generator(2));
  const Segments past_segments = Segments::from_lengths({2, 0, 5}), one = Segments::from_lengths({1, 1, 1});
  const Segments all = Segments::from_lengths({3, 1, 6});
  nn::MultiHeadAttention attention(
      8, 2, {.attention = {.right = 0, .alibi_slopes = {0.5, 0.1}}, .rotary = RotaryOptions{.base = 100.0}});
  attention.to(float64);
  attention.train(false);
  const Tensor before = randn({7, 8}, float64), now = randn({3, 8}, float64);
  const std::vector<std::int64_t> offsets = {2, 0, 5};
  const nn::KeysAndValues memory =
      attention.project_keys(before, before, past_segments).append(attention.project_keys(now, now, one, offsets));
  CHECK(memory.segments == all);
  const Tensor got = attention.attend(now, one, memory, offsets);
  const Tensor whole = cat(
      {before.slice(0, 0, 2), now.slice(0, 0, 1), now.slice(0, 1, 2), before.slice(0, 2, 7), now.slice(0, 2, 3)}, 0);
  const Tensor expected = attention.forward(whole, all);
  const Tensor last = cat({expected.slice(0, 2, 3), expected.slice(0, 3, 4), expected.slice(0, 9, 10)}, 0);
  CHECK_EQ(test::difference(got, last, 1e-13, 1e-13), "");
  CHECK_THROWS_AS(memory.append(attention.project_keys(now, now, Segments::single(3))), Error);
}

TEST_CASE("decoding: a bias of cross-attention belongs to rows of queries and rows of keys") {
  const GeneratorGuard seeded(Generator(3));
  const Segments queries = Segments::from_lengths({2, 3}), keys = Segments::from_lengths({4, 1});
  nn::MultiHeadAttention attention(8, 2);
  attention.to(float64);
  const Tensor x = randn({5, 8}, float64), memory = randn({5, 8}, float64), bias = randn({2, 3, 4}, float64);
  const Tensor y = attention.forward(x, memory, queries, keys, bias);
  const nn::KeysAndValues kept = attention.project_keys(memory, memory, keys);
  CHECK(test::same_bits(attention.attend(x, queries, kept, {}, bias).detach(), y.detach()));
  // Each segment alone, with its part of the bias.
  const Tensor alone = attention.forward(x.slice(0, 2, 5), memory.slice(0, 4, 5), Segments::single(3),
                                         Segments::single(1), bias.slice(2, 0, 1));
  CHECK_EQ(test::difference(alone, y.slice(0, 2, 5), 1e-13, 1e-13), "");
  const Tensor without = attention.forward(x, memory, queries, keys);
  CHECK(test::difference(without, y, 1e-6, 1e-6) != "");
}

TEST_CASE("decoding: self-attention asks kept keys and values") {
  const GeneratorGuard seeded(Generator(4));
  const Segments segments = Segments::from_lengths({3, 2});
  const Tensor x = randn({5, 4}, float64);
  for (const auto score : {nn::AttentionScore::dot_product, nn::AttentionScore::additive}) {
    nn::SelfAttention layer(4, {.value_width = 3, .score = score});
    layer.to(float64);
    const nn::KeysAndValues memory = layer.project_keys(x, segments);
    const Tensor expected = layer.forward(x, segments);
    const Tensor got = layer.attend(steps(x, segments, 1, 2), Segments::from_lengths({1, 1}), memory);
    CHECK_EQ(test::difference(got, steps(expected, segments, 1, 2), 1e-13, 1e-13), "");
  }
}

TEST_CASE("decoding: positions with an offset are the later positions") {
  const Segments all = Segments::from_lengths({6, 6}), one = Segments::from_lengths({1, 1});
  const Tensor zero = zeros({12, 4}, float64);
  nn::LearnedPositions learned(6, 4);
  learned.to(float64);
  const nn::SinusoidalPositions sinusoidal(4);
  const auto rows = [&](const Tensor& y) { return cat({y.slice(0, 5, 6), y.slice(0, 8, 9)}, 0); };
  const Tensor now = zeros({2, 4}, float64);
  CHECK(test::same_bits(test::copy_of(sinusoidal.forward(now, one, {5, 2})), rows(sinusoidal.forward(zero, all))));
  CHECK(test::same_bits(test::copy_of(learned.forward(now, one, {5, 2}).detach()),
                        rows(learned.forward(zero, all).detach())));
  CHECK(nn::positions_in_segments(Segments::from_lengths({2, 0, 1}), {3, 9, 0}).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{3, 4, 0});
  CHECK_THROWS_WITH_AS(
      learned.forward(now, one, {6, 0}),
      "LearnedPositions: a segment is longer than the table of positions; got length 7; expected at most 6; make the "
      "table longer or take SinusoidalPositions",
      Error);
  CHECK_THROWS_WITH_AS(nn::positions_in_segments(one, {-1, 0}), "positions_in_segments: an offset is negative; got -1",
                       Error);
  CHECK_THROWS_WITH_AS(nn::positions_in_segments(one, {1}),
                       "positions_in_segments: offsets do not fit; got 1; expected 2, one for each segment", Error);
}

TEST_CASE("decoding: options that do not fit the heads are refused") {
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention(6, 2, {.rotary = RotaryOptions{}}),
                       "MultiHeadAttention: rotary positions turn pairs of channels; got heads of width 3", Error);
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention(6, 2, {.attention = {.alibi_slopes = {1.0}}}),
                       "MultiHeadAttention: attention.alibi_slopes do not fit; got 1; expected 2 or none", Error);
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention(6, 2, {.attention = {.query_offsets = {1}}}),
                       "MultiHeadAttention: attention.query_offsets go with each call; see attend()", Error);
  CHECK(AttentionOptions::slopes_of_heads(4) == std::vector<double>{0.25, 0.0625, 0.015625, 0.00390625});
  CHECK(AttentionOptions::slopes_of_heads(3) == std::vector<double>{0.0625, 0.00390625, 0.25});
}
