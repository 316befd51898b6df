// Attention with relative positions beside loops over pairs of positions and beside PyTorch, and where the registry's
// small samples do not reach: sequences of several tiles, memory, threads.

#include "saw/autograd/ops/relative_attention.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/rearrange.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace {

using saw::AttentionOptions;
using saw::Segments;
using saw::Tensor;
using saw::TensorList;

constexpr std::size_t operand_count = 6;
constexpr std::array<const char*, operand_count> operand_names = {"query",     "key",          "value",
                                                                  "positions", "content_bias", "position_bias"};

struct Operands {
  TensorList leaves;  // in the order of the names
  Tensor gradient;    // of the output
  Segments segments;
  AttentionOptions options;

  Tensor attend() const {
    return saw::relative_attention(leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], leaves[5], segments, options);
  }
};

Operands make_operands(saw::DType dtype, const Segments& segments, std::int64_t heads, std::int64_t width,
                       std::int64_t value_width, const AttentionOptions& options, std::int64_t longer = 0) {
  saw::Generator generator(3);
  const auto normal = [&](const saw::Shape& shape) { return saw::randn(shape, generator, dtype); };
  const std::int64_t rows = segments.rows(), distances = 2 * (segments.max_length() + longer) - 1;
  Operands o{{normal({rows, heads, width}), normal({rows, heads, width}), normal({rows, heads, value_width}),
              normal({distances, heads, width}), normal({heads, width}), normal({heads, width})},
             normal({rows, heads, value_width}),
             segments,
             options};
  for (const Tensor& leaf : o.leaves) leaf.set_requires_grad(true);
  return o;
}

/// The output and the gradients of all operands: the fused ones, or (with `reference`) those of the op made of plain
/// ops, which is what the engine differentiates when the backward is itself recorded.
TensorList outcome(const Operands& o, bool reference = false) {
  const saw::GeneratorGuard generator{saw::Generator(5)};
  const Tensor y = o.attend();
  TensorList all = saw::grad({y}, o.leaves, {.grad_outputs = {o.gradient}, .create_graph = reference});
  all.insert(all.begin(), y);
  return all;
}

/// The output, from the definition, one pair of positions after the other.
Tensor by_hand(const Operands& o) {
  const std::int64_t heads = o.leaves[0].size(1), width = o.leaves[0].size(2), value_width = o.leaves[2].size(2);
  const std::int64_t zero = o.leaves[3].size(0) / 2;
  std::array<std::vector<double>, operand_count> x;
  for (std::size_t i = 0; i < operand_count; ++i) x[i] = o.leaves[i].detach().to(saw::float64).to_vector<double>();
  const auto at = [](const std::vector<double>& values, std::int64_t index) {
    return values[static_cast<std::size_t>(index)];
  };
  std::vector<double> result;
  for (std::int64_t s = 0; s < o.segments.count(); ++s) {
    const std::int64_t begin = o.segments.begin(s), length = o.segments.length(s);
    for (std::int64_t i = 0; i < length; ++i) {
      for (std::int64_t h = 0; h < heads; ++h) {
        double total = 0;
        std::vector<double> sums(static_cast<std::size_t>(value_width));
        for (std::int64_t j = 0; j < length; ++j) {
          if (i - j > o.options.left || j - i > o.options.right) continue;
          const std::int64_t distance = i - j;
          double score = 0;
          for (std::int64_t p = 0; p < width; ++p) {
            const double q = at(x[0], ((begin + i) * heads + h) * width + p);
            score += (q + at(x[4], h * width + p)) * at(x[1], ((begin + j) * heads + h) * width + p);
            score += (q + at(x[5], h * width + p)) * at(x[3], ((zero - distance) * heads + h) * width + p);
          }
          const double weight = std::exp(score / std::sqrt(static_cast<double>(width)));
          total += weight;
          for (std::int64_t p = 0; p < value_width; ++p)
            sums[static_cast<std::size_t>(p)] += weight * at(x[2], ((begin + j) * heads + h) * value_width + p);
        }
        for (const double sum : sums) result.push_back(sum / total);
      }
    }
  }
  return saw::tensor(result, {o.segments.rows(), heads, value_width});
}

