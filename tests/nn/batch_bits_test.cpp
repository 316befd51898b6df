// In evaluation a sentence has the same bits alone and in a batch, through whole encoders.

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/slice.h"
#include "saw/nn/nn.h"
#include "support/tensors.h"

using namespace saw;

namespace {

using Encode = std::function<Tensor(const Tensor& x, const Segments& segments)>;

/// Compares every sequence alone with its rows of the batch.
void check_alone(const std::string& name, const Encode& encode, std::int64_t width,
                 const std::vector<std::int64_t>& lengths) {
  const Segments all = Segments::from_lengths(lengths);
  Generator generator(5);
  const Tensor x = randn({all.rows(), width}, generator);
  const NoGradGuard no_grad;
  const Tensor together = encode(x, all);
  for (std::int64_t i = 0; i < all.count(); ++i) {
    const Tensor alone = encode(slice(x, 0, all.begin(i), all.end(i)), Segments::single(all.length(i)));
    CHECK_MESSAGE(test::same_bits(alone, slice(together, 0, all.begin(i), all.end(i))), name, ", sequence ", i, " of ",
                  all.length(i), " rows");
  }
}

const std::vector<std::int64_t> sentences = {1, 2, 7, 8, 16, 31, 33, 64, 5, 100, 65, 200, 3, 257};

}  // namespace

TEST_CASE("the same bits alone and in a batch: TransformerEncoder") {
  manual_seed(1);
  for (const bool pre_norm : {false, true})
    for (const auto activation : {nn::Activation::relu, nn::Activation::gelu}) {
      nn::TransformerEncoder encoder(
          nn::TransformerOptions{.width = 96, .heads = 4, .layers = 3, .activation = activation, .pre_norm = pre_norm});
      encoder.eval();
      check_alone(
          "TransformerEncoder", [&](const Tensor& x, const Segments& s) { return encoder.forward(x, s); }, 96,
          sentences);
    }
}

TEST_CASE("the same bits alone and in a batch: Conformer") {
  manual_seed(1);
  for (const auto positions : {nn::ConformerPositions::relative, nn::ConformerPositions::none})
    for (const auto norm : {nn::ConformerNorm::batch, nn::ConformerNorm::group}) {
      nn::ConformerOptions options{.width = 80, .heads = 4, .layers = 3, .kernel = 15};
      options.positions = positions;
      options.norm = norm;
      nn::Conformer encoder(options);
      encoder.eval();
      check_alone(
          "Conformer", [&](const Tensor& x, const Segments& s) { return encoder.forward(x, s); }, 80, sentences);
    }
}

TEST_CASE("the same bits alone and in a batch: ConformerEncoder") {
  manual_seed(1);
  nn::ConformerEncoderOptions options{.features = 40, .conformer = {.width = 64, .heads = 4, .layers = 2}};
  nn::ConformerEncoder encoder(options);
  encoder.eval();
  const std::vector<std::int64_t> lengths = {40, 97, 300, 31, 128, 515};
  const Segments all = Segments::from_lengths(lengths);
  const Segments kept = encoder.output_segments(all);
  Generator generator(5);
  const Tensor x = randn({all.rows(), 40}, generator);
  const NoGradGuard no_grad;
  const Tensor together = encoder.forward(x, all).rows;
  for (std::int64_t i = 0; i < all.count(); ++i) {
    const Tensor alone = encoder.forward(slice(x, 0, all.begin(i), all.end(i)), Segments::single(all.length(i))).rows;
    CHECK_MESSAGE(test::same_bits(alone, slice(together, 0, kept.begin(i), kept.end(i))), "sequence ", i);
  }
}

TEST_CASE("the same bits alone and in a batch: recurrent nets") {
  manual_seed(1);
  nn::LSTM lstm({.input_size = 48, .hidden_size = 70, .num_layers = 2, .bidirectional = true});
  check_alone(
      "LSTM", [&](const Tensor& x, const Segments& s) { return lstm.forward(x, s).rows; }, 48, sentences);
  nn::LSTM projected({.input_size = 48, .hidden_size = 70, .bidirectional = true, .proj_size = 33});
  check_alone(
      "LSTM with projection", [&](const Tensor& x, const Segments& s) { return projected.forward(x, s).rows; }, 48,
      sentences);
  nn::GRU gru({.input_size = 48, .hidden_size = 70, .num_layers = 2, .bidirectional = true});
  check_alone(
      "GRU", [&](const Tensor& x, const Segments& s) { return gru.forward(x, s).rows; }, 48, sentences);
  nn::RNN rnn({.input_size = 48, .hidden_size = 70, .num_layers = 2, .bidirectional = true});
  check_alone(
      "RNN", [&](const Tensor& x, const Segments& s) { return rnn.forward(x, s).rows; }, 48, sentences);
}
