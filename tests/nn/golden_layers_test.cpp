// Layers beside PyTorch's: values and all gradients in float64, values in float32.

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/norm.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/nn.h"
#include "support/golden.h"

using namespace saw;

namespace {

const test::Golden& golden() {
  static const test::Golden file("layers.safetensors");
  return file;
}

constexpr double float64_tolerance = 1e-10;

StateDict converted(const StateDict& state, DType dtype) {
  StateDict result;
  for (const auto& [name, tensor] : state) result.emplace_back(name, tensor.to(dtype));
  return result;
}

TensorList inputs_of(const std::string& name, const std::vector<std::string>& parts, DType dtype) {
  TensorList result;
  for (const std::string& part : parts) {
    Tensor input = golden().at(name + ".input" + part);
    if (is_floating(input.dtype())) input = input.to(dtype).clone().set_requires_grad(true);
    result.push_back(input);
  }
  return result;
}

/// `terms`: how many float32 products and sums lie one after the other on the longest way from input to output. Two
/// correct float32 programs differ by at most about 2·terms·eps relative to the largest values on the way.
template <class M, class Run>
void check_layer(const std::string& name, M& layer, const Run& run, double terms,
                 const std::vector<std::string>& parts = {""}) {
  CAPTURE(name);
  layer.to(float64);
  const StateDict state = golden().below(name + ".state.");
  layer.load_state_dict(state);
  const TensorList inputs = inputs_of(name, parts, float64);
  const Tensor output = run(layer, inputs);
  CHECK_EQ(test::difference(output, golden().at(name + ".output"), float64_tolerance, float64_tolerance), "");

  output.backward(golden().at(name + ".grad_output"));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    CAPTURE(parts[i]);
    CHECK_EQ(test::difference(inputs[i].grad(), golden().at(name + ".grad_input" + parts[i]), float64_tolerance,
                              float64_tolerance),
             "");
  }
  for (const auto& named : layer.named_parameters()) {
    const std::string& parameter = named.first;  // clang 14 captures no structured bindings
    CAPTURE(parameter);
    CHECK_EQ(test::difference(named.second.grad(), golden().at(name + ".grad." + parameter), float64_tolerance,
                              float64_tolerance),
             "");
  }

  layer.to(float32);
  layer.load_state_dict(converted(state, float32));
  const NoGradGuard no_grad;
  const Tensor narrow = run(layer, inputs_of(name, parts, float32));
  const Tensor expected = golden().at(name + ".output_float32");
  const double eps = static_cast<double>(std::numeric_limits<float>::epsilon());
  CHECK_EQ(test::difference(narrow, expected, 0.0, 2.0 * terms * eps * (1.0 + test::largest(expected))), "");
}

struct Rows {
  template <class M>
  Tensor operator()(const M& layer, const TensorList& in) const {
    return layer.forward(in[0]);
  }
};

struct Sequences {
  Segments segments;
  template <class M>
  Tensor operator()(const M& layer, const TensorList& in) const {
    return layer.forward(in[0], segments);
  }
};

}  // namespace

TEST_CASE("linear equals PyTorch") {
  nn::Linear with_bias(6, 4);
  check_layer("linear", with_bias, Rows{}, 7);
  nn::Linear without_bias(6, 4, {.bias = false});
  check_layer("linear_no_bias", without_bias, Rows{}, 6);
}

TEST_CASE("embedding equals PyTorch") {
  nn::Embedding plain(8, 5);
  check_layer("embedding", plain, Rows{}, 0);
  nn::Embedding padded(8, 5, {.padding_index = 1});
  check_layer("embedding_padding", padded, Rows{}, 0);
}

