// The tape: accumulation, graphs of all forms, higher orders, and what it refuses.

#include "saw/autograd/tape/engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops.h"
#include "support/tensors.h"

namespace {

using saw::Tensor;
using saw::TensorList;
using test::error_text;

Tensor leaf(std::initializer_list<double> values) { return saw::tensor(values, saw::float64).set_requires_grad(true); }

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }
using List = std::vector<double>;

// ---- accumulation ----

TEST_CASE("engine: backward adds to grad until zero_grad") {
  const Tensor x = leaf({1, 2, 3});
  (x * x).sum().backward();
  CHECK(values(x.grad()) == List{2, 4, 6});
  (x * 10.0).sum().backward();
  CHECK(values(x.grad()) == List{12, 14, 16});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  (x * 10.0).sum().backward();
  CHECK(values(x.grad()) == List{10, 10, 10});
}

TEST_CASE("engine: a leaf's gradient is its own memory") {
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  // add hands one gradient to both; the expanded gradient of sum has stride 0
  (x + y).sum().backward();
  CHECK(x.grad().is_contiguous());
  CHECK(x.grad().storage() != y.grad().storage());
  x.grad().mul_(5.0);
  CHECK(values(x.grad()) == List{5, 5});
  CHECK(values(y.grad()) == List{1, 1});
  const Tensor seed = saw::tensor({7, 7}, saw::float64);
  const Tensor z = leaf({0, 0});
  (z + 0.0).backward(seed);
  z.grad().fill_(0.0);
  CHECK(values(seed) == List{7, 7});
}

TEST_CASE("engine: gradients of broadcast inputs are summed to their shapes") {
  const Tensor a = saw::ones({3, 1}, saw::float64).set_requires_grad(true);
  const Tensor b = saw::full({4}, 2.0, saw::float64).set_requires_grad(true);
  const Tensor c = saw::scalar(3.0, saw::float64).set_requires_grad(true);
  saw::mul(saw::mul(a, b), c).sum().backward();
  CHECK(a.grad().shape() == saw::Shape{3, 1});
  CHECK(values(a.grad()) == List{24, 24, 24});
  CHECK(b.grad().shape() == saw::Shape{4});
  CHECK(values(b.grad()) == List{9, 9, 9, 9});
  CHECK(c.grad().shape() == saw::Shape{});
  CHECK(values(c.grad()) == List{24});
}

TEST_CASE("engine: a diamond visits every node once, when its gradient is complete") {
  const Tensor x = leaf({3});
  const Tensor a = x * x;                  // 9
  const Tensor b = a * 2.0;                // 18
  const Tensor c = saw::exp(a * 0.0) + a;  // 10
  int visits = 0;
  a.register_hook([&](const Tensor& gradient) {
    ++visits;
    CHECK(values(gradient) == List{10 * 2 + 18});
    return Tensor();
  });
  const Tensor y = b * c;
  y.sum().backward();
  CHECK(visits == 1);
  CHECK(values(x.grad()) == List{38 * 6});
}

TEST_CASE("engine: one tensor in both places of an op, and many times over") {
  const Tensor x = leaf({2, 5});
  (x * x * x).sum().backward();
  CHECK(values(x.grad()) == List{12, 75});
  x.zero_grad();
  Tensor y = x;
  for (int i = 0; i < 40; ++i) y = y + y;  // 2^40 paths, 40 nodes
  y.sum().backward();
  CHECK(values(x.grad()) == List{std::exp2(40), std::exp2(40)});
}

TEST_CASE("engine: adding up a loss in a loop") {
  const Tensor x = leaf({1, 2});
  Tensor total = saw::scalar(0.0, saw::float64);
  for (int i = 1; i <= 100; ++i) total = total + (x * static_cast<double>(i)).sum();
  CHECK(total.item() == doctest::Approx(5050.0 * 3));
  total.backward();
  CHECK(values(x.grad()) == List{5050, 5050});
}

TEST_CASE("engine: gradients that arrive at one tensor from two outputs") {
  const Tensor x = leaf({1, 2});
  const Tensor a = (x * x).sum(), b = (x * 3.0).sum();
  saw::backward({a, b});
  CHECK(values(x.grad()) == List{5, 7});
  x.zero_grad();
  const Tensor c = (x * x).sum(), d = (x * 3.0).sum();
  saw::backward({c, d}, {.grad_outputs = {saw::scalar(10.0, saw::float64), saw::scalar(-1.0, saw::float64)}});
  CHECK(values(x.grad()) == List{17, 37});
}

