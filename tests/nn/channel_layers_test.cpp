// Layers that work channel by channel, beside PyTorch's: values, gradients and buffers in both precisions; and what
// batch norm does to its buffers.

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "saw/autograd/ops/batch_norm.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "saw/data/pytorch.h"
#include "saw/nn/nn.h"
#include "support/files.h"
#include "support/golden.h"
#include "support/tensors.h"

using namespace saw;

namespace {

const test::Golden& golden() {
  static const test::Golden file("channels.safetensors");
  return file;
}

/// Compares run(layer, input) with a case of the golden file: in float64 to 1e-10, in float32 to 1e-5 of the largest
/// number.
template <class M, class Run>
void check_layer(const std::string& name, M& layer, const Run& run) {
  CAPTURE(name);
  for (const DType dtype : {float64, float32}) {
    CAPTURE(to_string(dtype));
    const auto check = [&](const Tensor& actual, const std::string& part) {
      CAPTURE(part);
      const Tensor expected = golden().at(name + "." + part + (dtype == float64 ? "" : "_float32"));
      const double tolerance = dtype == float64 ? 1e-10 : 1e-5;
      CHECK_EQ(test::difference(actual, expected, 0.0, tolerance * (1.0 + test::largest(expected))), "");
    };
    layer.to(dtype);
    layer.zero_grad();
    StateDict state;
    for (const auto& [key, value] : golden().below(name + ".state."))
      state.emplace_back(key, is_floating(value.dtype()) ? value.to(dtype) : value);
    layer.load_state_dict(state);
    const Tensor x = golden().at(name + ".input").to(dtype).clone().set_requires_grad(true);
    const Tensor y = run(layer, x);
    y.backward(golden().at(name + ".grad_output").to(dtype));
    check(y, "output");
    check(x.grad(), "grad_input");
    for (const auto& [key, value] : layer.named_parameters()) check(value.grad(), "grad." + key);
    for (const auto& named : layer.named_buffers()) {
      const std::string& key = named.first;  // clang 14 captures no structured bindings
      CAPTURE(key);
      const Tensor expected = golden().at(name + ".after." + key);
      const double tolerance = (dtype == float64 ? 1e-10 : 1e-5) * (1.0 + test::largest(expected));
      CHECK_EQ(test::difference(named.second.to(expected.dtype()), expected, 0.0, tolerance), "");
    }
  }
}

constexpr auto over_rows = [](const auto& layer, const Tensor& x) { return layer.forward(x); };

auto over_sequences(const Segments& segments) {
  return [segments](const auto& layer, const Tensor& x) { return layer.forward(x, segments); };
}

std::vector<double> numbers(const Tensor& tensor) { return tensor.to(float64).to_vector<double>(); }

}  // namespace

TEST_CASE("batch norm equals PyTorch, in training and in evaluation") {
  struct Variant {
    std::string name;
    nn::BatchNorm1dOptions options;
  };
  for (const Variant& variant :
       {Variant{"batch_norm", {}}, Variant{"batch_norm_options", {.epsilon = 0.1, .momentum = 0.3}},
        Variant{"batch_norm_no_affine", {.affine = false}}}) {
    nn::BatchNorm1d layer(6, variant.options);
    check_layer(variant.name + ".train", layer, over_rows);
    layer.eval();
    check_layer(variant.name + ".eval", layer, over_rows);
  }
  nn::BatchNorm1d layer(6);
  check_layer("batch_norm.two_rows", layer, over_rows);
}

TEST_CASE("group norm of each sequence equals PyTorch") {
  const auto check = [](const std::string& name, std::int64_t groups, const nn::GroupNormOptions& options) {
    nn::GroupNorm layer(groups, 6, options);
    check_layer(name, layer, over_sequences(golden().segments(name + ".lengths")));
  };
  check("group_norm", 2, {});
  check("group_norm.one_group", 1, {});
  check("group_norm.instance", 6, {.epsilon = 0.1});
  check("group_norm.no_affine", 3, {.affine = false});
}

TEST_CASE("depthwise convolution equals PyTorch's with as many groups as channels") {
  const auto check = [](const std::string& variant, std::int64_t kernel, const nn::Conv1dOptions& options) {
    const std::string name = "depthwise_conv1d." + variant;
    nn::DepthwiseConv1d layer(6, kernel, options);
    const Segments segments = golden().segments(name + ".lengths");
    check_layer(name, layer, over_sequences(segments));
    CHECK(layer.output_segments(segments) == golden().segments(name + ".output_lengths"));
  };
  check("same", 5, {});
  check("causal", 4, {.padding_right = 0});
  check("no_bias", 3, {.bias = false});
  check("stride", 3, {.stride = 2});
  check("dilation", 3, {.dilation = 2});
  check("stride_dilation", 3, {.stride = 2, .dilation = 3, .padding_left = 1, .padding_right = 5});
  check("common_factor", 4, {.stride = 4, .dilation = 2});
  check("long", 31, {});
}

