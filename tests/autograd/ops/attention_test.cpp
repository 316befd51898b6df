// Attention where the registry's small samples do not reach: sequences of several tiles, ways to cut the work, memory.

#include "saw/autograd/ops/attention.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::AttentionOptions;
using saw::Segments;
using saw::Tensor;
using saw::TensorList;

struct Operands {
  Tensor query, key, value, bias, gradient;  // bias may be undefined
  Segments query_segments, key_segments;
  AttentionOptions options;

  TensorList leaves() const {
    TensorList all = {query, key, value};
    if (bias.defined()) all.push_back(bias);
    return all;
  }
};

Operands make_operands(saw::DType dtype, const Segments& query_segments, const Segments& key_segments,
                       std::int64_t heads, std::int64_t width, std::int64_t value_width,
                       const AttentionOptions& options, const saw::Shape& bias = {}) {
  saw::Generator generator(3);
  const auto normal = [&](const saw::Shape& shape) { return saw::randn(shape, generator, dtype); };
  Operands o{normal({query_segments.rows(), heads, width}),
             normal({key_segments.rows(), heads, width}),
             normal({key_segments.rows(), heads, value_width}),
             bias.empty() ? Tensor() : normal(bias),
             normal({query_segments.rows(), heads, value_width}),
             query_segments,
             key_segments,
             options};
  for (const Tensor& leaf : o.leaves()) leaf.set_requires_grad(true);
  return o;
}

/// The output and the gradients of all operands: the fused ones, or (with `reference`) those of the op made of plain
/// ops, which is what the engine differentiates when the backward is itself recorded.
TensorList outcome(const Operands& o, bool reference = false) {
  const saw::GeneratorGuard generator{saw::Generator(5)};
  const Tensor y = saw::attention(o.query, o.key, o.value, o.query_segments, o.key_segments, o.options, o.bias);
  TensorList all = saw::grad({y}, o.leaves(), {.grad_outputs = {o.gradient}, .create_graph = reference});
  all.insert(all.begin(), y);
  return all;
}

/// The output by way of whole matrices of weights.
Tensor by_weights(const Operands& o) {
  const saw::NoGradGuard no_grad;
  TensorList parts;
  for (std::int64_t s = 0; s < o.query_segments.count(); ++s) {
    const Tensor weights =
        saw::attention_weights(o.query, o.key, o.query_segments, o.key_segments, s, o.options, o.bias);
    const Tensor value = saw::slice(o.value, 0, o.key_segments.begin(s), o.key_segments.end(s)).transpose(0, 1);
    parts.push_back(saw::matmul(weights, value).transpose(0, 1));
  }
  return saw::cat(parts, 0);
}

/// What dropout does to the bits of a batch depends on the rows' places in it, all else does not.
Operands part_of(const Operands& o, std::int64_t segment) {
  const auto rows = [&](const Tensor& x, const Segments& s) {
    return saw::slice(x.detach(), 0, s.begin(segment), s.end(segment)).clone().set_requires_grad(true);
  };
  return {rows(o.query, o.query_segments),
          rows(o.key, o.key_segments),
          rows(o.value, o.key_segments),
          o.bias,
          saw::slice(o.gradient, 0, o.query_segments.begin(segment), o.query_segments.end(segment)),
          Segments::single(o.query_segments.length(segment)),
          Segments::single(o.key_segments.length(segment)),
          o.options};
}

TEST_CASE("attention: sequences of several tiles give what the reference gives, forward and backward") {
  const Segments self = Segments::from_lengths({3, 150, 0, 70, 64, 1, 129});
  const Segments cross = Segments::from_lengths({5, 290, 2, 64, 0, 130, 17});
  struct Case {
    std::string name;
    Segments keys;
    AttentionOptions options;
    saw::Shape bias = {};
  };
  const std::vector<Case> cases = {
      {"full", self, {}},
      {"causal", self, AttentionOptions::causal()},
      {"window", self, AttentionOptions::window(9, 3)},
      {"window of a tile", self, AttentionOptions::window(64, 0)},
      {"cross", cross, {}},
      {"cross, window", cross, AttentionOptions::window(30, 40)},
      {"cross, bias", cross, {}, {2, 150, 290}},
      {"bias for all heads, causal", self, AttentionOptions::causal(), {1, 155, 151}},
      {"dropout", cross, {.right = 50, .dropout = 0.3}},
      {"dropout, bias", self, {.dropout = 0.3}, {2, 150, 150}},
      {"offsets, causal", cross, {.right = 0, .query_offsets = {2, 140, 2, 0, 0, 129, 70}}},
      {"linear biases", cross, {.alibi_slopes = {0.3, 0.01}}},
      {"linear biases, window, offsets, bias",
       cross,
       {.left = 70, .right = 5, .query_offsets = {0, 140, 0, 9, 0, 3, 0}, .alibi_slopes = {0.1, 0.0}},
       {1, 150, 290}},
  };
  for (const saw::DType dtype : {saw::float64, saw::float32}) {
    for (const Case& c : cases) {
      const Operands o = make_operands(dtype, self, c.keys, 2, 20, 17, c.options, c.bias);
      const TensorList fused = outcome(o), plain = outcome(o, true);
      REQUIRE(fused.size() == plain.size());
      if (c.options.dropout == 0) {
        const Tensor expected = by_weights(o);
        const std::string wrong =
            test::difference(fused[0], expected, 64 * test::epsilon(dtype) * test::magnitude(expected));
        CHECK_MESSAGE(wrong.empty(), c.name, ", output ", wrong);
      }
      for (std::size_t i = 1; i < fused.size(); ++i) {
        // Sums over at most 290 keys or queries, each of a few dozen roundings.
        const double allowed = 64 * test::epsilon(dtype) * test::magnitude(plain[i]);
        const std::string wrong = test::difference(fused[i], plain[i], allowed);
        CHECK_MESSAGE(wrong.empty(), c.name, ", gradient of operand ", i - 1, " ", wrong);
      }
    }
  }
}

