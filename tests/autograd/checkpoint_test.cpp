// Checkpointing, functions of the user's own, anomaly mode, and chains too deep for any stack.

#include <doctest/doctest.h>
#include <pthread.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/checkpoint.h"
#include "saw/autograd/custom_function.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using saw::TensorList;
using test::error_text;

// ---- deep chains ----

/// Runs f on a thread whose stack has 256 KB.
void run_on_small_stack(void (*f)()) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(
              &thread, &attributes,
              [](void* function) -> void* {
                reinterpret_cast<void (*)()>(function)();
                return nullptr;
              },
              reinterpret_cast<void*>(f)) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

constexpr int deep = 1000000;

Tensor long_chain(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < deep; ++i) y = saw::affine(y, 1.0, 1e-6);
  return y;
}

TEST_CASE("chain of 1,000,000 nodes goes backward on a stack of 256 KB") {
  static double value, gradient;
  const auto nodes = saw::live_nodes();
  run_on_small_stack([] {
    const Tensor x = saw::scalar(2.0, saw::float64).set_requires_grad(true);
    const Tensor y = long_chain(x);
    y.backward();
    value = y.item();
    gradient = x.grad().item();
  });
  CHECK(value == doctest::Approx(3.0));
  CHECK(gradient == 1.0);
  CHECK(saw::live_nodes() == nodes);
}

TEST_CASE("chain of 1,000,000 nodes is destroyed on a stack of 256 KB") {
  static std::int64_t grown;
  const auto nodes = saw::live_nodes();
  run_on_small_stack([] {
    const auto before = saw::live_nodes();
    const Tensor x = saw::scalar(2.0, saw::float64).set_requires_grad(true);
    const Tensor y = long_chain(x);
    grown = saw::live_nodes() - before;
  });
  CHECK(grown == deep + 1);
  CHECK(saw::live_nodes() == nodes);
}

TEST_CASE("chain of 40,000 nodes that save tensors is walked by grad and destroyed on a stack of 256 KB") {
  static double gradient;
  const auto nodes = saw::live_nodes();
  const auto bytes = saw::memory_stats().active_bytes;
  run_on_small_stack([] {
    const Tensor x = saw::scalar(0.5, saw::float64).set_requires_grad(true);
    Tensor y = x;
    for (int i = 0; i < 20000; ++i) y = saw::sigmoid(saw::mul(y, x));
    gradient = saw::grad({y}, {x}, {.create_graph = true})[0].item();
  });
  // y = σ(xy) at the fixed point: y' = σ'·y / (1 − σ'·x)
  double y = 0.5;
  for (int i = 0; i < 200; ++i) y = 1 / (1 + std::exp(-0.5 * y));
  const double slope = y * (1 - y);
  CHECK(gradient == doctest::Approx(slope * y / (1 - slope * 0.5)).epsilon(1e-9));
  CHECK(saw::live_nodes() == nodes);
  CHECK(saw::memory_stats().active_bytes == bytes);
}

// ---- checkpoint ----

struct Layers {
  TensorList weights;
  explicit Layers(int count) {
    saw::Generator generator(3);
    for (int i = 0; i < count; ++i) weights.push_back((saw::randn({32, 32}, generator) * 0.2).set_requires_grad(true));
  }
  Tensor forward(Tensor x) const {
    for (const Tensor& w : weights) x = saw::dropout(saw::gelu(saw::tanh(saw::matmul(x, w))), 0.3);
    return x;
  }
};