TEST_CASE("engine: backward from a tensor with a given gradient") {
  const Tensor x = leaf({1, 2, 3});
  const Tensor y = x * x;
  CHECK(error_text([&] { y.backward(); }) ==
        "backward: needs a scalar or a gradient for the output; got shape (3,); take sum() or mean()");
  CHECK(error_text([&] { y.backward(saw::ones({2}, saw::float64)); }) ==
        "backward: the gradient of an output must look like it; got float64 (2,); expected float64 (3,)");
  CHECK(error_text([&] { y.backward(saw::ones({3}, saw::float32)); }) ==
        "backward: the gradient of an output must look like it; got float32 (3,); expected float64 (3,)");
  y.backward(saw::tensor({1, 10, 100}, saw::float64));
  CHECK(values(x.grad()) == List{2, 40, 600});
}

// ---- second backward ----

TEST_CASE("engine: a second backward needs retain_graph in the first") {
  const Tensor x = leaf({2});
  const Tensor y = saw::exp(x).sum();
  y.backward({}, true);
  y.backward();
  CHECK(x.grad().item() == doctest::Approx(2 * std::exp(2.0)).epsilon(1e-14));
  const std::string text = error_text([&] { y.backward(); });
  CHECK(text ==
        "backward: the saved tensors of sum were freed by an earlier backward; pass retain_graph = true to that one");
  CHECK(x.grad().item() == doctest::Approx(2 * std::exp(2.0)).epsilon(1e-14));
}

TEST_CASE("engine: backward frees the saved tensors of the tape it walks") {
  const Tensor x = saw::ones({1000, 10}).set_requires_grad(true);
  const std::size_t before = saw::memory_stats().active_bytes;
  const Tensor y = saw::exp(saw::exp(saw::exp(x)) * 0.01).sum();
  const std::size_t recorded = saw::memory_stats().active_bytes;
  CHECK(recorded >= before + 3 * 40000);
  y.backward();
  CHECK(saw::memory_stats().active_bytes < before + 2 * 50000);  // the gradient and y
}

// ---- version counters ----

TEST_CASE("engine: a saved tensor that was changed in place is noticed") {
  const Tensor x = leaf({1, 2, 3});
  Tensor y = x * 1.0;
  const Tensor z = saw::mul(y, y).sum();
  {
    const saw::NoGradGuard no_grad;
    y.mul_(2.0);
  }
  const std::string text = error_text([&] { z.backward(); });
  CHECK(text ==
        "mul: a tensor of shape (3,) that backward needs was changed in place; got version 2; expected 1; change a "
        "clone() instead, or change it after backward");
}

TEST_CASE("engine: a change through a view is a change, a change of what nobody saved is none") {
  const Tensor x = leaf({1, 2, 3});
  const Tensor constant = saw::tensor({4, 5, 6}, saw::float64);
  const Tensor y = (x * constant).sum();
  constant.slice(0, 0, 1).fill_(9.0);
  CHECK(error_text([&] { y.backward(); }).find("changed in place") != std::string::npos);

  const Tensor sum = (x + constant).sum();  // add saves nothing
  constant.fill_(0.0);
  sum.backward();
  CHECK(values(x.grad()) == List{1, 1, 1});
}

// ---- grad() ----

TEST_CASE("engine: grad gives gradients of leaves and of results on the way, and touches no grad()") {
  const Tensor x = leaf({2, 3}), w = leaf({5, 7});
  const Tensor hidden = x * w;
  const Tensor loss = (hidden * hidden).sum();
  const TensorList found = saw::grad({loss}, {hidden, x}, {.retain_graph = true});
  CHECK(values(found[0]) == List{20, 42});
  CHECK(values(found[1]) == List{100, 294});
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK(values(saw::grad({loss}, {w})[0]) == List{40, 126});
}

TEST_CASE("engine: grad with respect to the output itself") {
  const Tensor x = leaf({2, 3});
  const Tensor y = x * 2.0;
  const TensorList found = saw::grad({y}, {y, x}, {.grad_outputs = {saw::tensor({1, 10}, saw::float64)}});
  CHECK(values(found[0]) == List{1, 10});
  CHECK(values(found[1]) == List{2, 20});
}

TEST_CASE("engine: grad walks only what leads to the inputs") {
  const Tensor x = leaf({2}), unrelated = leaf({3});
  int visits = 0;
  const Tensor side = saw::exp(unrelated);
  side.register_hook([&](const Tensor&) { return ++visits, Tensor(); });
  const Tensor loss = (x * side).sum();
  CHECK(saw::grad({loss}, {x})[0].item() == doctest::Approx(std::exp(3.0)));
  CHECK(visits == 0);
}

