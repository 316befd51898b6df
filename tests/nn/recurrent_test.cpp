// LSTM, GRU and RNN: beside PyTorch's over packed sequences, frame by frame, and what they refuse.

#include "saw/nn/recurrent.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/tape/engine.h"
#include "support/golden.h"
#include "support/tensors.h"

using namespace saw;

namespace {

const test::Golden& golden() {
  static const test::Golden file("recurrent.safetensors");
  return file;
}

constexpr double float64_tolerance = 1e-10;

/// Rows and states of any of the three; the cell state is undefined but for an LSTM.
template <class M>
LstmResult run(const M& module, const Tensor& x, const Segments& segments, const LstmState& first = {}) {
  if constexpr (std::is_same_v<M, nn::LSTM>) {
    return module.forward(x, segments, first);
  } else {
    const RecurrentResult result = module.forward(x, segments, first.hidden);
    return {result.rows, result.hidden, {}};
  }
}

TensorList defined_of(const LstmResult& result) {
  TensorList list = {result.rows, result.hidden};
  if (result.cell.defined()) list.push_back(result.cell);
  return list;
}

void check_equal(const std::string& what, const Tensor& actual, const Tensor& expected) {
  CAPTURE(what);
  CHECK_EQ(test::difference(actual, expected, float64_tolerance, float64_tolerance), "");
}

/// One case of the golden file: all values and gradients in float64, values in float32.
template <class M>
void check_case(const std::string& name, M& module) {
  CAPTURE(name);
  const Segments segments = golden().segments("lengths");
  const StateDict state = golden().below(name + ".state.");
  module.to(float64);
  CHECK(module.state_dict().size() == state.size());
  module.load_state_dict(state);
  const auto input = [&](const std::string& part, DType dtype) {
    return golden().at(name + "." + part).to(dtype).clone().set_requires_grad(true);
  };
  const auto first = [&](DType dtype) -> LstmState {
    const auto of = [&](const std::string& part) {
      return golden().has(name + "." + part) ? input(part, dtype) : Tensor();
    };
    return {of("first_hidden"), of("first_cell")};
  };
  const std::vector<std::string> parts = {"rows", "hidden", "cell"};

  const Tensor x = input("input", float64);
  const LstmState begin = first(float64);
  const TensorList outputs = defined_of(run(module, x, segments, begin));
  TensorList upstream;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_equal(parts[i], outputs[i], golden().at(name + "." + parts[i]));
    upstream.push_back(golden().at(name + ".grad_" + parts[i]));
  }
  backward(outputs, {.grad_outputs = upstream});
  check_equal("grad_input", x.grad(), golden().at(name + ".grad_input"));
  if (begin.hidden.defined())
    check_equal("grad_first_hidden", begin.hidden.grad(), golden().at(name + ".grad_first_hidden"));
  if (begin.cell.defined()) check_equal("grad_first_cell", begin.cell.grad(), golden().at(name + ".grad_first_cell"));
  for (const auto& [parameter, tensor] : module.named_parameters())
    check_equal(parameter, tensor.grad(), golden().at(name + ".grad." + parameter));

  module.to(float32);
  StateDict narrow;
  for (const auto& [parameter, tensor] : state) narrow.emplace_back(parameter, tensor.to(float32));
  module.load_state_dict(narrow);
  const NoGradGuard no_grad;
  const TensorList single = defined_of(run(module, input("input", float32), segments, first(float32)));
  for (std::size_t i = 0; i < single.size(); ++i) {
    const Tensor expected = golden().at(name + "." + parts[i] + "_float32");
    // 5 steps of up to 3 layers, each with sums of 8 terms and a few more; the plain net with relu grows on the way.
    const double allowed = 2.0 * 5 * 3 * 16 * std::numeric_limits<float>::epsilon() * (1.0 + test::largest(expected));
    CHECK_EQ(test::difference(single[i], expected, 0.0, allowed), "");
  }
}