/// Rows of x in the opposite order within each segment.
Tensor reversed(const Tensor& x, const Segments& segments) {
  TensorList parts;
  for (std::int64_t s = 0; s < segments.count(); ++s)
    parts.push_back(saw::flip(saw::slice(x.detach(), 0, segments.begin(s), segments.end(s)), {0}));
  return saw::cat(parts, 0);
}

const std::vector<AttentionOptions>& windows() {
  static const std::vector<AttentionOptions> all = {{},
                                                    AttentionOptions::causal(),
                                                    AttentionOptions::window(9, 3),
                                                    AttentionOptions::window(64, 0),
                                                    AttentionOptions::window(0, 70)};
  return all;
}

const Segments ragged = Segments::from_lengths({3, 150, 0, 70, 64, 1, 129});

}  // namespace

TEST_CASE("relative attention: the definition by loops over i and j, in sequences of several tiles") {
  for (const AttentionOptions& options : windows()) {
    for (const saw::DType dtype : {saw::float64, saw::float32}) {
      const Operands o = make_operands(dtype, ragged, 2, 20, 17, options, 3);
      const Tensor expected = by_hand(o);
      // Scores of 40 products, each of a few roundings, in the exponent.
      CHECK_EQ(test::difference(o.attend(), expected, 256 * test::epsilon(dtype) * test::magnitude(expected)), "");
    }
  }
}

TEST_CASE("relative attention: fused gradients are those of plain ops, in sequences of several tiles") {
  std::vector<AttentionOptions> all = windows();
  all.push_back({.right = 50, .dropout = 0.3});
  for (const saw::DType dtype : {saw::float64, saw::float32}) {
    for (const AttentionOptions& options : all) {
      CAPTURE(options.left);
      CAPTURE(options.right);
      const Operands o = make_operands(dtype, ragged, 2, 20, 17, options, 3);
      const TensorList fused = outcome(o), plain = outcome(o, true);
      REQUIRE(fused.size() == plain.size());
      for (std::size_t i = 1; i < fused.size(); ++i) {
        CAPTURE(operand_names[i - 1]);
        CHECK_EQ(test::difference(fused[i], plain[i], 64 * test::epsilon(dtype) * test::magnitude(plain[i])), "");
      }
    }
  }
}

TEST_CASE("relative attention: output and all gradients equal PyTorch's") {
  const test::Golden golden("relative_attention.safetensors");
  struct Case {
    std::string name;
    AttentionOptions options = {};
  };
  for (const Case& c : {Case{"full"}, Case{"longer_positions"}, Case{"scale", {.scale = 0.7}},
                        Case{"causal", {.right = 0}}, Case{"window", {.left = 2, .right = 1}}, Case{"long"}}) {
    CAPTURE(c.name);
    for (const saw::DType dtype : {saw::float64, saw::float32}) {
      const double tolerance = dtype == saw::float64 ? 1e-10 : 1e-5;
      Operands o{{}, golden.at(c.name + ".grad_output").to(dtype), golden.segments(c.name + ".lengths"), c.options};
      for (const char* operand : operand_names)
        o.leaves.push_back(golden.at(c.name + ".input." + operand).to(dtype).clone().set_requires_grad(true));
      const TensorList results = outcome(o);
      for (std::size_t i = 0; i < results.size(); ++i) {
        const std::string what = i == 0 ? std::string(".output") : std::string(".grad.") + operand_names[i - 1];
        CAPTURE(what);
        const Tensor expected = golden.at(c.name + what);
        CHECK_EQ(test::difference(results[i], expected, tolerance * (1 + test::magnitude(expected))), "");
      }
    }
  }
}

