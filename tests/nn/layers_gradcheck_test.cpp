// gradcheck of each layer, over its input and all its parameters, in float64.

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops/creation.h"
#include "saw/nn/nn.h"

using namespace saw;

namespace {

/// Checks run(x) with respect to x and to every parameter of `module`, which gradcheck's tensors stand in for.
void check(const std::string& name, nn::Module& module, const Tensor& x,
           const std::function<Tensor(const Tensor& x)>& run) {
  CAPTURE(name);
  module.to(float64);
  const StateDict parameters = module.named_parameters();
  TensorList inputs = {x};
  if (is_floating(x.dtype())) x.set_requires_grad(true);
  for (const auto& [path, tensor] : parameters) inputs.push_back(tensor);
  const auto f = [&](const TensorList& in) {
    for (std::size_t i = 0; i < parameters.size(); ++i) module.tie(parameters[i].first, in[i + 1]);
    return TensorList{run(in[0])};
  };
  const GradcheckResult result = gradcheck(f, inputs, {.name = name});
  CHECK_MESSAGE(result.ok, result.message);
}

}  // namespace

TEST_CASE("gradients of position-wise layers") {
  const GeneratorGuard seeded(Generator(31));
  const auto rows = [] { return randn({5, 4}, float64); };
  const auto check_rows = [&](const std::string& name, auto& layer) {
    check(name, layer, rows(), [&](const Tensor& x) { return layer.forward(x); });
  };
  nn::Linear linear(4, 3);
  check_rows("Linear", linear);
  nn::LayerNorm layer_norm(4);
  check_rows("LayerNorm", layer_norm);
  nn::RMSNorm rms_norm(4);
  check_rows("RMSNorm", rms_norm);
  nn::BatchNorm1d batch_norm(4, {.epsilon = 0.1});
  check_rows("BatchNorm1d", batch_norm);
  batch_norm.eval();
  check_rows("BatchNorm1d, evaluation", batch_norm);
  nn::Sequential net;
  net.add<nn::Linear>(4, 3).add<nn::Tanh>().add<nn::LayerNorm>(3).add<nn::Linear>(3, 2);
  check_rows("Sequential", net);
  for (const nn::Activation activation :
       {nn::Activation::identity, nn::Activation::relu, nn::Activation::leaky_relu, nn::Activation::elu,
        nn::Activation::gelu, nn::Activation::gelu_tanh, nn::Activation::silu, nn::Activation::tanh,
        nn::Activation::sigmoid, nn::Activation::softplus}) {
    nn::ActivationLayer layer(activation);
    check_rows(nn::to_string(activation), layer);
  }
  // Dropout keeps its mask only with its seed.
  nn::Dropout dropout(0.4);
  check("Dropout", dropout, rows(), [&](const Tensor& x) {
    const GeneratorGuard repeated(Generator(5));
    return dropout.forward(x);
  });
  nn::Embedding embedding(6, 3, {.padding_index = 0});
  const Tensor ids = tensor(std::vector<std::int64_t>{1, 5, 1, 2});
  check("Embedding", embedding, ids, [&](const Tensor& x) { return embedding.forward(x); });
}

TEST_CASE("gradients of layers over sequences") {
  const GeneratorGuard seeded(Generator(32));
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  const auto check_sequences = [&](const std::string& name, auto& layer) {
    check(name, layer, randn({8, 4}, float64), [&](const Tensor& x) { return layer.forward(x, segments); });
  };
  nn::Conv1d same(4, 3, 3);
  check_sequences("Conv1d", same);
  nn::Conv1d strided(4, 3, 2, {.stride = 2, .dilation = 2, .padding_left = 1, .padding_right = 0});
  check_sequences("Conv1d, strided", strided);
  nn::Conv1d grouped(4, 6, 3, {.groups = 2});
  check_sequences("Conv1d, two groups", grouped);
  nn::ConvTranspose1d transposed(4, 3, 3, {.stride = 2, .padding = 1});
  check_sequences("ConvTranspose1d", transposed);
  nn::DepthwiseConv1d depthwise(4, 3);
  check_sequences("DepthwiseConv1d", depthwise);
  nn::GroupNorm group_norm(2, 4, {.epsilon = 0.1});
  check_sequences("GroupNorm", group_norm);
  nn::LearnedPositions positions(4, 4);
  check_sequences("LearnedPositions", positions);
  nn::SinusoidalPositions sinusoidal(4);
  check_sequences("SinusoidalPositions", sinusoidal);
  nn::SelfAttention self_attention(4);
  check_sequences("SelfAttention", self_attention);
  nn::SelfAttention additive(4, {.score = nn::AttentionScore::additive});
  check_sequences("SelfAttention, additive", additive);
  nn::SelfAttention rectified(4, {.normalisation = nn::AttentionNormalisation::relu});
  check_sequences("SelfAttention, relu", rectified);
  nn::MultiHeadAttention attention(4, 2);
  check_sequences("MultiHeadAttention", attention);
  nn::MultiHeadAttention causal(4, 2, {.attention = AttentionOptions::causal()});
  check_sequences("MultiHeadAttention, causal", causal);
  nn::TransformerOptions options{.width = 4,
                                 .heads = 2,
                                 .layers = 2,
                                 .feed_forward = 5,
                                 .dropout = 0.0,
                                 .activation = nn::Activation::gelu,
                                 .pre_norm = true,
                                 .final_norm = true};
  nn::TransformerEncoder encoder(options);
  check_sequences("TransformerEncoder", encoder);

  nn::TransformerEncoderLayer dropped(
      {.width = 4, .heads = 2, .feed_forward = 5, .dropout = 0.3, .activation = nn::Activation::tanh});
  check("TransformerEncoderLayer with dropout", dropped, randn({8, 4}, float64), [&](const Tensor& x) {
    const GeneratorGuard repeated(Generator(5));
    return dropped.forward(x, segments);
  });
}

TEST_CASE("gradients of losses") {
  const GeneratorGuard seeded(Generator(33));
  const Tensor logits = randn({5, 3}, float64).set_requires_grad(true);
  const Tensor other = rand({5, 3}, float64);
  const Tensor weight = rand({3}, float64);
  const Tensor targets = tensor(std::vector<std::int64_t>{0, 2, -100, 1, 1});
  const auto check_loss = [&](const std::string& name, const std::function<Tensor(const Tensor&)>& loss) {
    const TensorFunction f = [&](const TensorList& in) { return TensorList{loss(in[0])}; };
    const GradcheckResult first = gradcheck(f, {logits}, {.name = name});
    CHECK_MESSAGE(first.ok, first.message);
    const GradcheckResult second = gradgradcheck(f, {logits}, {.name = name});
    CHECK_MESSAGE(second.ok, second.message);
  };
  check_loss("cross_entropy", [&](const Tensor& x) {
    return nn::cross_entropy(x, targets, {.weight = weight, .label_smoothing = 0.1});
  });
  check_loss("nll", [&](const Tensor& x) { return nn::nll(x, targets, {.weight = weight}); });
  check_loss("mse", [&](const Tensor& x) { return nn::mse(x, other); });
  check_loss("binary_cross_entropy_with_logits", [&](const Tensor& x) {
    return nn::binary_cross_entropy_with_logits(x, other, {.weight = other, .pos_weight = weight});
  });
}