/// All cases of a class; `extra` are those that it has alone.
template <class M>
void check_all(const std::string& kind, std::vector<std::pair<std::string, typename M::Options>> cases) {
  typename M::Options options;
  options.input_size = 3;
  options.hidden_size = 4;
  const auto with = [&](auto change) {
    typename M::Options changed = options;
    change(changed);
    return changed;
  };
  using Options = typename M::Options;
  cases.emplace_back("plain", options);
  cases.emplace_back("no_bias", with([](Options& o) { o.bias = false; }));
  cases.emplace_back("bidirectional", with([](Options& o) { o.bidirectional = true; }));
  cases.emplace_back("layers", with([](Options& o) { o.num_layers = 3; }));
  cases.emplace_back("layers_bidirectional", with([](Options& o) {
                       o.num_layers = 2;
                       o.bidirectional = true;
                     }));
  int checked = 0;
  for (const auto& [variant, chosen] : cases)
    for (const char* suffix : {"", ".first_state"}) {
      const std::string name = kind + "." + variant + suffix;
      if (!golden().has(name + ".input")) continue;
      M module(chosen);
      check_case(name, module);
      ++checked;
    }
  CHECK(checked == static_cast<int>(cases.size()) + 2);  // two of them also without a first state
}

}  // namespace

TEST_CASE("LSTM equals PyTorch's over packed sequences") {
  check_all<nn::LSTM>("lstm",
                      {{"projection", {.input_size = 3, .hidden_size = 4, .proj_size = 3}},
                       {"projection_layers_bidirectional",
                        {.input_size = 3, .hidden_size = 4, .num_layers = 2, .bidirectional = true, .proj_size = 3}}});
}

TEST_CASE("GRU equals PyTorch's over packed sequences") { check_all<nn::GRU>("gru", {}); }

TEST_CASE("RNN equals PyTorch's over packed sequences") {
  check_all<nn::RNN>("rnn", {{"relu", {.input_size = 3, .hidden_size = 4, .nonlinearity = RnnNonlinearity::relu}},
                             {"relu_layers_bidirectional",
                              {.input_size = 3,
                               .hidden_size = 4,
                               .num_layers = 2,
                               .nonlinearity = RnnNonlinearity::relu,
                               .bidirectional = true}}});
}

// ---- names and initial values ----

TEST_CASE("recurrent nets: PyTorch's names, shapes and bounds") {
  manual_seed(3);
  const nn::LSTM lstm({.input_size = 7, .hidden_size = 16, .num_layers = 2, .bidirectional = true, .proj_size = 5});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : lstm.named_parameters()) {
    names.push_back(name);
    CHECK(test::largest(tensor) <= 0.25);  // 1/√16
    CHECK(test::largest(tensor) > 0.2);    // uniform up to there
  }
  std::vector<std::string> expected;
  for (const std::string layer : {"_l0", "_l0_reverse", "_l1", "_l1_reverse"})
    for (const std::string name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"})
      expected.push_back(name + layer);
  CHECK(names == expected);
  CHECK(lstm.find_parameter("weight_ih_l0").shape() == Shape{64, 7});
  CHECK(lstm.find_parameter("weight_ih_l1_reverse").shape() == Shape{64, 10});
  CHECK(lstm.find_parameter("weight_hh_l1").shape() == Shape{64, 5});
  CHECK(lstm.find_parameter("bias_hh_l0").shape() == Shape{64});
  CHECK(lstm.find_parameter("weight_hr_l0").shape() == Shape{5, 16});
  CHECK(lstm.state_count() == 4);
}

// ---- streaming ----

namespace {

/// Streams of equal length, frame by frame, beside all at once.
template <class M, class Step>
void check_streaming(M& module, const Step& step, DType dtype) {
  module.to(dtype);
  module.eval();
  const NoGradGuard no_grad;
  constexpr std::int64_t streams = 3, frames = 9, width = 11;
  const Tensor x = randn({streams * frames, width}, dtype);
  const LstmResult at_once = run(module, x, Segments::from_lengths(std::vector<std::int64_t>(streams, frames)));
  LstmResult last;
  for (std::int64_t t = 0; t < frames; ++t) {
    last = step(module, slice(x, 0, t, streams * frames, frames), LstmState{last.hidden, last.cell});
    CHECK(test::same_bits(last.rows, slice(at_once.rows, 0, t, streams * frames, frames)));
  }
  CHECK(test::same_bits(last.hidden, at_once.hidden));
  if (at_once.cell.defined()) CHECK(test::same_bits(last.cell, at_once.cell));
}

}  // namespace