TEST_CASE("engine: grad of what the outputs do not depend on") {
  const Tensor x = leaf({2, 4}), unused = leaf({3});
  const Tensor loss = x.sum();
  CHECK(error_text([&] {
          saw::grad({loss}, {x, unused}, {.retain_graph = true});
        }) == "grad: the outputs do not depend on input 1 of shape (1,); allow_unused returns undefined");
  const TensorList found = saw::grad({loss}, {unused, x}, {.allow_unused = true});
  CHECK_FALSE(found[0].defined());
  CHECK(values(found[1]) == List{1, 1});
  CHECK(error_text([&] { saw::grad({x.sum()}, {saw::ones({2})}); }) ==
        "grad: an input of shape (2,) does not require a gradient; set_requires_grad(true) first");
  CHECK(error_text([&] { saw::grad({saw::ones({2}).sum()}, {x}); }) ==
        "grad: the output of shape () does not depend on any tensor that requires a gradient; was it computed under "
        "NoGradGuard or detached?");
  CHECK(error_text([&] { saw::grad({}, {x}); }) == "grad: no outputs were given");
  CHECK(error_text([&] {
          saw::grad({x.sum()}, {x}, {.grad_outputs = {saw::ones({}), saw::ones({})}});
        }) == "grad: the gradients of the outputs do not match; got 2 for 1 output(s)");
}

TEST_CASE("engine: derivatives of x⁴·sin x up to the third order") {
  const Tensor x = leaf({0.3, -1.2, 2.5});
  const Tensor y = saw::pow(x, 4.0) * saw::sin(x);
  TensorList orders;
  Tensor last = y;
  for (int order = 0; order < 3; ++order) {
    last = saw::grad({last.sum()}, {x}, {.create_graph = order < 2})[0];
    orders.push_back(last);
  }
  CHECK(orders[0].requires_grad());
  CHECK_FALSE(orders[2].requires_grad());
  CHECK_FALSE(x.grad().defined());
  const List at = values(x);
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double v = at[i], s = std::sin(v), c = std::cos(v);
    CHECK(values(orders[0])[i] == doctest::Approx(4 * v * v * v * s + v * v * v * v * c).epsilon(1e-12));
    CHECK(values(orders[1])[i] ==
          doctest::Approx(12 * v * v * s + 8 * v * v * v * c - v * v * v * v * s).epsilon(1e-12));
    CHECK(values(orders[2])[i] ==
          doctest::Approx(24 * v * s + 36 * v * v * c - 12 * v * v * v * s - v * v * v * v * c).epsilon(1e-12));
  }
}

TEST_CASE("engine: backward with create_graph leaves gradients that can be differentiated") {
  const Tensor x = leaf({2, -3});
  saw::pow(x, 3.0).sum().backward({}, false, true);
  const Tensor penalty = (x.grad() * x.grad()).sum();  // Σ 9x⁴
  const Tensor second = saw::grad({penalty}, {x})[0];
  CHECK(values(second)[0] == doctest::Approx(36 * 8.0).epsilon(1e-12));
  CHECK(values(second)[1] == doctest::Approx(36 * -27.0).epsilon(1e-12));
  x.zero_grad();
}

TEST_CASE("engine: backward runs the same on a tape with recording switched off around it") {
  const Tensor x = leaf({2});
  const Tensor y = (x * x).sum();
  const saw::NoGradGuard no_grad;
  y.backward();
  CHECK(x.grad().item() == 4);
  CHECK_FALSE(x.grad().requires_grad());
}

// ---- ops with several outputs ----

TEST_CASE("engine: ops with several outputs of which some are used") {
  const Tensor x = leaf({3, 1, 2, 5});
  saw::split(x, {1, 2, 1})[1].sum().backward();
  CHECK(values(x.grad()) == List{0, 1, 1, 0});
  x.zero_grad();
  const TensorList parts = saw::split(x, {2, 2});
  (parts[0] * parts[1] * parts[0]).sum().backward();
  CHECK(values(x.grad()) == List{2 * 3 * 2, 2 * 1 * 5, 9, 1});
  x.zero_grad();
  const auto sorted = saw::sort(x);
  CHECK_FALSE(sorted.indices.requires_grad());
  (sorted.values * saw::tensor({1, 10, 100, 1000}, saw::float64)).sum().backward();
  CHECK(values(x.grad()) == List{100, 1, 10, 1000});
  x.zero_grad();
  const auto best = saw::topk(x, 2);
  (best.values * saw::tensor({1, 10}, saw::float64)).sum().backward();
  CHECK(values(x.grad()) == List{10, 0, 0, 1});
}