TEST_CASE("checkpoint: values and gradients are those without it, dropout included") {
  const Layers first(2), second(2);
  saw::Generator generator(4);
  const Tensor input = saw::randn({20, 32}, generator);
  std::vector<TensorList> results;
  for (const bool recompute : {false, true}) {
    const Tensor x = input.clone().set_requires_grad(true);
    saw::manual_seed(11);
    Tensor y;
    if (recompute) {
      y = saw::checkpoint([&](const TensorList& in) { return first.forward(in[0]); }, {x}, first.weights);
      y = saw::checkpoint([&](const TensorList& in) { return second.forward(in[0]); }, {y}, second.weights);
    } else {
      y = second.forward(first.forward(x));
    }
    const Tensor after = saw::rand({4});  // the generator goes on as if nothing had been repeated
    (y * y).sum().backward();
    TensorList all{y.detach(), after, saw::rand({4}), x.grad()};
    for (const Layers* layers : {&first, &second})
      for (const Tensor& w : layers->weights) {
        all.push_back(w.grad());
        w.zero_grad();
      }
    results.push_back(all);
  }
  REQUIRE(results[0].size() == results[1].size());
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    CAPTURE(i);
    CHECK(test::same_bits(results[0][i], results[1][i]));
  }
}

TEST_CASE("checkpoint: less memory at the peak") {
  const auto peak = [](bool recompute) {
    const std::vector<Layers> blocks(8, Layers(4));
    const Tensor x = saw::ones({512, 32}).set_requires_grad(true);
    saw::reset_peak_memory();
    const auto before = saw::memory_stats().active_bytes;
    Tensor y = x;
    for (const Layers& block : blocks)
      y = recompute ? saw::checkpoint([&](const TensorList& in) { return block.forward(in[0]); }, {y}, block.weights)
                    : block.forward(y);
    y.sum().backward();
    return saw::memory_stats().peak_bytes - before;
  };
  const std::size_t kept = peak(false), recomputed = peak(true);
  CAPTURE(kept);
  CAPTURE(recomputed);
  CHECK(recomputed * 3 < kept);
}

TEST_CASE("checkpoint: gradients only for who needs them, several inputs, second order") {
  const Tensor a = saw::tensor({0.5, -1.0}, saw::float64).set_requires_grad(true);
  const Tensor b = saw::tensor({2.0, 3.0}, saw::float64);
  const auto f = [](const TensorList& in) { return saw::tanh(in[0]) * in[1] * in[0]; };
  const Tensor direct = saw::grad({f({a, b}).sum()}, {a}, {.create_graph = true})[0];
  const Tensor recomputed = saw::grad({saw::checkpoint(f, {a, b}).sum()}, {a}, {.create_graph = true})[0];
  CHECK(test::difference(recomputed, direct, 1e-15) == "");
  CHECK(test::difference(saw::grad({recomputed.sum()}, {a})[0], saw::grad({direct.sum()}, {a})[0], 1e-14) == "");
  const auto result = saw::gradgradcheck([&](const TensorList& in) { return TensorList{saw::checkpoint(f, in)}; },
                                         {a, b.clone().set_requires_grad(true)});
  CHECK_MESSAGE(result.ok, result.message);
}

TEST_CASE("checkpoint: a leaf that was not listed is reported by name") {
  const Tensor x = saw::ones({2}).set_requires_grad(true);
  const Tensor w = saw::ones({2}).set_requires_grad(true);
  w.set_name("decoder.weight");
  const Tensor y = saw::checkpoint([&](const TensorList& in) { return in[0] * w; }, {x});
  CHECK(error_text([&] { y.sum().backward(); }) ==
        "checkpoint: the function uses decoder.weight, which is neither an input nor a listed parameter");
  CHECK(saw::is_grad_enabled());
}

TEST_CASE("checkpoint: a parameter's hook runs once, on the complete gradient") {
  const Tensor weight = saw::ones({3}, saw::float64).set_requires_grad(true);
  const Tensor x = saw::ones({3}, saw::float64).set_requires_grad(true);
  int calls = 0;
  weight.register_hook([&](const Tensor& gradient) {
    ++calls;
    return gradient * 2.0;
  });
  const auto product = [&](const TensorList& in) { return in[0] * weight; };
  (saw::checkpoint(product, {x}, {weight}) + weight).sum().backward();
  CHECK(calls == 1);
  CHECK(weight.grad().to_vector<double>() == std::vector<double>(3, 4.0));
}

