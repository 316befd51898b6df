// RelativeMultiHeadAttention beside PyTorch and beside its parts.

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/multi_head_attention.h"
#include "saw/nn/relative_attention.h"
#include "support/golden.h"
#include "support/tensors.h"

using namespace saw;

namespace {

std::string wrong(const Tensor& actual, const Tensor& expected, double tolerance) {
  return test::difference(actual, expected, tolerance * (1 + test::magnitude(expected)));
}

}  // namespace

TEST_CASE("relative positions: sines and cosines of the distances from far past to far future") {
  const std::int64_t length = 5, width = 7;
  const Tensor encodings = nn::relative_positions(length, width, float64);
  REQUIRE(encodings.shape() == Shape{2 * length - 1, width});
  const std::vector<double> values = encodings.to_vector<double>();
  for (std::int64_t row = 0; row < 2 * length - 1; ++row) {
    const auto k = static_cast<double>(length - 1 - row);
    for (std::int64_t i = 0; i < width; ++i) {
      const double angle = k / std::pow(10000.0, static_cast<double>(i / 2 * 2) / static_cast<double>(width));
      CHECK(values[static_cast<std::size_t>(row * width + i)] ==
            doctest::Approx(i % 2 == 0 ? std::sin(angle) : std::cos(angle)).epsilon(1e-14));
    }
  }
  CHECK(nn::relative_positions(1, 2).to_vector<float>() == std::vector<float>{0.0f, 1.0f});
  CHECK(nn::relative_positions(3, 0).shape() == Shape{5, 0});
  CHECK_THROWS_WITH_AS(nn::relative_positions(0, 4), "relative_positions: the length must be at least 1; got 0", Error);
}

TEST_CASE("relative attention layer: output and all gradients equal PyTorch's") {
  const test::Golden golden("relative_attention.safetensors");
  const Segments segments = golden.segments("layer.lengths");
  for (const DType dtype : {float64, float32}) {
    const double tolerance = dtype == float64 ? 1e-10 : 1e-5;
    nn::RelativeMultiHeadAttention layer(12, 3);
    layer.to(dtype);
    StateDict state;
    for (const auto& [name, tensor] : golden.below("layer.state.")) state.emplace_back(name, tensor.to(dtype));
    layer.load_state_dict(state);
    const Tensor x = golden.at("layer.input").to(dtype).clone().set_requires_grad(true);
    const Tensor y = layer.forward(x, segments);
    CHECK_EQ(wrong(y, golden.at("layer.output"), tolerance), "");
    y.backward(golden.at("layer.grad_output").to(dtype));
    CHECK_EQ(wrong(x.grad(), golden.at("layer.grad_input"), tolerance), "");
    for (const auto& named : layer.named_parameters()) {
      const std::string& parameter = named.first;  // clang 14 captures no structured bindings
      CAPTURE(parameter);
      CHECK_EQ(wrong(named.second.grad(), golden.at("layer.grad." + parameter), tolerance), "");
    }
  }
}

TEST_CASE("relative attention layer: parameters and how they begin") {
  const GeneratorGuard seeded(Generator(4));
  const nn::RelativeMultiHeadAttention layer(24, 4);
  const StateDict parameters = layer.named_parameters();
  const auto check = [&](const std::string& name, const Shape& shape, double low, double high) {
    CAPTURE(name);
    const Tensor parameter = find_tensor(parameters, name);
    REQUIRE(parameter.defined());
    CHECK(parameter.shape() == shape);
    CHECK(test::magnitude(parameter) <= high);
    CHECK(test::magnitude(parameter) >= low);
  };
  const double stacked = std::sqrt(6.0 / (24 + 72)), bias = std::sqrt(6.0 / (4 + 6)), linear = 1 / std::sqrt(24.0);
  check("in_proj_weight", {72, 24}, 0.9 * stacked, stacked);
  check("in_proj_bias", {72}, 0, 0);
  check("out_proj.weight", {24, 24}, 0.9 * linear, linear);
  check("out_proj.bias", {24}, 0, 0);
  check("linear_pos.weight", {24, 24}, 0.9 * linear, linear);
  check("pos_bias_u", {4, 6}, 0.5 * bias, bias);
  check("pos_bias_v", {4, 6}, 0.5 * bias, bias);
  CHECK(parameters.size() == 7);
  const nn::RelativeMultiHeadAttention without(24, 4, {.bias = false});
  CHECK(without.named_parameters().size() == 5);
}