// ---- leaves, views, in place ----

TEST_CASE("engine: leaves") {
  const Tensor x = saw::ones({2});
  CHECK_FALSE(x.requires_grad());
  CHECK(x.is_leaf());
  x.set_requires_grad(true);
  const Tensor y = x * 2.0;
  CHECK(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  CHECK(error_text([&] {
          y.set_requires_grad(false);
        }).find("set_requires_grad: only leaves can change; got the result of ") == 0);
  CHECK(error_text([] { saw::arange(3).set_requires_grad(true); }) ==
        "set_requires_grad: needs floating point elements; got int64");
  CHECK(error_text([&] { y.set_grad(saw::ones({2})); }) ==
        "set_grad: only a leaf that requires a gradient has one; shape (2,)");
  CHECK(error_text([&] { x.set_grad(saw::ones({3})); }) == "set_grad: got float32 (3,); expected float32 (2,)");
  x.set_grad(saw::ones({2}));
  y.sum().backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{3, 3});
  x.set_requires_grad(false);
  CHECK_FALSE((x * 2.0).requires_grad());
  CHECK(error_text([&] {
          x.sum().backward();
        }).find("backward: the output of shape () does not depend on any tensor") == 0);
}

TEST_CASE("engine: names of leaves") {
  const Tensor x = saw::ones({2}).set_requires_grad(true);
  CHECK(x.name().empty());
  x.set_name("encoder.weight");
  CHECK(x.name() == "encoder.weight");
  const Tensor same = x;
  CHECK(same.name() == "encoder.weight");
}

TEST_CASE("engine: a frozen leaf keeps its name") {
  const Tensor x = leaf({1, 2});
  x.set_name("encoder.weight");
  x.set_requires_grad(false);
  CHECK(x.name() == "encoder.weight");
  x.set_requires_grad(true);
  CHECK(x.name() == "encoder.weight");
}

TEST_CASE("engine: what detach gives is a tensor of its own, also without history") {
  const Tensor x = saw::ones({2}, saw::float64);
  const Tensor probe = x.detach();
  probe.set_requires_grad(true);
  CHECK_FALSE(x.requires_grad());
  CHECK(probe.storage() == x.storage());
}

TEST_CASE("engine: detach cuts, and shares the data") {
  const Tensor x = leaf({2, 3});
  const Tensor y = x * x;
  const Tensor cut = y.detach();
  CHECK_FALSE(cut.requires_grad());
  CHECK(cut.storage() == y.storage());
  (y * cut).sum().backward();
  CHECK(values(x.grad()) == List{2 * 2 * 4, 2 * 3 * 9});
}

TEST_CASE("engine: in-place changes of what has a gradient are made under NoGradGuard") {
  const Tensor x = leaf({1, 2});
  const std::string expected =
      ": a tensor of shape (2,) that requires a gradient would change in place; do it under NoGradGuard";
  CHECK(error_text([&] { x.mul_(2.0); }) == "mul_" + expected);
  CHECK(error_text([&] { x.fill_(2.0); }) == "fill_" + expected);
  CHECK(error_text([&] { x.add_(saw::ones({2}, saw::float64)); }) == "add_" + expected);
  CHECK(error_text([&] { x.copy_(saw::ones({2}, saw::float64)); }) == "copy_" + expected);
  CHECK(error_text([&] { x.mutable_data<double>(); }) == "mutable_data" + expected);
  CHECK(values(x) == List{1, 2});
  {
    const saw::NoGradGuard no_grad;
    x.add_(saw::ones({2}, saw::float64), -0.5);
    CHECK(x.requires_grad());
  }
  CHECK(values(x) == List{0.5, 1.5});
  const Tensor free = saw::tensor({1, 2}, saw::float64);
  free.mul_(3.0);
  CHECK(values(free) == List{3, 6});
}

TEST_CASE("engine: in-place changes of what is not contiguous are no way around the tape") {
  const Tensor x = saw::ones({2, 3}, saw::float64).set_requires_grad(true);
  const Tensor turned = x.transpose(0, 1);
  const std::string expected =
      ": a tensor of shape (3, 2) that requires a gradient would change in place; do it under NoGradGuard";
  CHECK(error_text([&] { turned.mul_(5.0); }) == "mul_" + expected);
  CHECK(error_text([&] { turned.add_(saw::ones({3, 2}, saw::float64)); }) == "add_" + expected);
  CHECK(values(x) == List(6, 1));
}