TEST_CASE("checkpoint: nothing is kept under NoGradGuard") {
  const Tensor x = saw::ones({2}).set_requires_grad(true);
  const saw::NoGradGuard no_grad;
  const auto nodes = saw::live_nodes();
  const Tensor y = saw::checkpoint([](const TensorList& in) { return in[0] * 2.0; }, {x});
  CHECK_FALSE(y.requires_grad());
  CHECK(saw::live_nodes() == nodes);
}

// ---- CustomFunction ----

TEST_CASE("custom function: first and second order") {
  int forwards = 0, backwards = 0;
  const saw::CustomFunction scaled_sine{
      .name = "scaled_sine",
      .forward =
          [&](const TensorList& in) {
            ++forwards;
            CHECK_FALSE(saw::is_grad_enabled());
            return saw::sin(in[0]) * in[1];
          },
      .backward =
          [&](const TensorList& in, const Tensor& output, const Tensor& grad_output) {
            ++backwards;
            CHECK(output.shape() == in[0].shape());
            return TensorList{grad_output * saw::cos(in[0]) * in[1], grad_output * saw::sin(in[0])};
          }};
  const Tensor x = saw::tensor({{0.5, 1.0}, {-2.0, 3.0}}, saw::float64).set_requires_grad(true);
  const Tensor scale = saw::tensor({2.0, -1.0}, saw::float64).set_requires_grad(true);  // broadcast
  const Tensor y = scaled_sine({x, scale});
  y.sum().backward();
  CHECK(forwards == 1);
  CHECK(backwards == 1);
  CHECK(scale.grad().shape() == saw::Shape{2});
  CHECK(scale.grad().to_vector<double>()[0] == doctest::Approx(std::sin(0.5) + std::sin(-2.0)));
  const auto run = [&](const TensorList& in) { return TensorList{scaled_sine(in)}; };
  const auto first = saw::gradcheck(run, {x, scale});
  CHECK_MESSAGE(first.ok, first.message);
  const auto second = saw::gradgradcheck(run, {x, scale});
  CHECK_MESSAGE(second.ok, second.message);
}

TEST_CASE("custom function: a wrong backward is found, an input handed through keeps its place") {
  const saw::CustomFunction wrong{
      .name = "wrong",
      .forward = [](const TensorList& in) { return in[0] * in[0]; },
      .backward = [](const TensorList& in, const Tensor&, const Tensor& g) { return TensorList{g * in[0]}; }};
  const Tensor x = saw::tensor({0.5, 1.0}, saw::float64).set_requires_grad(true);
  CHECK_FALSE(saw::gradcheck([&](const TensorList& in) { return TensorList{wrong(in)}; }, {x}).ok);

  const saw::CustomFunction negated_gradient{
      .name = "gradient_reversal",
      .forward = [](const TensorList& in) { return in[0]; },
      .backward = [](const TensorList&, const Tensor&, const Tensor& g) { return TensorList{-g}; }};
  (negated_gradient({x}) * 3.0).sum().backward();
  CHECK(x.grad().to_vector<double>() == std::vector<double>{-3, -3});
  CHECK(x.is_leaf());
}

TEST_CASE("custom function: mistakes carry its name") {
  const Tensor x = saw::ones({2}).set_requires_grad(true);
  const saw::CustomFunction few{
      .name = "too_few",
      .forward = [](const TensorList& in) { return in[0] + in[1]; },
      .backward = [](const TensorList&, const Tensor&, const Tensor& g) { return TensorList{g}; }};
  CHECK(error_text([&] {
          few({x, x}).sum().backward();
        }) == "too_few: backward gave 1 gradient(s); expected 2, one for each input");
  CHECK(error_text([&] { saw::CustomFunction{.name = "half", .forward = few.forward, .backward = {}}({x}); }) ==
        "custom_function: 'half' needs both a forward and a backward");
}

// ---- anomaly mode ----