TEST_CASE("relative attention layer: without positions and their biases it is multi-head attention") {
  const GeneratorGuard seeded(Generator(5));
  const Segments segments = Segments::from_lengths({6, 0, 1, 70});
  nn::RelativeMultiHeadAttention relative(12, 3, {.attention = AttentionOptions::window(3, 40)});
  nn::MultiHeadAttention plain(12, 3, {.attention = AttentionOptions::window(3, 40)});
  plain.load_state_dict(relative.state_dict(), false);
  for (const char* name : {"linear_pos.weight", "pos_bias_u", "pos_bias_v"})
    relative.load_state_dict({{name, zeros_like(find_tensor(relative.named_parameters(), name))}}, false);
  const NoGradGuard no_grad;
  const Tensor x = randn({segments.rows(), 12});
  CHECK_EQ(wrong(relative.forward(x, segments), plain.forward(x, segments), 1e-6), "");
}

TEST_CASE("relative attention layer: a longer sequence than any before, and shorter ones after it") {
  const GeneratorGuard seeded(Generator(6));
  nn::RelativeMultiHeadAttention used(8, 2);
  const NoGradGuard no_grad;
  for (const DType dtype : {float32, float64}) {
    used.to(dtype);
    for (const std::int64_t length : {1, 3, 64, 65, 500, 129, 2, 0}) {
      CAPTURE(length);
      nn::RelativeMultiHeadAttention once(8, 2);
      once.to(dtype);
      once.load_state_dict(used.state_dict());
      const Tensor x = randn({length, 8}, dtype);
      CHECK(test::same_bits(used.forward(x, Segments::single(length)), once.forward(x, Segments::single(length))));
    }
  }
}

TEST_CASE("relative attention layer: threads may share one that grows") {
  const GeneratorGuard seeded(Generator(7));
  const nn::RelativeMultiHeadAttention layer(8, 2);
  const std::vector<std::int64_t> lengths = {10, 90, 300, 40, 700};
  TensorList inputs, results(lengths.size());
  for (const std::int64_t length : lengths) inputs.push_back(randn({length, 8}));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    threads.emplace_back([&, i] {
      const NoGradGuard no_grad;
      results[i] = layer.forward(inputs[i], Segments::single(lengths[i]));
    });
  for (std::thread& thread : threads) thread.join();
  const NoGradGuard no_grad;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    CHECK(test::same_bits(results[i], layer.forward(inputs[i], Segments::single(lengths[i]))));
}

TEST_CASE("relative attention layer: order matters, and so does direction") {
  const GeneratorGuard seeded(Generator(8));
  nn::RelativeMultiHeadAttention layer(8, 2);
  const NoGradGuard no_grad;
  // Equal rows have equal queries, keys and values: only by looking at others can positions differ; the last row is
  // another one, so that its distance shows.
  const Tensor row = randn({1, 8}), other = randn({1, 8});
  const Tensor forwards = layer.forward(cat({row, row, row, row, other}, 0), Segments::single(5));
  const Tensor backwards = layer.forward(cat({other, row, row, row, row}, 0), Segments::single(5));
  CHECK(test::magnitude(forwards.slice(0, 0, 1) - forwards.slice(0, 3, 4)) > 1e-3);
  CHECK(test::magnitude(forwards.slice(0, 0, 1) - backwards.slice(0, 4, 5)) > 1e-3);
}

TEST_CASE("relative attention layer: weights are those of forward") {
  const GeneratorGuard seeded(Generator(9));
  const Segments segments = Segments::from_lengths({4, 0, 66});
  for (const AttentionOptions& options : {AttentionOptions::full(), AttentionOptions::window(2, 5)}) {
    nn::RelativeMultiHeadAttention layer(8, 2, {.dropout = 0.5, .attention = options});
    layer.to(float64);
    layer.eval();
    const Tensor x = randn({segments.rows(), 8}, float64);
    const Tensor y = layer.forward(x, segments);
    const StateDict state = layer.state_dict();
    const NoGradGuard no_grad;
    const Tensor value = linear(x, find_tensor(state, "in_proj_weight").slice(0, 16, 24)).reshape({70, 2, 4});
    for (std::int64_t s = 0; s < segments.count(); ++s) {
      const std::int64_t length = segments.length(s);
      const Tensor weights = layer.weights(x, segments, s);
      REQUIRE(weights.shape() == Shape{2, length, length});
      CHECK_EQ(wrong(sum(weights, {-1}), ones({2, length}, float64), 1e-14), "");
      const Tensor v = value.slice(0, segments.begin(s), segments.end(s)).transpose(0, 1);
      const Tensor heads = matmul(weights, v).transpose(0, 1).reshape({length, 8});
      const Tensor expected = linear(heads, find_tensor(state, "out_proj.weight"));
      CHECK_EQ(wrong(y.slice(0, segments.begin(s), segments.end(s)), expected, 1e-12), "");
    }
  }
}

