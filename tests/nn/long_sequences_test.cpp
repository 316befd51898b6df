// What a training step over a long sequence needs: memory that grows with its length, not with the square.

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/checkpoint.h"
#include "saw/autograd/ops.h"
#include "saw/nn/nn.h"

using namespace saw;

namespace {

constexpr std::int64_t width = 16;

/// Bytes of a forward and a backward pass over one sequence, beyond what was there before.
std::size_t bytes_of(nn::Module& module, std::int64_t length,
                     const std::function<Tensor(const Tensor& x, const Segments& segments)>& forward) {
  module.zero_grad();
  const Tensor x = randn({length, width});
  reset_peak_memory();
  const std::size_t before = memory_stats().active_bytes;
  forward(x, Segments::single(length)).sum().backward();
  return memory_stats().peak_bytes - before;
}

}  // namespace

TEST_CASE("long sequences: with window attention and checkpoints memory is linear in the length") {
  const GeneratorGuard seeded(Generator(3));
  const AttentionOptions window = AttentionOptions::window(20, 20);
  nn::TransformerEncoderLayer encoder({.width = width, .heads = 2, .feed_forward = 32, .attention = window});
  nn::ConformerLayer conformer({.width = width, .heads = 2, .feed_forward = 32, .kernel = 7, .attention = window});
  nn::LSTM lstm({.input_size = width, .hidden_size = width, .bidirectional = true});
  const auto check = [](const std::string& name, nn::Module& module, const auto& forward) {
    CAPTURE(name);
    const auto again = [&](const Tensor& x, const Segments& segments) {
      return checkpoint([&](const TensorList& in) { return forward(in[0], segments); }, {x}, module.parameters());
    };
    bytes_of(module, 500, again);  // gradients and packed weights are there from now on
    const std::size_t once = bytes_of(module, 2000, again), twice = bytes_of(module, 4000, again);
    CHECK(twice < 3 * once);                                  // the square would be four times
    CHECK(twice < std::size_t{4000} * 4000 * sizeof(float));  // one head's scores
  };
  check("encoder", encoder, [&](const Tensor& x, const Segments& s) { return encoder.forward(x, s); });
  check("conformer", conformer, [&](const Tensor& x, const Segments& s) { return conformer.forward(x, s); });
  check("lstm", lstm, [&](const Tensor& x, const Segments& s) { return lstm.forward(x, s).rows; });
}

TEST_CASE("long sequences: a stack of checkpointed layers keeps what lies between them, and has the same gradients") {
  const GeneratorGuard seeded(Generator(4));
  constexpr std::size_t layers = 6;
  std::vector<std::unique_ptr<nn::TransformerEncoderLayer>> stack;
  for (std::size_t i = 0; i < layers; ++i)
    stack.push_back(std::make_unique<nn::TransformerEncoderLayer>(
        nn::TransformerOptions{.width = width,
                               .heads = 2,
                               .feed_forward = 64,
                               .dropout = 0.1,
                               .attention = AttentionOptions::window(10, 10)}));
  const Tensor x = randn({2000, width});
  const Segments segments = Segments::single(2000);
  const auto pass = [&](bool checkpointed) {
    const GeneratorGuard repeated(Generator(5));
    for (const auto& layer : stack) layer->zero_grad();
    reset_peak_memory();
    const std::size_t before = memory_stats().active_bytes;
    Tensor y = x;
    for (const auto& layer : stack) {
      const auto run = [&](const TensorList& in) { return layer->forward(in[0], segments); };
      y = checkpointed ? checkpoint(run, {y}, layer->parameters()) : run({y});
    }
    square(y).sum().backward();
    std::vector<float> gradients;
    for (const auto& layer : stack)
      for (const Tensor& parameter : layer->parameters()) {
        const auto values = parameter.grad().to_vector<float>();
        gradients.insert(gradients.end(), values.begin(), values.end());
      }
    return std::pair(memory_stats().peak_bytes - before, gradients);
  };
  pass(true);
  const auto [kept_bytes, kept] = pass(false);
  const auto [again_bytes, again] = pass(true);
  CHECK(again == kept);
  CHECK(2 * again_bytes < kept_bytes);
}