TEST_CASE("recurrent nets: frame by frame the same bits as at once") {
  manual_seed(4);
  for (const DType dtype : {float32, float64}) {
    nn::LSTM lstm({.input_size = 11, .hidden_size = 37, .num_layers = 2, .dropout = 0.5});
    check_streaming(
        lstm, [](const nn::LSTM& m, const Tensor& x, const LstmState& state) { return m.step(x, state); }, dtype);
    nn::LSTM projected({.input_size = 11, .hidden_size = 37, .num_layers = 2, .proj_size = 13});
    check_streaming(
        projected, [](const nn::LSTM& m, const Tensor& x, const LstmState& state) { return m.step(x, state); }, dtype);
    const auto with_one_state = [](const auto& m, const Tensor& x, const LstmState& state) {
      const RecurrentResult result = m.step(x, state.hidden);
      return LstmResult{result.rows, result.hidden, {}};
    };
    nn::GRU gru({.input_size = 11, .hidden_size = 37, .num_layers = 2});
    check_streaming(gru, with_one_state, dtype);
    nn::RNN rnn({.input_size = 11, .hidden_size = 37, .num_layers = 2});
    check_streaming(rnn, with_one_state, dtype);
  }
}

TEST_CASE("recurrent nets: a sequence in two pieces, the state carried over") {
  manual_seed(5);
  nn::LSTM lstm({.input_size = 4, .hidden_size = 20});
  const Tensor x = randn({12, 4});
  const LstmResult whole = lstm.forward(x, Segments::single(12));
  const LstmResult head = lstm.forward(slice(x, 0, 0, 7), Segments::single(7));
  const LstmResult tail = lstm.forward(slice(x, 0, 7, 12), Segments::single(5), {head.hidden, head.cell});
  CHECK(test::same_bits(cat({head.rows, tail.rows}, 0), whole.rows));
  CHECK(test::same_bits(tail.cell, whole.cell));
}

// ---- sequences ----

TEST_CASE("recurrent nets: sequences without rows hand their first state on") {
  manual_seed(6);
  nn::GRU gru({.input_size = 4, .hidden_size = 5, .num_layers = 2, .bidirectional = true});
  const Segments segments = Segments::from_lengths({0, 3, 0});
  const Tensor first = randn({4, 3, 5}).set_requires_grad(true);
  const auto [rows, last] = gru.forward(randn({3, 4}), segments, first);
  CHECK(rows.shape() == Shape{3, 10});
  for (const std::int64_t empty : {0, 2}) CHECK(test::same_bits(select(last, 1, empty), select(first, 1, empty)));
  sum(last).backward();
  CHECK_EQ(test::difference(select(first.grad(), 1, 0), ones({4, 5}), 0.0, 0.0), "");

  nn::LSTM lstm({.input_size = 4, .hidden_size = 5});
  const auto [none, hidden, cell] = lstm.forward(zeros({0, 4}), Segments());
  CHECK(none.shape() == Shape{0, 5});
  CHECK(hidden.shape() == Shape{1, 0, 5});
  CHECK(cell.shape() == Shape{1, 0, 5});
  sum(none).backward();
  CHECK(test::largest(lstm.find_parameter("weight_hh_l0").grad()) == 0.0);
}

TEST_CASE("recurrent nets: the same bits for any number of threads, forward and backward") {
  manual_seed(7);
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 40; ++i) lengths.push_back(i * 7 % 23);
  const int before = num_threads();
  for (const std::vector<std::int64_t>& some : {lengths, std::vector<std::int64_t>{30, 12}}) {
    const Segments segments = Segments::from_lengths(some);
    nn::LSTM lstm({.input_size = 16, .hidden_size = 90, .num_layers = 2, .bidirectional = true});
    const Tensor x = randn({segments.rows(), 16}).set_requires_grad(true);
    TensorList expected;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      lstm.zero_grad();
      x.zero_grad();
      const LstmResult result = lstm.forward(x, segments);
      sum(result.rows * result.rows).backward();
      TensorList seen = {result.rows.detach(), result.cell.detach(), x.grad().clone()};
      for (const Tensor& parameter : lstm.parameters()) seen.push_back(parameter.grad().clone());
      if (threads == 1) expected = seen;
      for (std::size_t i = 0; i < seen.size(); ++i) CHECK(test::same_bits(seen[i], expected[i]));
    }
  }
  set_num_threads(before);
}