TEST_CASE("relative attention: past and future differ, and change places when time runs backwards") {
  const Operands o = make_operands(saw::float64, ragged, 2, 8, 8, AttentionOptions::window(9, 40));
  Operands mirrored = o;
  mirrored.leaves[3] = saw::flip(o.leaves[3].detach(), {0});
  const Tensor y = o.attend();
  // With the signs of all distances changed, something else comes out …
  CHECK(test::magnitude(y - mirrored.attend()) > 0.1);
  // … unless the sequences and the window are turned round as well.
  mirrored.options = AttentionOptions::window(40, 9);
  for (std::size_t i = 0; i < 3; ++i) mirrored.leaves[i] = reversed(o.leaves[i], o.segments);
  CHECK_EQ(test::difference(reversed(mirrored.attend(), o.segments), y, 1e-13), "");
}

TEST_CASE("relative attention: with one query for all, a position alone decides where it looks") {
  // Keys and queries are 0, u is 0 and v is 1: the score is r_{i−j}, here large at distance 2 alone.
  const std::int64_t length = 100;
  const Tensor zeros = saw::zeros({length, 1, 1}, saw::float64), zero = saw::zeros({1, 1}, saw::float64);
  std::vector<double> r(2 * length - 1, 0.0);
  r[length - 1 - 2] = 100.0;
  const Tensor positions = saw::tensor(r, {2 * length - 1, 1, 1}), steps = saw::arange(length).to(saw::float64);
  const Tensor y = saw::relative_attention(zeros, zeros, steps.reshape({length, 1, 1}), positions, zero, zero + 1.0,
                                           Segments::single(length));
  const std::vector<double> looked_at = y.to_vector<double>();
  for (std::size_t i = 2; i < looked_at.size(); ++i) CHECK(looked_at[i] == doctest::Approx(static_cast<double>(i) - 2));
}

TEST_CASE("relative attention: a sequence gets the same bits alone, in a batch, and beside NaN") {
  const Segments segments = Segments::from_lengths({17, 1, 300, 0, 5, 64});
  const auto of_rows = [](std::size_t operand) { return operand < 3; };
  for (const AttentionOptions& options : windows()) {
    const Operands batch = make_operands(saw::float32, segments, 3, 20, 16, options);
    const TensorList together = outcome(batch);
    for (std::int64_t s = 0; s < segments.count(); ++s) {
      const auto own_rows = [&](const Tensor& x) {
        return saw::slice(x.detach(), 0, segments.begin(s), segments.end(s)).clone();
      };
      std::vector<std::int64_t> own(static_cast<std::size_t>(segments.rows()), 0);
      for (std::int64_t row = segments.begin(s); row < segments.end(s); ++row) own[static_cast<std::size_t>(row)] = 1;
      const Tensor others = saw::equal(saw::reshape(saw::tensor(own), {segments.rows(), 1, 1}), 0);
      const auto poison = [&](const Tensor& x) {
        return saw::masked_fill(x.detach(), others, std::numeric_limits<double>::quiet_NaN()).clone();
      };
      Operands single = batch, poisoned = batch;
      for (std::size_t i = 0; i < operand_count; ++i) {
        if (!of_rows(i)) continue;
        single.leaves[i] = own_rows(batch.leaves[i]).set_requires_grad(true);
        poisoned.leaves[i] = poison(batch.leaves[i]).set_requires_grad(true);
      }
      single.gradient = own_rows(batch.gradient);
      single.segments = Segments::single(segments.length(s));
      poisoned.gradient = poison(batch.gradient);
      const TensorList alone = outcome(single), beside = outcome(poisoned);
      for (std::size_t i = 0; i <= 3; ++i) {  // the output and the gradients of queries, keys and values
        CHECK_MESSAGE(test::same_bits(test::copy_of(alone[i]), own_rows(together[i])), "segment ", s, ", result ", i);
        CHECK_MESSAGE(test::same_bits(own_rows(beside[i]), own_rows(together[i])), "segment ", s,
                      " beside NaN, result ", i);
      }
    }
  }
}