TEST_CASE("norms equal PyTorch") {
  // two sums over 6 elements, and a root, a quotient, a product and a sum; a small variance amplifies them
  nn::LayerNorm plain(6);
  check_layer("layer_norm", plain, Rows{}, 20);
  nn::LayerNorm large_epsilon(6, {.epsilon = 0.1});
  check_layer("layer_norm_eps", large_epsilon, Rows{}, 20);
  nn::LayerNorm no_affine(6, {.affine = false});
  check_layer("layer_norm_no_affine", no_affine, Rows{}, 20);
  nn::LayerNorm no_bias(6, {.bias = false});
  check_layer("layer_norm_no_bias", no_bias, Rows{}, 20);
  nn::LayerNorm constant_row(6);
  check_layer("layer_norm_constant_row", constant_row, Rows{}, 20);
  nn::RMSNorm rms(6, {.epsilon = 1e-5});
  check_layer("rms_norm", rms, Rows{}, 12);
  nn::RMSNorm rms_no_affine(6, {.epsilon = 1e-5, .affine = false});
  check_layer("rms_norm_no_affine", rms_no_affine, Rows{}, 12);
}

TEST_CASE("gelu equals PyTorch") {
  nn::GELU exact;
  check_layer("gelu_erf", exact, Rows{}, 8);
  nn::ActivationLayer approximate(nn::Activation::gelu_tanh);
  check_layer("gelu_tanh", approximate, Rows{}, 8);
}

TEST_CASE("conv1d equals PyTorch") {
  struct Variant {
    std::string name;
    std::int64_t kernel;
    nn::Conv1dOptions options;
  };
  // PyTorch pads (kernel − 1)·dilation / 2 zeros at each end: what −1 means for odd kernels.
  for (const Variant& variant :
       {Variant{"conv1d_same", 3, {}}, Variant{"conv1d_same_kernel5", 5, {}},
        Variant{"conv1d_no_bias", 3, {.bias = false}}, Variant{"conv1d_kernel1", 1, {}},
        Variant{"conv1d_stride2", 3, {.stride = 2}}, Variant{"conv1d_dilation2", 3, {.dilation = 2}},
        Variant{"conv1d_stride2_dilation2", 3, {.stride = 2, .dilation = 2}}}) {
    nn::Conv1d layer(4, 6, variant.kernel, variant.options);
    const Segments segments = golden().segments(variant.name + ".lengths");
    check_layer(variant.name, layer, Sequences{segments}, 4.0 * static_cast<double>(variant.kernel) + 1);
    CHECK(layer.output_segments(segments) == golden().segments(variant.name + ".output_lengths"));
  }
}

TEST_CASE("multi-head self-attention equals PyTorch") {
  struct Variant {
    std::string name;
    nn::MultiHeadAttentionOptions options;
  };
  for (const Variant& variant :
       {Variant{"attention_self", {}}, Variant{"attention_causal", {.attention = AttentionOptions::causal()}},
        Variant{"attention_no_bias", {.bias = false}}}) {
    nn::MultiHeadAttention layer(12, 3, variant.options);
    const Segments segments = golden().segments(variant.name + ".lengths");
    // projection, score, exponential, weighted sum and output projection, of 13, 5, 4, 8 and 13 terms
    check_layer(variant.name, layer, Sequences{segments}, 43);

    layer.to(float64);
    layer.load_state_dict(golden().below(variant.name + ".state."));
    const Tensor expected = golden().at(variant.name + ".weights");
    std::int64_t begin = 0;
    for (std::int64_t b = 0; b < segments.count(); ++b) {
      const Tensor weights = layer.weights(golden().at(variant.name + ".input"), segments, b);
      const std::int64_t length = segments.length(b);
      CHECK_EQ(test::difference(weights, expected.slice(0, begin, begin + weights.numel()).reshape({3, length, length}),
                                float64_tolerance, float64_tolerance),
               "");
      begin += weights.numel();
    }
    CHECK(begin == expected.numel());
  }
}