TEST_CASE("the gated linear unit equals PyTorch") {
  nn::GLU layer;
  check_layer("glu", layer, over_rows);
}

TEST_CASE("batch norm takes a state dict from torch.save") {
  struct Model : nn::Module {
    nn::Linear& linear = child<nn::Linear>("0", 2, 1);
    nn::BatchNorm1d& norm = child<nn::BatchNorm1d>("1", 1);
  } model;
  const auto path = test::directory() / "golden" / "pytorch" / "checkpoint.pt";
  const nn::Module::Unmatched unmatched = model.load_state_dict(data::load_pytorch_state_dict(path.string()));
  CHECK(unmatched.missing.empty());
  CHECK(unmatched.unexpected.empty());
  CHECK(model.norm.num_batches_tracked.shape() == Shape{});
  CHECK(model.norm.num_batches_tracked.to_vector<std::int64_t>() == std::vector<std::int64_t>{1});
  CHECK(model.norm.running_mean.item() == doctest::Approx(0.7));
}

TEST_CASE("batch norm keeps its statistics while nothing is recorded, and counts batches") {
  const GeneratorGuard seeded(Generator(5));
  nn::BatchNorm1d layer(3);
  const Tensor x = randn({10, 3}) * 2.0 + 1.0;
  {
    const NoGradGuard no_grad;
    layer.forward(x);
  }
  CHECK(layer.num_batches_tracked.item() == 1.0);
  BatchStatistics of_x;
  batch_norm(x, {}, {}, 1e-5, &of_x);
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(numbers(layer.running_mean)[c] == doctest::Approx(0.1 * numbers(of_x.mean)[c]).epsilon(1e-5));
    CHECK(numbers(layer.running_var)[c] ==
          doctest::Approx(0.9 + 0.1 * numbers(of_x.variance)[c] * 10 / 9).epsilon(1e-5));
  }

  const auto before = layer.snapshot();
  CHECK(layer.forward(zeros({0, 3})).shape() == Shape{0, 3});  // no rows
  layer.eval();
  layer.forward(x);
  CHECK(layer.forward(x.slice(0, 0, 1)).shape() == Shape{1, 3});  // a single row, in evaluation
  for (const auto& named : layer.state_dict()) {
    const std::string& name = named.first;  // clang 14 captures no structured bindings
    CAPTURE(name);
    CHECK(numbers(named.second) == numbers(find_tensor(before, name)));
  }
}

TEST_CASE("a batch-norm step does not hold on to what it normalised") {
  const GeneratorGuard seeded(Generator(6));
  nn::BatchNorm1d layer(4);
  const Tensor x = randn({20, 4});
  const auto nodes = live_nodes();
  for (int i = 0; i < 3; ++i) sum(layer.forward(x)).backward();
  CHECK(live_nodes() == nodes);
  CHECK_FALSE(layer.running_mean.requires_grad());
}

TEST_CASE("layers over channels refuse what does not fit") {
  const auto text = [](const std::function<void()>& call) { return test::error_text(call); };
  CHECK(text([] { nn::BatchNorm1d(0); }).find("BatchNorm1d: channels must be at least 1; got 0") == 0);
  CHECK(text([] { nn::BatchNorm1d(2, {.epsilon = -1.0}); }).find("BatchNorm1d: epsilon must not be negative") == 0);
  CHECK(text([] { nn::BatchNorm1d(2, {.momentum = 1.5}); }).find("BatchNorm1d: momentum must be in [0, 1]") == 0);
  CHECK(text([] { nn::BatchNorm1d(2).forward(zeros({1, 2})); }).find("batch_norm: a single row has no variance") == 0);
  CHECK(text([] {
          nn::BatchNorm1d(2).forward(zeros({4, 3}));
        }) == "BatchNorm1d: wrong channels; got input (4, 3); expected (rows, 2)");
  CHECK(text([] { nn::GroupNorm(3, 4); }) ==
        "GroupNorm: the groups must divide the channels; got 3 groups and 4 channels");
  CHECK(text([] {
          nn::GroupNorm(2, 4, {.affine = false}).forward(zeros({3, 6}), Segments::single(3));
        }) == "GroupNorm: wrong channels; got input (3, 6); expected (rows, 4)");
  CHECK(text([] { nn::DepthwiseConv1d(2, 0); }).find("DepthwiseConv1d: the kernel must be at least 1; got 0") == 0);
  CHECK(text([] {
          nn::DepthwiseConv1d(2, 3).forward(zeros({3, 4}), Segments::single(3));
        }).find("depthwise_conv1d: channels differ; got x (3, 4)") == 0);
}