TEST_CASE("engine: values whose gradient would be lost are not copied silently") {
  const Tensor x = saw::zeros({2}, saw::float64), weight = leaf({1, 2});
  const std::string expected =
      ": values of shape (2,) that require a gradient would lose it; detach() them, or do it under NoGradGuard";
  CHECK(error_text([&] { x.copy_(weight); }) == "copy_" + expected);
  CHECK(error_text([&] { x.add_(weight); }) == "add_" + expected);
  x.copy_(weight.detach());
  {
    const saw::NoGradGuard no_grad;
    x.add_(weight);
  }
  CHECK(values(x) == List{2, 4});
}

TEST_CASE("engine: guards nest and end") {
  CHECK(saw::is_grad_enabled());
  {
    const saw::NoGradGuard off;
    CHECK_FALSE(saw::is_grad_enabled());
    {
      const saw::GradModeGuard on(true);
      CHECK(saw::is_grad_enabled());
    }
    CHECK_FALSE(saw::is_grad_enabled());
  }
  CHECK(saw::is_grad_enabled());
  // An exception inside backward leaves the mode as it was.
  const Tensor x = leaf({1});
  x.register_hook([](const Tensor&) -> Tensor { throw std::runtime_error("from a hook"); });
  CHECK(error_text([&] { x.sum().backward(); }) == "from a hook");
  CHECK(saw::is_grad_enabled());
}

TEST_CASE("engine: gradients flow through views") {
  const Tensor x = saw::arange(0, 12, 1, saw::float64).reshape({3, 4}).detach().set_requires_grad(true);
  const Tensor view = x.transpose(0, 1).slice(0, 1, 4, 2).select(1, 2);  // x[2][1], x[2][3]
  CHECK(view.storage() == x.storage());
  (view * saw::tensor({5, 7}, saw::float64)).sum().backward();
  CHECK(values(x.grad()) == List{0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 7});
}

// ---- memory ----

TEST_CASE("engine: no reference cycles") {
  const auto nodes = saw::live_nodes();
  const auto bytes = saw::memory_stats().active_bytes;
  {
    const Tensor x = saw::ones({64, 64}).set_requires_grad(true);
    const Tensor w = saw::ones({64, 64}).set_requires_grad(true);
    // ops that save their own outputs
    Tensor y = saw::softmax(saw::exp(saw::tanh(saw::sigmoid(saw::matmul(x, w)))));
    y = saw::sqrt(saw::reciprocal(saw::layer_norm(y) + 10.0));
    CHECK(saw::live_nodes() > nodes + 8);
  }
  CHECK(saw::live_nodes() == nodes);
  CHECK(saw::memory_stats().active_bytes == bytes);
  {
    const Tensor x = saw::ones({64, 64}).set_requires_grad(true);
    const Tensor loss = saw::exp(x * 0.1).sum();
    const Tensor slope = saw::grad({loss}, {x}, {.create_graph = true})[0];
    (slope * slope).sum().backward();
    CHECK(x.grad().defined());
  }
  CHECK(saw::live_nodes() == nodes);
  CHECK(saw::memory_stats().active_bytes == bytes);
}

// ---- threads of the user's ----

TEST_CASE("engine: backward on two threads with separate graphs") {
  const auto run = [](std::uint64_t seed, std::vector<float>& result) {
    saw::Generator generator(seed);
    const Tensor w = saw::randn({16, 16}, generator).set_requires_grad(true);
    for (int step = 0; step < 50; ++step) {
      const Tensor x = saw::randn({8, 16}, generator);
      const Tensor loss = saw::tanh(saw::matmul(saw::tanh(saw::matmul(x, w)), w)).sum();
      loss.backward();
      const saw::NoGradGuard no_grad;
      w.add_(w.grad(), -0.01);
      w.zero_grad();
    }
    result = w.detach().to_vector<float>();
  };
  std::vector<float> alone[2], together[2];
  for (const std::size_t i : {0, 1}) run(i, alone[i]);
  std::vector<std::thread> threads;
  for (const std::size_t i : {0, 1}) threads.emplace_back([&, i] { run(i, together[i]); });
  for (std::thread& thread : threads) thread.join();
  for (const std::size_t i : {0, 1}) CHECK(alone[i] == together[i]);
  CHECK(alone[0] != alone[1]);
}

TEST_CASE("engine: recording and anomaly mode are a thread's own") {
  const saw::NoGradGuard no_grad;
  bool recorded = false;
  std::thread([&] { recorded = (saw::ones({1}).set_requires_grad(true) * 2.0).requires_grad(); }).join();
  CHECK(recorded);
}

}  // namespace