TEST_CASE("multi-head cross-attention equals PyTorch") {
  const auto check = [](const std::string& name, const nn::MultiHeadAttentionOptions& options) {
    const Segments query_segments = golden().segments(name + ".lengths");
    const Segments memory_segments = golden().segments(name + ".memory_lengths");
    nn::MultiHeadAttention layer(12, 3, options);
    if (golden().has(name + ".input.memory")) {
      const auto run = [&](const nn::MultiHeadAttention& attention, const TensorList& in) {
        return attention.forward(in[0], in[1], query_segments, memory_segments);
      };
      check_layer(name, layer, run, 43, {".query", ".memory"});
    } else {
      const auto run = [&](const nn::MultiHeadAttention& attention, const TensorList& in) {
        return attention.forward(in[0], in[1], in[2], query_segments, memory_segments);
      };
      check_layer(name, layer, run, 43, {".query", ".key", ".value"});
    }
  };
  check("attention_cross", {});
  check("attention_cross_kdim", {.key_width = 8, .value_width = 8});
  check("attention_cross_kdim_vdim", {.key_width = 8, .value_width = 10});
}

TEST_CASE("transformer encoders equal PyTorch") {
  for (const bool pre_norm : {false, true}) {
    const std::string kind = pre_norm ? "pre_norm_gelu" : "post_norm_relu";
    nn::TransformerOptions options{.width = 12,
                                   .heads = 3,
                                   .layers = 2,
                                   .feed_forward = 20,
                                   .dropout = 0.0,
                                   .activation = pre_norm ? nn::Activation::gelu : nn::Activation::relu,
                                   .pre_norm = pre_norm};
    // 43 terms of attention, 13 and 21 of the feed-forward net, two norms of 20 each; twice for two layers
    const double layer_terms = 43 + 34 + 40;

    nn::TransformerEncoderLayer layer(options);
    const std::string layer_name = "encoder_layer_" + kind;
    check_layer(layer_name, layer, Sequences{golden().segments(layer_name + ".lengths")}, layer_terms);

    nn::TransformerOptions causal_options = options;
    causal_options.attention = AttentionOptions::causal();
    nn::TransformerEncoderLayer causal(causal_options);
    check_layer(layer_name + "_causal", causal, Sequences{golden().segments(layer_name + "_causal.lengths")},
                layer_terms);

    nn::TransformerEncoder encoder(options);
    check_layer("encoder_" + kind, encoder, Sequences{golden().segments("encoder_" + kind + ".lengths")},
                2 * layer_terms);
    if (pre_norm) {
      options.final_norm = true;
      nn::TransformerEncoder normed(options);
      const std::string name = "encoder_pre_norm_gelu_final_norm";
      check_layer(name, normed, Sequences{golden().segments(name + ".lengths")}, 2 * layer_terms + 20);
    }
  }
}

TEST_CASE("transformer decoders equal PyTorch") {
  for (const bool pre_norm : {false, true}) {
    const std::string kind = pre_norm ? "pre_norm_gelu" : "post_norm_relu";
    nn::TransformerOptions options{.width = 12,
                                   .heads = 3,
                                   .layers = 2,
                                   .feed_forward = 20,
                                   .dropout = 0.0,
                                   .activation = pre_norm ? nn::Activation::gelu : nn::Activation::relu,
                                   .pre_norm = pre_norm,
                                   .final_norm = pre_norm};
    const auto check = [&](const std::string& name, auto& decoder, double terms) {
      const Segments segments = golden().segments(name + ".lengths");
      const Segments memory_segments = golden().segments(name + ".memory_lengths");
      const auto run = [&](const auto& layer, const TensorList& in) {
        return layer.forward(in[0], segments, in[1], memory_segments);
      };
      check_layer(name, decoder, run, terms, {".target", ".memory"});
    };
    // 43 terms of each attention, 13 and 21 of the feed-forward net, three norms of 20 each; twice for two layers
    const double layer_terms = 86 + 34 + 60;
    nn::TransformerDecoderLayer layer(options);
    check("decoder_layer_" + kind, layer, layer_terms);
    nn::TransformerDecoder decoder(options);
    check("decoder_" + kind, decoder, 2 * layer_terms + 20);
  }
}