TEST_CASE("relative attention layer: dropout in training alone") {
  const GeneratorGuard seeded(Generator(10));
  nn::RelativeMultiHeadAttention layer(8, 2, {.dropout = 0.5});
  const NoGradGuard no_grad;
  const Tensor x = randn({20, 8});
  const Segments segments = Segments::from_lengths({13, 7});
  CHECK(!test::same_bits(layer.forward(x, segments), layer.forward(x, segments)));
  layer.eval();
  CHECK(test::same_bits(layer.forward(x, segments), layer.forward(x, segments)));
}

TEST_CASE("relative attention layer: gradients by differences") {
  const GeneratorGuard seeded(Generator(11));
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  nn::RelativeMultiHeadAttention layer(4, 2, {.attention = AttentionOptions::window(2, 3)});
  layer.to(float64);
  const StateDict parameters = layer.named_parameters();
  TensorList inputs = {randn({8, 4}, float64).set_requires_grad(true)};
  for (const auto& [name, tensor] : parameters) inputs.push_back(tensor);
  const auto f = [&](const TensorList& in) {
    for (std::size_t i = 0; i < parameters.size(); ++i) layer.tie(parameters[i].first, in[i + 1]);
    return TensorList{layer.forward(in[0], segments)};
  };
  const GradcheckResult first = gradcheck(f, inputs, {.name = "RelativeMultiHeadAttention"});
  CHECK_MESSAGE(first.ok, first.message);
  const GradcheckResult second = gradgradcheck(f, inputs, {.name = "RelativeMultiHeadAttention"});
  CHECK_MESSAGE(second.ok, second.message);
}

TEST_CASE("relative attention layer: training steps of one size ask nothing of the system") {
  const test::Threads one(1);  // with more, tasks may first need their memory at the same time in any step
  const GeneratorGuard seeded(Generator(12));
  nn::RelativeMultiHeadAttention layer(32, 4, {.dropout = 0.1});
  const Segments segments = Segments::from_lengths({30, 5, 61, 1, 144});
  const Tensor x = randn({segments.rows(), 32});
  const auto step = [&] {
    layer.zero_grad();
    sum(square(layer.forward(x, segments))).backward();
  };
  for (int i = 0; i < 5; ++i) step();
  const MemoryStats before = memory_stats();
  for (int i = 0; i < 20; ++i) step();
  CHECK(memory_stats().allocations > before.allocations);
  CHECK(memory_stats().system_allocations == before.system_allocations);
}

TEST_CASE("relative attention layer: what does not fit is refused") {
  const auto refused = [](const std::string& text, const auto& call) {
    const std::string message = test::error_text(call);
    CHECK_MESSAGE(message.find(text) != std::string::npos, message);
  };
  using nn::RelativeMultiHeadAttention;
  refused("RelativeMultiHeadAttention: the heads must divide the width; got width 10 and 3 heads",
          [] { RelativeMultiHeadAttention(10, 3); });
  refused("RelativeMultiHeadAttention: the width must be at least 1; got 0", [] { RelativeMultiHeadAttention(0, 1); });
  refused("the number of heads must be at least 1; got -2", [] { RelativeMultiHeadAttention(4, -2); });
  refused("dropout must be in [0, 1]; got 1.5", [] { RelativeMultiHeadAttention(4, 2, {.dropout = 1.5}); });
  refused("attention.dropout is set by the layer; got 0.1",
          [] { RelativeMultiHeadAttention(4, 2, {.attention = {.dropout = 0.1}}); });
  const RelativeMultiHeadAttention layer(4, 2);
  refused("the input does not fit; got (3, 5); expected (3, 4)", [&] {
    layer.forward(zeros({3, 5}), Segments::single(3));
  });
  refused("the input does not fit; got (3, 4); expected (2, 4)", [&] {
    layer.forward(zeros({3, 4}), Segments::single(2));
  });
  refused("there is no such segment; got 1; expected 0 … 0", [&] {
    layer.weights(zeros({3, 4}), Segments::single(3), 1);
  });
}
