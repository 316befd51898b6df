// A long training run asks for no more memory than a short one.

#include <doctest/doctest.h>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Segments;
using saw::Tensor;
using saw::TensorList;

/// A tagger of one block: embedding, convolution, attention, norm, loss.
struct Model {
  static constexpr std::int64_t width = 32, heads = 4, words = 300, tags = 17;
  saw::Generator generator{1};
  TensorList weights{parameter({words, width}), parameter({width, width, 3}), parameter({3 * width, width}),
                     parameter({width}),        parameter({width}),           parameter({tags, width})};

  Tensor parameter(const saw::Shape& shape) { return (saw::randn(shape, generator) * 0.1).set_requires_grad(true); }

  Tensor loss(const Segments& sentences) {
    const std::int64_t rows = sentences.rows();
    const Tensor ids = saw::randint(0, words, {rows}, generator), targets = saw::randint(0, tags, {rows}, generator);
    Tensor x = saw::dropout(saw::embedding(weights[0], ids), 0.3, generator);
    x = x + saw::gelu(saw::conv1d(x, sentences, weights[1]));
    const Tensor projected = saw::linear(x, weights[2]).reshape({rows, 3 * heads, width / heads});
    const TensorList parts = saw::split(projected, heads, 1);
    const Tensor seen = saw::attention(parts[0], parts[1], parts[2], sentences, sentences).reshape({rows, width});
    x = saw::layer_norm(x + seen, weights[3], weights[4]);
    return saw::cross_entropy(saw::linear(x, weights[5]), targets);
  }

  void step(const Segments& sentences) {
    loss(sentences).backward();
    const saw::NoGradGuard no_grad;
    for (const Tensor& weight : weights) {
      weight.add_(weight.grad(), -0.05);
      weight.zero_grad();
    }
  }

  /// A batch of some 300 words in sentences of random lengths.
  Segments sentences() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t rows = 0; rows < 300; rows += lengths.back())
      lengths.push_back(saw::randint(0, 60, {1}, generator).to_vector<std::int64_t>()[0]);
    return Segments::from_lengths(lengths);
  }
};

TEST_CASE("steady state: after a step, live bytes and nodes return to what they were") {
  Model model;
  model.step(model.sentences());
  const auto nodes = saw::live_nodes();
  const auto bytes = saw::memory_stats().active_bytes;
  for (int i = 0; i < 20; ++i) {
    model.step(model.sentences());
    CHECK(saw::live_nodes() == nodes);
    CHECK(saw::memory_stats().active_bytes == bytes);
  }
}

TEST_CASE("steady state: steps of one size ask nothing of the system") {
  Model model;
  const auto sentences = Segments::from_lengths({30, 5, 61, 1, 44});
  for (int i = 0; i < 5; ++i) model.step(sentences);
  const auto before = saw::memory_stats();
  for (int i = 0; i < 20; ++i) model.step(sentences);
  const auto after = saw::memory_stats();
  CHECK(after.allocations > before.allocations);
  CHECK(after.system_allocations == before.system_allocations);
}

TEST_CASE("steady state: 1,000 steps over random lengths keep the memory of 200") {
  Model model;
  const int steps = test::sanitized() ? 250 : 1000;
  std::size_t resident = 0, cached = 0;
  for (int i = 1; i <= steps; ++i) {
    model.step(model.sentences());
    if (i == 200) {
      resident = test::resident_bytes();
      cached = saw::memory_stats().cached_bytes + saw::memory_stats().active_bytes;
    }
  }
  const std::size_t held = saw::memory_stats().cached_bytes + saw::memory_stats().active_bytes;
  CAPTURE(cached);
  CAPTURE(held);
  CHECK(static_cast<double>(held) <= 1.05 * static_cast<double>(cached));
  if (test::sanitized()) return;  // quarantine keeps what was freed
  const std::size_t at_end = test::resident_bytes();
  CAPTURE(resident);
  CAPTURE(at_end);
  CHECK(static_cast<double>(at_end) <= 1.05 * static_cast<double>(resident));
}

}  // namespace