TEST_CASE("relative attention: distances that no segment has play no part") {
  const Operands exact = make_operands(saw::float32, ragged, 2, 12, 12, {});
  const std::int64_t rows = exact.leaves[3].size(0), extra = 5;
  Operands longer = exact;
  const Tensor nan = saw::full({extra, 2, 12}, std::numeric_limits<double>::quiet_NaN());
  longer.leaves[3] = saw::cat({nan, exact.leaves[3].detach(), nan}, 0).set_requires_grad(true);
  TensorList expected = outcome(exact), got = outcome(longer);
  const Tensor gradient = got[4];
  CHECK(test::magnitude(saw::slice(gradient, 0, 0, extra)) == 0);
  CHECK(test::magnitude(saw::slice(gradient, 0, rows + extra, rows + 2 * extra)) == 0);
  got[4] = saw::slice(gradient, 0, extra, rows + extra);
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK_MESSAGE(test::same_bits(test::copy_of(got[i]), test::copy_of(expected[i])), "result ", i);
}

TEST_CASE("relative attention: the same bits for every number of threads") {
  const std::vector<Segments> batches = {Segments::from_lengths({2, 700, 9}),
                                         Segments(std::vector<std::int64_t>{0, 30, 31, 95, 160, 160, 200, 270, 333, 340,
                                                                            420, 421, 470, 500, 590, 600, 666, 700})};
  for (const Segments& segments : batches) {
    for (const AttentionOptions& options :
         {AttentionOptions{}, AttentionOptions::window(100, 0), AttentionOptions{.dropout = 0.2}}) {
      const Operands o = make_operands(saw::float32, segments, 2, 24, 24, options);
      const TensorList serial = [&] {
        const test::Threads one(1);
        return outcome(o);
      }();
      for (const int threads : {2, 3, 16}) {
        const test::Threads scope(threads);
        CHECK_MESSAGE(test::same_bits(outcome(o), serial), threads, " threads");
      }
    }
  }
}

TEST_CASE("relative attention: only the gradients that are wanted are computed, with the same bits") {
  const Operands o = make_operands(saw::float32, ragged, 2, 12, 9, AttentionOptions::window(40, 90));
  const TensorList all = outcome(o);
  for (unsigned subset = 1; subset < 1u << operand_count; ++subset) {
    Operands part = o;
    TensorList wanted;
    for (std::size_t i = 0; i < operand_count; ++i) {
      part.leaves[i] = o.leaves[i].detach();
      if ((subset >> i & 1) == 0) continue;
      part.leaves[i].set_requires_grad(true);
      wanted.push_back(part.leaves[i]);
    }
    const TensorList gradients = saw::grad({part.attend()}, wanted, {.grad_outputs = {o.gradient}});
    std::size_t next = 0;
    for (std::size_t i = 0; i < operand_count; ++i)
      if ((subset >> i & 1) != 0)
        CHECK_MESSAGE(test::same_bits(gradients[next++], all[i + 1]), "subset ", subset, ", ", operand_names[i]);
  }
}

TEST_CASE("relative attention: memory grows with the length, not with its square") {
  const auto peak = [](std::int64_t length) {
    const Operands o = make_operands(saw::float32, Segments::single(length), 1, 8, 8, AttentionOptions::window(31, 32));
    const std::size_t before = saw::memory_stats().active_bytes;
    saw::reset_peak_memory();
    outcome(o);
    return static_cast<double>(saw::memory_stats().peak_bytes - before);
  };
  const double small = peak(4096), large = peak(16384);
  CHECK(large < 6 * small);
  CHECK(large < 16384.0 * 1024);  // the scores alone would take 64 times as much
}

