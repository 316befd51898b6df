// The Conformer beside a reference in PyTorch that runs each utterance alone, and what batch norm means for ragged
// batches.

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/nn/nn.h"
#include "support/golden.h"

using namespace saw;

namespace {

const test::Golden& golden() {
  static const test::Golden file("conformer.safetensors");
  return file;
}

nn::ConformerOptions small(std::int64_t layers) { return nn::ConformerOptions::torchaudio(8, 2, 12, layers, 5); }

/// Values, all gradients and the buffers afterwards, as PyTorch has them, in both precisions.
void check_golden(const std::string& name, const nn::ConformerOptions& options, bool training) {
  CAPTURE(name);
  const Segments segments = golden().segments(name + ".lengths");
  for (const DType dtype : {float64, float32}) {
    CAPTURE(to_string(dtype));
    const double tolerance = dtype == float64 ? 1e-10 : 1e-5;
    const auto check = [&](const Tensor& actual, const std::string& expected_name) {
      CAPTURE(expected_name);
      const Tensor expected = golden().at(name + "." + expected_name);
      CHECK_EQ(
          test::difference(actual.to(expected.dtype()), expected, 0.0, tolerance * (1.0 + test::largest(expected))),
          "");
    };
    nn::Conformer model(options);
    model.to(dtype);
    StateDict state;
    for (const auto& [key, value] : golden().below(name + ".state."))
      state.emplace_back(key, is_floating(value.dtype()) ? value.to(dtype) : value);
    model.load_torchaudio(state);
    model.train(training);
    const Tensor x = golden().at(name + ".input").to(dtype).clone().set_requires_grad(true);
    const Tensor y = model.forward(x, segments);
    y.backward(golden().at(name + ".grad_output").to(dtype));
    check(y, "output");
    check(x.grad(), "grad_input");
    for (const auto& [key, value] : model.named_parameters()) check(value.grad(), "grad." + key);
    for (const auto& [key, value] : model.named_buffers()) check(value, "after." + key);
  }
}

}  // namespace

TEST_CASE("a Conformer with torchaudio's names gives PyTorch's outputs and gradients on ragged batches") {
  check_golden("torchaudio", small(2), false);
  check_golden("training", small(1), true);
  nn::ConformerOptions grouped = small(1);
  grouped.norm = nn::ConformerNorm::group;
  grouped.convolution_first = true;
  check_golden("group_norm", grouped, false);
}

TEST_CASE("a Conformer computes as torchaudio does on padded batches when asked to") {
  nn::ConformerOptions padded = small(2);
  padded.torchaudio_padding = true;
  check_golden("padded", padded, true);
  nn::ConformerOptions grouped = small(1);
  grouped.torchaudio_padding = grouped.convolution_first = true;
  grouped.norm = nn::ConformerNorm::group;
  check_golden("padded_group_norm", grouped, false);
}

TEST_CASE("the Conformer of the paper, with relative positions") {
  nn::ConformerOptions options = small(2);
  options.positions = nn::ConformerPositions::relative;
  options.kernel = 4;
  check_golden("paper", options, false);
  options.layers = 1;
  options.kernel = 5;
  check_golden("paper_training", options, true);
}

TEST_CASE("a Conformer has the numbers of parameters that are known") {
  const auto count = [](std::int64_t width, std::int64_t hidden, std::int64_t layers) {
    return nn::Conformer(nn::ConformerOptions::torchaudio(width, 4, hidden, layers, 31)).number_of_parameters();
  };
  CHECK(count(80, 128, 4) == 361024);
  CHECK(count(144, 576, 16) == 7771392);
  CHECK(count(256, 512, 2) == 1995264);
  // Relative positions add W_R, u and v to each block, and a kernel of 32 one weight a channel.
  CHECK(nn::Conformer(nn::ConformerOptions::small()).number_of_parameters() ==
        7771392 + 16 * (144 * 144 + 2 * 144 + 144));
  nn::ConformerOptions one = nn::ConformerOptions::medium();
  one.layers = 1;
  CHECK(nn::Conformer(one).number_of_parameters() == 24367104 / 16 + 256 * 256 + 2 * 256 + 256);
  one = nn::ConformerOptions::large();
  one.layers = 1;
  CHECK(nn::Conformer(one).number_of_parameters() == 103029248 / 17 + 512 * 512 + 2 * 512 + 512);
}

