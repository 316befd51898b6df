#include "saw/optim/optimizer.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>

#include "optim/golden.h"
#include "support/errors.h"
#include "support/tensors.h"

namespace {

using namespace saw;
using namespace saw::optim;

Tensor leaf(const Tensor& values) {
  Tensor tensor = values.clone();
  tensor.set_requires_grad(true);
  return tensor;
}

/// Leaves of odd sizes, larger and smaller than a chunk of the pass, with an empty one and one of another dtype
/// between.
TensorList many_parameters() {
  Generator generator(5);
  return {leaf(randn({3}, generator)),
          leaf(randn({123, 457}, generator)),
          leaf(zeros({0, 4})),
          leaf(randn({41, 7}, generator, float64)),
          leaf(randn({}, generator)),
          leaf(randn({16384}, generator)),
          leaf(randn({70001}, generator))};
}

void set_random_gradients(const TensorList& parameters, std::uint64_t seed) {
  Generator generator(seed);
  for (const Tensor& parameter : parameters) parameter.set_grad(randn(parameter.shape(), generator, parameter.dtype()));
}

using Build = std::function<std::unique_ptr<Optimizer>(const Parameters&)>;

/// Every optimizer with all the state it can have.
const std::vector<Build>& builds() {
  static const std::vector<Build> all = {
      [](const Parameters& p) {
        return std::make_unique<SGD>(
            p, SGDOptions{.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.2, .weight_decay = 0.01});
      },
      [](const Parameters& p) { return std::make_unique<Adam>(p, AdamOptions{.weight_decay = 0.01, .amsgrad = true}); },
      [](const Parameters& p) { return std::make_unique<AdamW>(p, AdamWOptions{.learning_rate = 0.01}); },
      [](const Parameters& p) {
        return std::make_unique<RMSprop>(
            p, RMSpropOptions{.alpha = 0.9, .weight_decay = 0.01, .momentum = 0.5, .centered = true});
      },
      [](const Parameters& p) {
        return std::make_unique<Adagrad>(p, AdagradOptions{.learning_rate_decay = 0.1, .initial_accumulator = 0.1});
      },
      [](const Parameters& p) { return std::make_unique<Lion>(p, LionOptions{.weight_decay = 0.1}); }};
  return all;
}

bool identical(const TensorList& a, const TensorList& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!test::identical(a[i], b[i])) return false;
  return a.size() == b.size();
}

bool identical(const StateDict& a, const StateDict& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || !test::identical(a[i].second, b[i].second)) return false;
  return a.size() == b.size();
}

std::vector<std::string> keys(const StateDict& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  return names;
}

}  // namespace