TEST_CASE("custom function: results that do not fit are refused") {
  const Tensor x = saw::ones({2, 3}, saw::float64).set_requires_grad(true);
  const auto with_gradients = [&](const TensorList& gradients) {
    const saw::CustomFunction twice{"twice", [](const TensorList& in) { return in[0] * 2.0; },
                                    [=](const TensorList&, const Tensor&, const Tensor&) { return gradients; }};
    twice({x}).sum().backward();
  };
  const auto error_with = [&](const TensorList& gradients) { return error_text([&] { with_gradients(gradients); }); };
  CHECK(error_with({}) == "twice: backward gave 0 gradient(s); expected 1, one for each input");
  CHECK(error_with({saw::ones({2, 3})}) ==
        "twice: backward gave input 0 a gradient of another dtype; got float32; expected float64");
  CHECK(error_with({saw::ones({3}, saw::float64)}) ==
        "twice: backward gave input 0 a gradient of another shape; got (3,); expected (2, 3)");
  CHECK(error_with({saw::ones({1, 3}, saw::float64)}) ==
        "twice: backward gave input 0 a gradient of another shape; got (1, 3); expected (2, 3)");
  CHECK_FALSE(x.grad().defined());
  with_gradients({saw::ones({4, 2, 3}, saw::float64)});  // summed over what was broadcast
  CHECK(x.grad().to_vector<double>() == std::vector<double>(6, 4.0));

  const saw::CustomFunction nothing{"nothing", [](const TensorList&) { return Tensor(); },
                                    [](const TensorList&, const Tensor&, const Tensor&) { return TensorList(1); }};
  CHECK(error_text([&] { nothing({x}); }) == "nothing: forward gave an undefined tensor");
}

TEST_CASE("anomaly mode: the first NaN of forward is named with op, module and shapes") {
  const Tensor x = saw::tensor({{1.0, -1.0}}).set_requires_grad(true);
  saw::log(x);  // nothing is said outside
  const saw::AnomalyGuard anomaly;
  const std::function<std::string()> path = [] { return std::string("encoder.layers.1"); };
  const saw::ModuleScope scope(&path);
  CHECK(error_text([&] { saw::exp(saw::log(x) * 2.0); }) ==
        "log: produced a NaN or an infinity; output (1, 2); inputs (1, 2); in encoder.layers.1");
  const saw::NoGradGuard no_grad;
  CHECK(error_text([&] { saw::div(x, saw::zeros({2})); }) ==
        "div: produced a NaN or an infinity; output (1, 2); inputs (1, 2), (2,); in encoder.layers.1");
}

TEST_CASE("anomaly mode: the first NaN of backward is named with the op and the module of its forward") {
  const Tensor x = saw::tensor({4.0, 0.0}).set_requires_grad(true);
  Tensor loss;
  const saw::AnomalyGuard anomaly;
  {
    const std::function<std::string()> path = [] { return std::string("pooling"); };
    const saw::ModuleScope scope(&path);
    loss = saw::sqrt(x).sum();
  }
  CHECK(error_text([&] { loss.backward(); }) ==
        "sqrt: backward produced a NaN or an infinity in pooling; gradient of input 0 of shape (2,)");
}

TEST_CASE("anomaly mode: ends with its guard, and scopes nest") {
  const std::function<std::string()> outer = [] { return std::string("outer"); };
  const std::function<std::string()> inner = [] { return std::string("outer.inner"); };
  const Tensor minus = saw::tensor({-1.0});
  {
    const saw::AnomalyGuard anomaly;
    const saw::ModuleScope a(&outer);
    {
      const saw::ModuleScope b(&inner);
      CHECK(error_text([&] { saw::sqrt(minus); }).ends_with("; in outer.inner"));
    }
    CHECK(error_text([&] { saw::sqrt(minus); }).ends_with("; in outer"));
  }
  CHECK(std::isnan(saw::sqrt(minus).item()));
}

}  // namespace