TEST_CASE("relative attention: memory for the gradient of positions does not grow with the number of segments") {
  const auto peak_beyond_rows = [](std::int64_t count) {
    const Segments segments = Segments::from_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(count), 60));
    const Operands o = make_operands(saw::float32, segments, 2, 8, 8, {});
    const std::size_t before = saw::memory_stats().active_bytes;
    saw::reset_peak_memory();
    outcome(o);
    // Output, logsumexp and the gradients of queries, keys and values.
    const double rows = 4.0 * 2 * static_cast<double>(segments.rows()) * (4 * 8 + 1);
    return static_cast<double>(saw::memory_stats().peak_bytes - before) - rows;
  };
  const double positions = 4.0 * 2 * 119 * 8;
  // Blocks come in size classes, up to a quarter larger than what was asked for.
  CHECK(peak_beyond_rows(800) - peak_beyond_rows(100) < 0.25 * 4 * 2 * 60 * 800 * (4 * 8 + 1) + 20 * positions);
}

TEST_CASE("relative attention: steps of one size ask nothing of the system") {
  const test::Threads one(1);  // with more, tasks may first need their memory at the same time in any step
  const Operands o = make_operands(saw::float32, ragged, 2, 20, 20, {.dropout = 0.1});
  for (int i = 0; i < 5; ++i) outcome(o);
  const auto before = saw::memory_stats();
  for (int i = 0; i < 20; ++i) outcome(o);
  CHECK(saw::memory_stats().allocations > before.allocations);
  CHECK(saw::memory_stats().system_allocations == before.system_allocations);
}

TEST_CASE("relative attention: dropout drops the wanted share, differently at each call") {
  // Equal scores and values of one: the output is the kept share of the weights over 1 − p.
  const std::int64_t rows = 300;
  const Tensor x = saw::zeros({rows, 2, 4}), ones = saw::ones({rows, 2, 1}), bias = saw::zeros({2, 4});
  const Tensor positions = saw::zeros({2 * rows - 1, 2, 4});
  const saw::GeneratorGuard generator{saw::Generator(1)};
  const auto call = [&] {
    return saw::relative_attention(x, x, ones, positions, bias, bias, Segments::single(rows), {.dropout = 0.25});
  };
  const Tensor first = call(), second = call();
  // 180,000 draws: the mean is within 5 standard deviations of 1.
  CHECK(first.mean().item() == doctest::Approx(1.0).epsilon(0.007));
  CHECK(!test::same_bits(first, second));
}

TEST_CASE("relative attention: without positions and biases it is attention") {
  for (const AttentionOptions& options : windows()) {
    Operands o = make_operands(saw::float64, ragged, 2, 12, 9, options);
    for (std::size_t i = 3; i < operand_count; ++i) o.leaves[i] = saw::zeros_like(o.leaves[i]);
    const Tensor expected = saw::attention(o.leaves[0], o.leaves[1], o.leaves[2], ragged, ragged, options);
    CHECK_EQ(test::difference(o.attend(), expected, 1e-13), "");
  }
}

TEST_CASE("relative attention: large scores of either sign neither overflow nor vanish") {
  const Tensor query = saw::full({3, 1, 1}, 100.0), key = saw::tensor({50.0, -50.0, 49.99}).reshape({3, 1, 1});
  const Tensor value = saw::tensor({1.0, 2.0, 3.0}).reshape({3, 1, 1});
  const Tensor y = saw::relative_attention(query, key, value, saw::zeros({5, 1, 1}), saw::zeros({1, 1}),
                                           saw::zeros({1, 1}), Segments::single(3));
  // Weights 1 : 0 : e⁻¹, for scores 5000, −5000 and 4999 (whose float32 neighbours are 0.0005 apart).
  CHECK(y.to_vector<float>()[0] == doctest::Approx((1 + 3 * 0.36788) / 1.36788).epsilon(1e-3));
}