TEST_CASE("attention: a sequence gets the same bits alone, in a batch, and beside NaN") {
  const Segments segments = Segments::from_lengths({17, 1, 200, 0, 5, 64});
  const std::vector<AttentionOptions> all_options = {{}, AttentionOptions::causal(), AttentionOptions::window(20, 70)};
  for (const AttentionOptions& options : all_options) {
    const Operands batch = make_operands(saw::float32, segments, segments, 3, 20, 16, options);
    const TensorList together = outcome(batch);
    for (std::int64_t s = 0; s < segments.count(); ++s) {
      Operands poisoned = batch;
      std::vector<std::int64_t> own(static_cast<std::size_t>(segments.rows()), 0);
      for (std::int64_t row = segments.begin(s); row < segments.end(s); ++row) own[static_cast<std::size_t>(row)] = 1;
      const Tensor others = saw::equal(saw::reshape(saw::tensor(own), {segments.rows(), 1, 1}), 0);
      for (Tensor* x : {&poisoned.query, &poisoned.key, &poisoned.value, &poisoned.gradient})
        *x = saw::masked_fill(x->detach(), others, std::numeric_limits<double>::quiet_NaN()).clone();
      for (const Tensor& leaf : poisoned.leaves()) leaf.set_requires_grad(true);
      const TensorList alone = outcome(part_of(batch, s)), beside = outcome(poisoned);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        const auto rows = [&](const Tensor& x) {
          return test::copy_of(saw::slice(x.detach(), 0, segments.begin(s), segments.end(s)));
        };
        CHECK_MESSAGE(test::same_bits(test::copy_of(alone[i]), rows(together[i])), "segment ", s, ", result ", i);
        CHECK_MESSAGE(test::same_bits(rows(beside[i]), rows(together[i])), "segment ", s, " beside NaN, result ", i);
      }
    }
  }
}

TEST_CASE("attention: later queries over kept keys get the bits that they get beside all queries") {
  const Segments all = Segments::from_lengths({300, 5, 140});
  AttentionOptions linear_bias = AttentionOptions::causal();
  linear_bias.alibi_slopes = {0.5, 0.01};
  const std::vector<AttentionOptions> all_options = {AttentionOptions::causal(), AttentionOptions::window(100, 0),
                                                     linear_bias};
  for (const AttentionOptions& options : all_options) {
    for (const saw::DType dtype : {saw::float32, saw::float64}) {
      const Operands o = make_operands(dtype, all, all, 2, 20, 16, options);
      const saw::NoGradGuard no_grad;
      const Tensor together = saw::attention(o.query, o.key, o.value, all, all, options);
      // One query of each sequence, and the keys up to it.
      for (const std::vector<std::int64_t>& positions :
           {std::vector<std::int64_t>{299, 4, 139}, {0, 0, 0}, {64, 2, 128}, {129, 3, 63}, {200, 1, 127}}) {
        TensorList queries, keys, values, expected;
        std::vector<std::int64_t> lengths;
        for (std::int64_t b = 0; b < all.count(); ++b) {
          const std::int64_t p = positions[static_cast<std::size_t>(b)], row = all.begin(b);
          queries.push_back(saw::slice(o.query, 0, row + p, row + p + 1));
          keys.push_back(saw::slice(o.key, 0, row, row + p + 1));
          values.push_back(saw::slice(o.value, 0, row, row + p + 1));
          expected.push_back(saw::slice(together, 0, row + p, row + p + 1));
          lengths.push_back(p + 1);
        }
        AttentionOptions later = options;
        later.query_offsets = positions;
        const Tensor got = saw::attention(saw::cat(queries, 0), saw::cat(keys, 0), saw::cat(values, 0),
                                          Segments::from_lengths({1, 1, 1}), Segments::from_lengths(lengths), later);
        CHECK(test::same_bits(got, saw::cat(expected, 0)));
      }
    }
  }
}