TEST_CASE("torchaudio's early weights, without biases of the convolutions, load as zeros") {
  nn::Conformer model(small(1));
  StateDict state;
  for (const auto& [name, tensor] : nn::Conformer(small(1)).snapshot())
    if (name.find("conv_module.sequential.0.bias") == std::string::npos &&
        name.find("conv_module.sequential.2.bias") == std::string::npos &&
        name.find("conv_module.sequential.5.bias") == std::string::npos)
      state.emplace_back(name, tensor);
  model.load_torchaudio(state);
  for (const auto& [name, tensor] : model.named_parameters())
    if (name.find("conv_module.sequential.2.bias") != std::string::npos) CHECK(test::largest(tensor) == 0.0);
  state.pop_back();
  CHECK_THROWS_AS(model.load_torchaudio(state), Error);  // anything else that is missing stays an error
}

TEST_CASE("in training a Conformer's batch norm sees the frames of a batch in any order, and nothing else") {
  const GeneratorGuard seeded(Generator(5));
  nn::ConformerOptions options{.width = 8, .heads = 2, .layers = 2, .kernel = 5, .dropout = 0.0};
  nn::Conformer model(options);
  model.to(float64);
  const StateDict before = model.snapshot();
  const std::vector<std::int64_t> lengths = {4, 0, 9, 1};
  TensorList utterances;
  for (const std::int64_t length : lengths) utterances.push_back(randn({length, 8}, float64));

  const auto run = [&](const std::vector<std::size_t>& order) {
    model.load_state_dict(before);
    model.zero_grad();
    TensorList rows;
    std::vector<std::int64_t> ordered;
    for (const std::size_t i : order) {
      rows.push_back(utterances[i]);
      ordered.push_back(lengths[i]);
    }
    const Segments segments = Segments::from_lengths(ordered);
    const Tensor y = model.forward(cat(rows, 0), segments);
    (y * y).sum().backward();
    TensorList result(order.size());
    for (std::size_t k = 0; k < order.size(); ++k)
      result[order[k]] =
          y.detach().slice(0, segments.begin(static_cast<std::int64_t>(k)), segments.end(static_cast<std::int64_t>(k)));
    for (const auto& [name, tensor] : model.named_parameters())
      result.push_back(tensor.grad().defined() ? tensor.grad().clone() : zeros(tensor.shape(), float64));
    for (const auto& [name, tensor] : model.snapshot()) result.push_back(tensor);
    return result;
  };
  const TensorList straight = run({0, 1, 2, 3}), turned = run({2, 3, 1, 0});
  REQUIRE(straight.size() == turned.size());
  for (std::size_t i = 0; i < straight.size(); ++i) {
    CAPTURE(i);
    CHECK_EQ(test::difference(turned[i].to(float64), straight[i].to(float64), 1e-9, 1e-9), "");
  }
}

TEST_CASE("a streaming Conformer does not look ahead") {
  const GeneratorGuard seeded(Generator(6));
  nn::ConformerOptions options{.width = 8, .heads = 2, .layers = 2, .kernel = 5, .dropout = 0.0};
  nn::Conformer model(options.streaming(3));
  model.to(float64);
  model.eval();
  const Tensor x = randn({12, 8}, float64);
  const Tensor whole = model.forward(x, Segments::single(12));
  const Tensor first = model.forward(x.slice(0, 0, 7), Segments::single(7));
  CHECK_EQ(test::difference(first, whole.slice(0, 0, 7), 1e-12, 1e-12), "");
}

TEST_CASE("subsampling keeps a quarter of the frames") {
  const nn::ConvolutionSubsampling subsampling(40, 16);
  const Segments segments = Segments::from_lengths({100, 6, 7, 0, 11});
  const nn::Sequences result = subsampling.forward(randn({segments.rows(), 40}), segments);
  CHECK(result.segments == Segments::from_lengths({24, 0, 1, 0, 2}));
  CHECK(result.segments == subsampling.output_segments(segments));
  CHECK(result.rows.shape() == Shape{27, 16});
  CHECK_THROWS_AS(nn::ConvolutionSubsampling(6, 16), Error);
  CHECK_THROWS_AS(subsampling.forward(randn({5, 40}), segments), Error);
}

TEST_CASE("options of a Conformer that do not fit are refused") {
  CHECK_THROWS_AS(nn::Conformer({.width = 8, .heads = 3}), Error);
  CHECK_THROWS_AS(nn::Conformer({.width = 0, .heads = 1}), Error);
  CHECK_THROWS_AS(nn::Conformer({.width = 8, .heads = 2, .kernel = 0}), Error);
  CHECK_THROWS_AS(nn::Conformer({.width = 8, .heads = 2, .dropout = 1.5}), Error);
  CHECK_THROWS_AS(nn::Conformer({.width = 8, .heads = 2, .torchaudio_padding = true}), Error);
}
