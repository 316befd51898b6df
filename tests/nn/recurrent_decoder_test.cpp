// RecurrentDecoder beside its formula, alone and in batches, at once and step by step.

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops.h"
#include "saw/nn/nn.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;

namespace {

constexpr nn::RecurrentDecoderOptions sizes{
    .input_size = 3, .hidden_size = 5, .memory_size = 4, .attention_size = 6, .output_size = 2};

struct Setting {
  Segments segments = Segments::from_lengths({2, 0, 5, 1, 5}),
           memory_segments = Segments::from_lengths({3, 2, 1, 0, 4});
  nn::RecurrentDecoder decoder{sizes};
  Tensor x, memory;

  explicit Setting(DType dtype = float64) {
    decoder.to(dtype);
    x = randn({segments.rows(), 3}, dtype);
    memory = randn({memory_segments.rows(), 4}, dtype);
  }
  Tensor forward() const { return decoder.forward(x, segments, memory, memory_segments); }
};

}  // namespace

TEST_CASE("recurrent decoder: computes its formula, row by row") {
  const GeneratorGuard seeded(Generator(5));
  const NoGradGuard no_grad;
  Setting s;
  const Tensor all = s.forward();
  CHECK(all.shape() == Shape{13, 2});
  const StateDict state = s.decoder.state_dict();
  const auto at = [&](const char* name) { return find_tensor(state, name); };
  const auto gates = [&](const Tensor& v, const char* name) {  // (3·H)
    const std::string weight = std::string("gru.weight_") + name + "_l0",
                      bias = std::string("gru.bias_") + name + "_l0";
    return matmul(at(weight.c_str()), v) + at(bias.c_str());
  };
  for (std::int64_t b = 0; b < s.segments.count(); ++b) {
    const Tensor memory = s.memory.slice(0, s.memory_segments.begin(b), s.memory_segments.end(b));  // (T, 4)
    const std::int64_t length = memory.size(0);
    const Tensor average = length > 0 ? mean(memory, {0}) : zeros({4}, float64);
    Tensor hidden = tanh(matmul(at("bridge.weight"), average) + at("bridge.bias"));
    const Tensor looks = s.decoder.memory_weights(s.x, s.segments, s.memory, s.memory_segments, b);
    CHECK(looks.shape() == Shape{s.segments.length(b), length});
    for (std::int64_t i = 0; i < s.segments.length(b); ++i) {
      const Tensor x = s.x.select(0, s.segments.begin(b) + i);
      Tensor context = zeros({4}, float64);
      if (length > 0) {
        const Tensor asked =
            matmul(memory, at("key.weight").transpose(0, 1)) + at("key.bias") + matmul(at("query.weight"), hidden);
        const Tensor weights = softmax(matmul(tanh(asked), at("score_weight")), 0);
        CHECK(test::difference(looks.select(0, i), weights, 1e-12) == "");
        context = matmul(weights, memory);
      }
      const Tensor in = gates(cat({x, context}), "ih"), back = gates(hidden, "hh");
      const auto part = [](const Tensor& v, std::int64_t k) { return v.slice(0, 5 * k, 5 * k + 5); };
      const Tensor reset = sigmoid(part(in, 0) + part(back, 0)), update = sigmoid(part(in, 1) + part(back, 1));
      const Tensor candidate = tanh(part(in, 2) + reset * part(back, 2));
      hidden = candidate + update * (hidden - candidate);
      const Tensor y = tanh(matmul(at("combine.weight"), cat({x, hidden, context})) + at("combine.bias"));
      CHECK(test::difference(all.select(0, s.segments.begin(b) + i), y, 1e-12) == "");
    }
  }
}

TEST_CASE("recurrent decoder: a row at a time gives the bits of all rows at once, in any selection") {
  const GeneratorGuard seeded(Generator(6));
  const NoGradGuard no_grad;
  for (const DType dtype : {float32, float64}) {
    Setting s(dtype);
    const Tensor expected = s.forward();
    nn::RecurrentDecoderState state = s.decoder.begin(s.memory, s.memory_segments);
    // The longest two, one of them twice.
    state = state.select(std::vector<std::int64_t>{2, 4, 4});
    for (std::int64_t i = 0; i < 5; ++i) {
      const std::int64_t second = s.segments.begin(2) + i, last = s.segments.begin(4) + i;
      const Tensor rows = index_select(s.x, 0, tensor(std::vector<std::int64_t>{second, last, last}));
      const Tensor y = s.decoder.step(rows, state);
      CHECK(test::same_bits(y, index_select(expected, 0, tensor(std::vector<std::int64_t>{second, last, last}))));
    }
  }
}

TEST_CASE("recurrent decoder: gradients of both orders, those of the parameters included") {
  const GeneratorGuard seeded(Generator(7));
  Setting s;
  const StateDict parameters = s.decoder.named_parameters();
  TensorList inputs = {s.x.set_requires_grad(true), s.memory.set_requires_grad(true)};
  for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
  const auto f = [&](const TensorList& in) {
    for (std::size_t i = 0; i + 2 < in.size(); ++i) s.decoder.tie(parameters[i].first, in[i + 2]);
    return TensorList{s.decoder.forward(in[0], s.segments, in[1], s.memory_segments)};
  };
  const GradcheckResult first = gradcheck(f, inputs, {.name = "recurrent decoder"});
  CHECK_MESSAGE(first.ok, first.message);
  const GradcheckResult second = gradgradcheck(f, {inputs[0], inputs[1]}, {.name = "recurrent decoder"});
  CHECK_MESSAGE(second.ok, second.message);
}

TEST_CASE("recurrent decoder: what does not fit is named") {
  const GeneratorGuard seeded(Generator(8));
  Setting s;
  const auto says = [](ErrorKind kind, const char* part, const std::function<void()>& call) {
    const std::string text = test::error_text(kind, call);
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  };
  says(ErrorKind::argument, "hidden_size",
       [] { nn::RecurrentDecoder({.input_size = 3, .hidden_size = 0, .memory_size = 2}); });
  says(ErrorKind::shape, "the input does not fit",
       [&] { s.decoder.forward(s.memory, s.segments, s.memory, s.memory_segments); });
  says(ErrorKind::shape, "the memory does not fit",
       [&] { s.decoder.forward(s.x, s.segments, s.x, s.memory_segments); });
  says(ErrorKind::shape, "different numbers",
       [&] { s.decoder.forward(s.x, s.segments, s.memory, Segments::single(s.memory.size(0))); });
  nn::RecurrentDecoderState state = s.decoder.begin(s.memory, s.memory_segments);
  says(ErrorKind::shape, "a row for each sequence", [&] { s.decoder.step(s.x, state); });
  says(ErrorKind::index, "no such sequence", [&] { state.select(std::vector<std::int64_t>{5}); });
}