TEST_CASE("attention: one long sequence gives the same bits for every number of threads") {
  // With more threads than heads, backward computes the gradients of queries and of keys in tasks of their own.
  const Segments segments = Segments::from_lengths({2, 700, 9});
  const std::vector<AttentionOptions> all_options = {{}, AttentionOptions::window(100, 0), {.dropout = 0.2}};
  for (const AttentionOptions& options : all_options) {
    const Operands o = make_operands(saw::float32, segments, segments, 1, 24, 24, options, {1, 700, 700});
    const TensorList serial = [&] {
      const test::Threads one(1);
      return outcome(o);
    }();
    for (const int threads : {2, 5, 16}) {
      const test::Threads scope(threads);
      CHECK_MESSAGE(test::same_bits(outcome(o), serial), threads, " threads");
    }
  }
}

TEST_CASE("attention: memory grows with the length, not with its square") {
  const auto peak = [](std::int64_t length) {
    const Operands o = make_operands(saw::float32, Segments::single(length), Segments::single(length), 1, 8, 8,
                                     AttentionOptions::window(31, 32));
    const std::size_t before = saw::memory_stats().active_bytes;
    saw::reset_peak_memory();
    outcome(o);
    return static_cast<double>(saw::memory_stats().peak_bytes - before);
  };
  const double small = peak(4096), large = peak(16384);
  CHECK(large < 6 * small);
  CHECK(large < 16384.0 * 1024);  // the scores alone would take 64 times as much
}

TEST_CASE("attention: a query without keys gives zeros, and so do its gradients") {
  const Tensor query = saw::randn({3, 1, 4}).set_requires_grad(true);
  const Tensor key = saw::randn({2, 1, 4}).set_requires_grad(true),
               value = saw::randn({2, 1, 4}).set_requires_grad(true);
  SUBCASE("no keys at all") {
    const Tensor y = saw::attention(query, key, value, Segments::from_lengths({1, 2}), Segments::from_lengths({2, 0}));
    CHECK(test::same_bits(test::copy_of(saw::slice(y.detach(), 0, 1, 3)), saw::zeros({2, 1, 4})));
    y.sum().backward();
    CHECK(test::same_bits(test::copy_of(saw::slice(query.grad(), 0, 1, 3)), saw::zeros({2, 1, 4})));
  }
  SUBCASE("all hidden by a bias") {
    const double hide = -std::numeric_limits<double>::infinity();
    const Tensor bias = saw::tensor({{0.0, 0.0}, {hide, hide}, {0.0, hide}}).reshape({1, 3, 2});
    const Tensor y = saw::attention(query, key, value, Segments::single(3), Segments::single(2), {}, bias);
    CHECK(test::same_bits(test::copy_of(saw::slice(y.detach(), 0, 1, 2)), saw::zeros({1, 1, 4})));
    CHECK(test::same_bits(test::copy_of(saw::slice(y.detach(), 0, 2, 3)),
                          test::copy_of(saw::slice(value.detach(), 0, 0, 1))));
    y.sum().backward();
    CHECK(test::same_bits(test::copy_of(saw::slice(query.grad(), 0, 1, 2)), saw::zeros({1, 1, 4})));
    CHECK(test::magnitude(query.grad()) > 0);
  }
}

TEST_CASE("attention: dropout drops the wanted share, differently at each call") {
  // Equal scores and values of one: the output is the kept share of the weights over 1 − p.
  const std::int64_t rows = 300;
  const Tensor x = saw::zeros({rows, 2, 4}), ones = saw::ones({rows, 2, 1});
  const saw::GeneratorGuard generator{saw::Generator(1)};
  const auto call = [&] {
    return saw::attention(x, x, ones, Segments::single(rows), Segments::single(rows), {.dropout = 0.25});
  };
  const Tensor first = call(), second = call();
  // 180,000 draws: the mean is within 5 standard deviations of 1.
  CHECK(first.mean().item() == doctest::Approx(1.0).epsilon(0.007));
  CHECK(!test::same_bits(first, second));
}

TEST_CASE("attention: large scores of either sign neither overflow nor vanish") {
  const Tensor query = saw::full({2, 1, 1}, 100.0), key = saw::tensor({50.0, -50.0, 49.99}).reshape({3, 1, 1});
  const Tensor value = saw::tensor({1.0, 2.0, 3.0}).reshape({3, 1, 1});
  const Tensor y = saw::attention(query, key, value, Segments::single(2), Segments::single(3));
  // Weights 1 : 0 : e⁻¹, for scores 5000, −5000 and 4999 (whose float32 neighbours are 0.0005 apart).
  CHECK(y.to_vector<float>()[0] == doctest::Approx((1 + 3 * 0.36788) / 1.36788).epsilon(1e-3));
}

}  // namespace