TEST_SUITE("optimizers") {
  TEST_CASE("one thread and two give the same bits, in chunks or alone") {
    for (const Build& build : builds()) {
      std::vector<TensorList> results;
      for (const int threads : {1, 2, 3}) {
        const test::Threads scope(threads);
        const TensorList parameters = many_parameters();
        const auto optimizer = build(parameters);
        CAPTURE(optimizer->name());
        for (std::uint64_t step = 0; step < 3; ++step) {
          set_random_gradients(parameters, step);
          optimizer->step();
        }
        CHECK_FALSE(identical(parameters, many_parameters()));
        results.push_back(parameters);
      }
      CHECK(identical(results[0], results[1]));
      CHECK(identical(results[0], results[2]));
      // Each parameter in an optimizer of its own: where the chunks begin does not matter.
      const TensorList alone = many_parameters();
      std::vector<std::unique_ptr<Optimizer>> optimizers;
      for (const Tensor& parameter : alone) optimizers.push_back(build({parameter}));
      for (std::uint64_t step = 0; step < 3; ++step) {
        set_random_gradients(alone, step);
        for (const auto& optimizer : optimizers) optimizer->step();
      }
      CHECK(identical(results[0], alone));
    }
  }

  TEST_CASE("a saved and loaded run goes on as if it had not been interrupted") {
    for (const Build& build : builds()) {
      // Eight steps, the last five with another rate; once in one go, once through a file after the fifth.
      const auto run = [](Optimizer& optimizer, const TensorList& parameters, std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t step = from; step < to; ++step) {
          set_random_gradients(parameters, step);
          if (step % 2 == 0) parameters[5].zero_grad();  // its own steps are fewer
          if (step == 3) optimizer.set_learning_rate(0.005);
          optimizer.step();
        }
      };
      const TensorList whole = many_parameters();
      const auto uninterrupted = build(whole);
      CAPTURE(uninterrupted->name());
      run(*uninterrupted, whole, 0, 8);

      const TensorList first = many_parameters();
      const auto earlier = build(first);
      run(*earlier, first, 0, 5);
      const test::TemporaryDirectory directory;
      data::save_safetensors((directory / "state.safetensors").string(), earlier->state_dict());

      TensorList resumed;
      for (const Tensor& parameter : first) resumed.push_back(leaf(parameter.detach()));
      const auto later = build(resumed);
      later->load_state_dict(data::load_safetensors((directory / "state.safetensors").string()).tensors);
      CHECK(later->step_count() == 5);
      CHECK(later->learning_rate() == 0.005);
      run(*later, resumed, 5, 8);
      CHECK(identical(resumed, whole));
      CHECK(identical(later->state_dict(), uninterrupted->state_dict()));
    }
  }

  TEST_CASE("state has the names of the parameters") {
    const Tensor weight = leaf(ones({2, 3})), bias = leaf(ones({2})), scale = leaf(ones({}));
    using Names = std::vector<std::string>;
    SUBCASE("as given") {
      AdamW adam(StateDict{{"linear.weight", weight}, {"linear.bias", bias}});
      CHECK(keys(adam.state_dict()) == Names{"step_count", "learning_rate.0", "step.linear.weight",
                                             "exp_avg.linear.weight", "exp_avg_sq.linear.weight", "step.linear.bias",
                                             "exp_avg.linear.bias", "exp_avg_sq.linear.bias"});
    }
    SUBCASE("of the leaves, or by place") {
      weight.set_name("weight");
      scale.set_name("weight");  // taken
      SGD sgd({{.parameters = {bias}, .options = {.momentum = 0.9}}, {.parameters = {weight, scale}}});
      CHECK(keys(sgd.state_dict()) == Names{"step_count", "learning_rate.0", "learning_rate.1", "step.parameter.0",
                                            "momentum_buffer.parameter.0", "step.weight", "step.parameter.2"});
    }
    SUBCASE("where options ask for it") {
      RMSprop rmsprop(StateDict{{"w", weight}}, {.momentum = 0.1, .centered = true});
      CHECK(keys(rmsprop.state_dict()) ==
            Names{"step_count", "learning_rate.0", "step.w", "square_avg.w", "grad_avg.w", "momentum_buffer.w"});
      Adam adam(StateDict{{"w", weight}}, {.amsgrad = true});
      CHECK(keys(adam.state_dict()) ==
            Names{"step_count", "learning_rate.0", "step.w", "exp_avg.w", "exp_avg_sq.w", "max_exp_avg_sq.w"});
      Adagrad adagrad(StateDict{{"w", weight}}, {.initial_accumulator = 0.25});
      CHECK(find_tensor(adagrad.state_dict(), "sum.w").to_vector<float>() == std::vector<float>(6, 0.25F));
    }
  }

  TEST_CASE("a state that does not fit is refused whole, with every name") {
    const Tensor weight = leaf(ones({2, 3})), bias = leaf(ones({2}));
    SGD sgd(StateDict{{"weight", weight}, {"bias", bias}}, {.momentum = 0.9});
    weight.set_grad(ones({2, 3}));
    sgd.step();
    const StateDict good = sgd.state_dict();
    StateDict state = good;
    state.erase(state.begin());       // step_count
    state[2].second = zeros({3, 2});  // momentum_buffer.weight
    state[3].second = zeros({});      // step.bias
    state.emplace_back("exp_avg.weight", zeros({2, 3}));
    state.push_back(state[0]);
    CHECK(
        test::error_text(ErrorKind::argument, [&] { sgd.load_state_dict(state); }) ==
        "SGD.load_state_dict: the state does not fit; missing: step_count; unexpected: exp_avg.weight; there twice: "
        "learning_rate.0; mismatched: momentum_buffer.weight (got float32 (3, 2); expected float32 (2, 3)), step.bias "
        "(got float32 (); expected int64 ())");
    StateDict negative = good;
    negative[1].second = scalar(-0.1, float64);
    CHECK(test::error_text(ErrorKind::argument, [&] { sgd.load_state_dict(negative); }) ==
          "SGD.load_state_dict: learning_rate.0 must be finite and not negative; got -0.1");
    CHECK(identical(sgd.state_dict(), good));
  }

  TEST_CASE("a saved state is a copy") {
    const Tensor weight = leaf(ones({4}));
    AdamW adam({weight});
    weight.set_grad(ones({4}));
    adam.step();
    const StateDict state = adam.state_dict();
    const std::vector<float> before = find_tensor(state, "exp_avg.parameter.0").to_vector<float>();
    adam.step();
    CHECK(find_tensor(state, "exp_avg.parameter.0").to_vector<float>() == before);
  }

  TEST_CASE("a parameter without a gradient stays as it is") {
    const Tensor a = leaf(ones({3})), b = leaf(ones({3}));
    AdamW adam(StateDict{{"a", a}, {"b", b}}, {.weight_decay = 0.5});
    a.set_grad(ones({3}));
    adam.step();
    adam.step();
    CHECK(b.to_vector<float>() == std::vector<float>(3, 1.0F));
    CHECK(find_tensor(adam.state_dict(), "step.a").item() == 2);
    CHECK(find_tensor(adam.state_dict(), "step.b").item() == 0);
    CHECK(adam.step_count() == 2);
    adam.zero_grad();
    CHECK_FALSE(a.grad().defined());
    const std::vector<float> rested = a.to_vector<float>();
    CHECK_EQ(test::error_text(ErrorKind::autograd, [&] { adam.step(); }),
             "AdamW.step: none of the 2 parameter(s) has a gradient; was backward() forgotten, or zero_grad() called "
             "after it, or is the loss of another model?");
    CHECK(a.to_vector<float>() == rested);
    CHECK(adam.step_count() == 2);
    a.set_requires_grad(false);
    b.set_requires_grad(false);
    CHECK_EQ(test::error_text(ErrorKind::autograd, [&] { adam.step(); }),
             "AdamW.step: all of the 2 parameter(s) are frozen; expected one that requires a gradient");
  }

  TEST_CASE("a frozen parameter is skipped until it is trained again, and keeps its name") {
    const Tensor trained = leaf(ones({2})), frozen = leaf(ones({3}));
    frozen.set_name("encoder.weight");
    frozen.set_requires_grad(false);
    AdamW adam({trained, frozen}, {.learning_rate = 0.1});
    trained.set_grad(ones({2}));
    adam.step();
    CHECK(trained.to_vector<float>() != std::vector<float>(2, 1.0F));
    CHECK(frozen.to_vector<float>() == std::vector<float>(3, 1.0F));
    const Tensor step = find_tensor(adam.state_dict(), "step.encoder.weight");
    REQUIRE(step.defined());
    CHECK(step.item() == 0);
    frozen.set_requires_grad(true);
    frozen.set_grad(ones({3}));
    adam.step();
    CHECK(frozen.to_vector<float>() != std::vector<float>(3, 1.0F));
  }

  TEST_CASE("groups have rates of their own") {
    const Tensor a = leaf(zeros({2}, float64)), b = leaf(zeros({2}, float64));
    SGD sgd({{.parameters = {a}, .options = {.learning_rate = 0.5}},
             {.parameters = {b}, .options = {.learning_rate = 0.25}}});
    CHECK(sgd.group_count() == 2);
    a.set_grad(ones({2}, float64));
    b.set_grad(ones({2}, float64));
    sgd.step();
    CHECK(a.to_vector<double>() == std::vector<double>{-0.5, -0.5});
    CHECK(b.to_vector<double>() == std::vector<double>{-0.25, -0.25});
    sgd.set_learning_rate(1, 1.0);
    CHECK(sgd.learning_rate(0) == 0.5);
    CHECK(sgd.learning_rate(1) == 1.0);
    sgd.set_learning_rate(0.125);
    sgd.step();
    CHECK(a.to_vector<double>() == std::vector<double>{-0.625, -0.625});
    CHECK(b.to_vector<double>() == std::vector<double>{-0.375, -0.375});
    CHECK_THROWS_AS(sgd.learning_rate(2), Error);
    CHECK_THROWS_AS(sgd.set_learning_rate(2, 0.1), Error);
    CHECK_THROWS_AS(sgd.set_learning_rate(-0.1), Error);
    CHECK_THROWS_AS(sgd.set_learning_rate(std::nan("")), Error);
  }

  TEST_CASE("a gradient may lie in memory in any way") {
    const Tensor a = leaf(ones({2, 3})), b = leaf(ones({2, 3}));
    const Tensor gradient = tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}).transpose(0, 1);
    REQUIRE_FALSE(gradient.is_contiguous());
    a.set_grad(gradient);
    b.set_grad(gradient.contiguous());
    SGD sgd({a, b}, {.learning_rate = 0.1});
    sgd.step();
    CHECK(a.to_vector<float>() == b.to_vector<float>());
    CHECK(a.to_vector<float>()[1] == 1.0F - 0.1F * 3.0F);
  }

  TEST_CASE("a step marks the parameters as changed") {
    const Tensor a = leaf(ones({3}));
    SGD sgd({a});
    const Tensor loss = mul(a, a).sum();
    loss.backward({}, true);
    sgd.step();
    // the product saved `a`, which is not what it was
    CHECK_THROWS_AS(loss.backward(), Error);
  }

  TEST_CASE("every optimizer finds the minimum of a quadratic") {
    // f(x) = ½ Σ cᵢ (xᵢ − mᵢ)²
    const Tensor curvature = tensor({1.0, 2.0, 0.5}, float64), minimum = tensor({0.5, -1.0, 2.0}, float64);
    const Build all[] = {
        [](const Parameters& p) {
          return std::make_unique<SGD>(p, SGDOptions{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
        },
        [](const Parameters& p) { return std::make_unique<Adam>(p, AdamOptions{.learning_rate = 0.05}); },
        [](const Parameters& p) {
          return std::make_unique<AdamW>(p, AdamWOptions{.learning_rate = 0.05, .weight_decay = 0.0});
        },
        [](const Parameters& p) { return std::make_unique<RMSprop>(p, RMSpropOptions{.learning_rate = 0.05}); },
        [](const Parameters& p) { return std::make_unique<Adagrad>(p, AdagradOptions{.learning_rate = 0.5}); }};
    for (const Build& build : all) {
      const Tensor x = leaf(zeros({3}, float64));
      const auto optimizer = build({x});
      CAPTURE(optimizer->name());
      Schedule schedule(*optimizer, CosineWithWarmup{.total_steps = 500});
      for (int step = 0; step < 500; ++step) {
        const Tensor distance = sub(x, minimum);
        const Tensor loss = mul(mul(curvature, distance), mul(distance, scalar(0.5, float64))).sum();
        optimizer->zero_grad();
        loss.backward();
        optimizer->step();
        schedule.step();
      }
      CHECK(test::largest_difference(x.detach(), minimum, 1.0) < 1e-4);
    }
  }

  TEST_CASE("a steady step asks the system for no memory") {
    const TensorList parameters = many_parameters();
    AdamW adam(parameters);
    set_random_gradients(parameters, 1);
    adam.step();
    const MemoryStats before = memory_stats();
    adam.step();
    CHECK(memory_stats().allocations == before.allocations);
    CHECK(memory_stats().active_bytes == before.active_bytes);
  }

  TEST_CASE("errors of construction") {
    const Tensor a = leaf(ones({2})), b = leaf(ones({2, 3}));
    const auto message = [](auto f) { return test::error_text(ErrorKind::argument, f); };
    CHECK(message([&] { SGD sgd(TensorList{}); }) ==
          "SGD: there are no parameters; got an empty list; expected model.parameters()");
    CHECK(message([&] { SGD sgd(std::vector<ParameterGroup<SGDOptions>>{}); }) ==
          "SGD: there are no parameters; got an empty list; expected model.parameters()");
    CHECK(message([&] {
            AdamW adam(StateDict{{"a", a}, {"b", b}, {"c", a}});
          }) == "AdamW: the same parameter is there twice; got it as \"a\" and as \"c\"");
    CHECK(message([&] {
            AdamW adam({{.parameters = {a, b}}, {.parameters = {b}}});
          }) == "AdamW: the same parameter is there twice; got it as \"parameter.1\" and as \"parameter.2\"");
    CHECK(message([&] {
            AdamW adam(StateDict{{"a", a}, {"a", b}});
          }) == "AdamW: two parameters have the same name; got \"a\" twice");
    CHECK(message([&] { Adam adam({mul(a, a)}); }) ==
          "Adam: parameter \"parameter.0\" of shape (2,) is the result of an op; expected a leaf");
    CHECK(message([&] { Adam adam({a, Tensor()}); }) == "Adam: parameter \"parameter.1\" is undefined");
    const Tensor turned = ones({2, 3}).transpose(0, 1);
    turned.set_requires_grad(true);
    CHECK(message([&] { Adagrad adagrad({turned}); }) ==
          "Adagrad: parameter \"parameter.0\" is not contiguous; got shape (3, 2) with strides (1, 3); pass the tensor "
          "that it is a view of, or contiguous()");
    CHECK(test::error_text(ErrorKind::dtype, [&] { SGD sgd({arange(3)}); }) ==
          "SGD: parameter \"parameter.0\" is not floating point; got int64; expected float32 or float64");
  }

  TEST_CASE("options out of range") {
    const TensorList p = {leaf(ones({2}))};
    const auto message = [](auto f) { return test::error_text(ErrorKind::argument, f); };
    CHECK(message([&] { SGD sgd(p, {.learning_rate = -1}); }) ==
          "SGD: learning_rate is out of range; got -1; expected at least 0");
    CHECK(message([&] { AdamW adam(p, {.beta1 = 1.0}); }) ==
          "AdamW: beta1 is out of range; got 1; expected at least 0 and less than 1");
    CHECK(message([&] { SGD sgd(p, {.nesterov = true}); }) ==
          "SGD: Nesterov's form needs momentum and no dampening; got momentum 0 and dampening 0");
    CHECK_THROWS_AS(SGD(p, {.learning_rate = std::nan("")}), Error);
    CHECK_THROWS_AS(SGD(p, {.learning_rate = std::numeric_limits<double>::infinity()}), Error);
    CHECK_THROWS_AS(SGD(p, {.momentum = -0.1}), Error);
    CHECK_THROWS_AS(SGD(p, {.momentum = 0.9, .dampening = 1.5}), Error);
    CHECK_THROWS_AS(SGD(p, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}), Error);
    CHECK_THROWS_AS(SGD(p, {.weight_decay = -1}), Error);
    CHECK_THROWS_AS(Adam(p, {.learning_rate = -1}), Error);
    CHECK_THROWS_AS(Adam(p, {.beta1 = -0.1}), Error);
    CHECK_THROWS_AS(Adam(p, {.beta2 = 1.0}), Error);
    CHECK_THROWS_AS(Adam(p, {.epsilon = -1e-8}), Error);
    CHECK_THROWS_AS(Adam(p, {.weight_decay = -1}), Error);
    CHECK_THROWS_AS(AdamW(p, {.learning_rate = -1}), Error);
    CHECK_THROWS_AS(AdamW(p, {.beta2 = -1}), Error);
    CHECK_THROWS_AS(AdamW(p, {.epsilon = -1}), Error);
    CHECK_THROWS_AS(AdamW(p, {.weight_decay = -1}), Error);
    CHECK_THROWS_AS(RMSprop(p, {.learning_rate = -1}), Error);
    CHECK_THROWS_AS(RMSprop(p, {.alpha = 1.0}), Error);
    CHECK_THROWS_AS(RMSprop(p, {.epsilon = -1}), Error);
    CHECK_THROWS_AS(RMSprop(p, {.weight_decay = -1}), Error);
    CHECK_THROWS_AS(RMSprop(p, {.momentum = -1}), Error);
    CHECK_THROWS_AS(Adagrad(p, {.learning_rate = -1}), Error);
    CHECK_THROWS_AS(Adagrad(p, {.learning_rate_decay = -1}), Error);
    CHECK_THROWS_AS(Adagrad(p, {.epsilon = -1}), Error);
    CHECK_THROWS_AS(Adagrad(p, {.weight_decay = -1}), Error);
    CHECK_THROWS_AS(Adagrad(p, {.initial_accumulator = -1}), Error);
  }
}