TEST_CASE("recurrent nets: dropout lies between layers and only in training") {
  manual_seed(8);
  nn::RNN rnn({.input_size = 4, .hidden_size = 8, .num_layers = 2, .dropout = 1.0});
  const Tensor x = randn({6, 4});
  const Segments segments = Segments::from_lengths({2, 4});
  const Tensor trained = rnn.forward(x, segments).rows;
  // The second layer sees zeros: its rows depend on their position alone, and the result itself is not dropped.
  CHECK(test::same_bits(slice(trained, 0, 0, 2), slice(trained, 0, 2, 4)));
  CHECK(test::largest(trained) > 0.0);
  rnn.eval();
  const Tensor evaluated = rnn.forward(x, segments).rows;
  CHECK_FALSE(test::same_bits(slice(evaluated, 0, 0, 2), slice(evaluated, 0, 2, 4)));
}

TEST_CASE("recurrent nets: no step is a node of its own") {
  manual_seed(9);
  nn::LSTM lstm({.input_size = 3, .hidden_size = 4});
  const auto nodes_for = [&](std::int64_t length) {
    const std::int64_t before = live_nodes();
    const LstmResult result = lstm.forward(randn({length, 3}), Segments::single(length));
    return live_nodes() - before;
  };
  CHECK(nodes_for(1) > 0);
  CHECK(nodes_for(500) == nodes_for(1));
}

// ---- mistakes ----

TEST_CASE("recurrent nets: what is wrong is said with the layer's name") {
  const auto message = [](const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const auto says = [&](const std::string& text, const std::function<void()>& f) {
    const std::string got = message(f);
    CHECK_MESSAGE(got.find(text) == 0, got);
  };
  says("LSTM: input_size must be at least 1; got 0", [] { nn::LSTM({.hidden_size = 3}); });
  says("GRU: hidden_size must be at least 1; got 0", [] { nn::GRU({.input_size = 3}); });
  says("RNN: num_layers must be at least 1; got -1",
       [] { nn::RNN({.input_size = 3, .hidden_size = 3, .num_layers = -1}); });
  says("LSTM: dropout must be in [0, 1]; got 1.5",
       [] { nn::LSTM({.input_size = 3, .hidden_size = 3, .dropout = 1.5}); });
  says("LSTM: proj_size must be below hidden_size; got 3 and 3",
       [] { nn::LSTM({.input_size = 3, .hidden_size = 3, .proj_size = 3}); });
  says("LSTM: proj_size must not be negative; got -1",
       [] { nn::LSTM({.input_size = 3, .hidden_size = 3, .proj_size = -1}); });

  const nn::LSTM lstm({.input_size = 3, .hidden_size = 4, .num_layers = 2});
  const Segments two = Segments::from_lengths({1, 2});
  says("LSTM: input does not fit; got (3, 4)", [&] { lstm.forward(zeros({3, 4}), two); });
  says("LSTM: input does not fit; got (2, 3)", [&] { lstm.forward(zeros({2, 3}), two); });
  says("LSTM: the first hidden state does not fit; got (2, 4); expected (2, 2, 4)", [&] {
    lstm.forward(zeros({3, 3}), two, {.hidden = zeros({2, 4})});
  });
  says("LSTM: the first cell state does not fit; got (1, 2, 4)", [&] {
    lstm.forward(zeros({3, 3}), two, {.cell = zeros({1, 2, 4})});
  });
  says("LSTM: a step's input does not fit; got (3,)", [&] { lstm.step(zeros({3}), {}); });
  const nn::GRU both({.input_size = 3, .hidden_size = 4, .bidirectional = true});
  says("GRU: a bidirectional net has no step", [&] { both.step(zeros({1, 3}), {}); });
}
