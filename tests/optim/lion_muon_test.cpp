// Lion beside naive loops, Muon beside PyTorch, groups by name, and parameters that a model no longer holds.

#include <doctest/doctest.h>

#include <functional>

#include "optim/golden.h"
#include "saw/nn/nn.h"

namespace {

using namespace saw;
using namespace saw::optim;

std::string message_of(ErrorKind kind, const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "nothing was thrown";
}

Tensor leaf(const Tensor& values) {
  Tensor result = values.clone();
  result.set_requires_grad(true);
  return result;
}

/// Lion as its paper writes it, one number at a time.
template <class T>
void naive_lion(const LionOptions& options, const std::vector<T>& gradient, std::vector<T>& parameter,
                std::vector<T>& mean) {
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double g = gradient[i], m = mean[i], p = parameter[i];
    const double c = options.beta1 * m + (1 - options.beta1) * g;
    const double sign = c > 0 ? 1 : c < 0 ? -1 : 0;
    parameter[i] = static_cast<T>(p - options.learning_rate * (sign + options.weight_decay * p));
    mean[i] = static_cast<T>(options.beta2 * m + (1 - options.beta2) * g);
  }
}

template <class T>
void compare_lion(DType dtype) {
  const LionOptions options{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.2};
  Generator generator(3);
  const Tensor parameter = leaf(randn({1003}, generator, dtype));
  Lion lion({parameter}, options);
  std::vector<T> expected = parameter.detach().to_vector<T>(), mean(1003, T(0));
  for (int step = 1; step <= 20; ++step) {
    const Tensor gradient = randn({1003}, generator, dtype);
    gradient.slice(0, 0, 10).fill_(0.0);  // the sign of 0 is 0
    parameter.set_grad(gradient);
    lion.step();
    naive_lion(options, gradient.to_vector<T>(), expected, mean);
    // Values stay below 5; a step rounds the decayed parameter and the difference, here and there: two ulps.
    CHECK(test::largest_difference(parameter.detach(), tensor(expected).to(dtype), 5 * test::epsilon_of(dtype)) <=
          2.0 * step);
  }
  CHECK(test::values(find_tensor(lion.state_dict(), "exp_avg.parameter.0")).size() == 1003);
}

struct Model : nn::Module {
  nn::Embedding& words = child<nn::Embedding>("words", 5, 4);
  nn::TransformerEncoder& encoder = child<nn::TransformerEncoder>("encoder", {.width = 4, .heads = 2});
  nn::Linear& tags = child<nn::Linear>("tags", 4, 3);
};

std::size_t count(const StateDict& named, const std::string& pattern) {
  return static_cast<std::size_t>(
      std::count_if(named.begin(), named.end(), [&](const auto& entry) { return name_matches(entry.first, pattern); }));
}

}  // namespace

TEST_SUITE("lion and muon") {
  TEST_CASE("Lion takes the steps of its paper") {
    compare_lion<float>(float32);
    compare_lion<double>(float64);
  }

  TEST_CASE("Lion does not hide a NaN") {
    const Tensor parameter = leaf(ones({5}));
    Lion lion({parameter}, {.learning_rate = 0.5});
    parameter.set_grad(tensor({1.0, -1.0, 0.0, std::nan(""), 2.0}));
    lion.step();
    const std::vector<double> values = test::values(parameter);
    CHECK(values[0] == 0.5);
    CHECK(values[1] == 1.5);
    CHECK(values[2] == 1.0);
    CHECK(std::isnan(values[3]));
    CHECK(values[4] == 0.5);
    CHECK_THROWS_AS(Lion({parameter}, {.beta1 = 1.0}), Error);
    CHECK_THROWS_AS(Lion({parameter}, {.weight_decay = -1.0}), Error);
  }

  TEST_CASE("Muon follows PyTorch over 50 steps") {
    const StateDict file = test::golden("muon");
    struct Case {
      const char* name;
      MuonOptions options;
    };
    const Case cases[] = {
        {"muon", {.learning_rate = 0.02}},
        {"muon_plain", {.learning_rate = 0.02, .weight_decay = 0.0, .momentum = 0.9, .nesterov = false}},
        {"muon_rms", {.learning_rate = 0.02, .ns_steps = 3, .scale = MuonScale::match_rms_adamw}}};
    for (const Case& c : cases) {
      CAPTURE(c.name);
      TensorList parameters;
      const Shape shapes[] = {{4, 3}, {1, 5}};
      for (std::size_t i = 0; i < 2; ++i)
        parameters.push_back(leaf(test::entry(file, "initial." + std::to_string(i)).reshape(shapes[i])));
      Muon muon(parameters, c.options);
      // Newton and Schulz enlarge what is small by up to 3.4445 in each of 5 rounds, and with it the few roundings of
      // the norm and the products (10 are allowed for). Momentum does not see the parameters, so that each step adds
      // that, times learning rate and scale (at most 1.2), and an ulp of the parameter, which stays below 4.
      const double per_step = (4.0 + 10 * std::pow(3.4445, 5) * 0.02 * 1.2) * test::epsilon_of(float64);
      for (std::int64_t step = 0; step < 50; ++step) {
        for (std::size_t i = 0; i < 2; ++i)
          parameters[i].set_grad(
              test::entry(file, "gradient." + std::to_string(i)).select(0, step).reshape(shapes[i]).clone());
        muon.step();
        for (std::size_t i = 0; i < 2; ++i) {
          const Tensor expected =
              test::entry(file, std::string(c.name) + "." + std::to_string(i)).select(0, step).reshape(shapes[i]);
          CHECK(test::largest_difference(parameters[i].detach(), expected, per_step) <= static_cast<double>(step + 1));
        }
      }
    }
  }

  TEST_CASE("Muon brings all singular values near 1, and goes on from a saved state") {
    Generator generator(8);
    const Tensor start = randn({40, 24}, generator);
    const auto stepped = [&](std::int64_t from_state_after) {
      const Tensor parameter = leaf(start);
      auto muon = std::make_unique<Muon>(Parameters{parameter}, MuonOptions{.learning_rate = 0.1});
      for (std::int64_t step = 0; step < 4; ++step) {
        if (step == from_state_after) {
          const StateDict state = muon->state_dict();
          muon = std::make_unique<Muon>(Parameters{parameter}, MuonOptions{.learning_rate = 0.1});
          muon->load_state_dict(state);
        }
        Generator of_step(static_cast<std::uint64_t>(step));
        parameter.set_grad(randn({40, 24}, of_step));
        muon->step();
      }
      return parameter.detach();
    };
    CHECK(test::identical(stepped(-1), stepped(2)));

    const Tensor parameter = leaf(zeros({40, 24}, float64));
    Muon muon({parameter}, {.learning_rate = 1.0, .momentum = 0.0});
    parameter.set_grad(randn({40, 24}, generator, float64));
    muon.step();
    // All singular values of the step in [0.5, 1.5], says the paper: then they are also so for any direction.
    const double scale = std::sqrt(40.0 / 24.0);
    for (std::int64_t i = 0; i < 24; ++i) {
      Tensor direction = zeros({24, 1}, float64);
      direction.select(0, i).fill_(1.0);
      const double length = norm(matmul(parameter.detach(), direction)).item() / scale;
      CHECK(length > 0.5);
      CHECK(length < 1.5);
    }

    CHECK_EQ(message_of(ErrorKind::argument, [] { Muon muon_of_vector({leaf(ones({3}))}); }),
             "Muon: a parameter is no matrix; got \"\" of shape (3,); expected (rows, columns); give it to AdamW");
    CHECK_THROWS_AS(Muon({parameter}, {.ns_steps = 100}), Error);
  }

  TEST_CASE("Muon finds the minimum of a quadratic") {
    Generator generator(2);
    const Tensor minimum = randn({6, 3}, generator, float64), x = leaf(zeros({6, 3}, float64));
    Muon muon({x}, {.learning_rate = 0.05, .weight_decay = 0.0});
    Schedule schedule(muon, CosineWithWarmup{.total_steps = 300});
    for (int step = 0; step < 300; ++step) {
      const Tensor loss = square(x - minimum).sum();
      muon.zero_grad();
      loss.backward();
      muon.step();
      schedule.step();
    }
    CHECK(test::largest_difference(x.detach(), minimum, 1.0) < 1e-2);
  }

  TEST_CASE("groups by the patterns of names") {
    Model model;
    const StateDict named = model.named_parameters();
    AdamW adam(
        groups(named, AdamWOptions{.learning_rate = 1e-3},
               {{"encoder.*", {.learning_rate = 1e-4}}, {"*.bias", {.learning_rate = 1e-2, .weight_decay = 0.0}}}));
    CHECK(adam.group_count() == 3);
    CHECK(adam.learning_rate(0) == 1e-3);
    CHECK(adam.learning_rate(1) == 1e-4);
    CHECK(adam.learning_rate(2) == 1e-2);
    const std::vector<Parameters> parts = split_by_pattern(named, {"encoder.*", "*.bias"});
    CHECK(parts[0].names() == std::vector<std::string>{"words.weight", "tags.weight"});
    CHECK(parts[1].size() == count(named, "encoder.*"));
    CHECK(parts[2].names() == std::vector<std::string>{"tags.bias"});  // the first pattern that fits counts
    CHECK_EQ(message_of(ErrorKind::argument, [&] { split_by_pattern(model.tags.named_parameters(), {"*.scale"}); }),
             "groups: no parameter is left for \"*.scale\"; there are weight, bias");
  }

  TEST_CASE("no weight decay for biases and norms in one line") {
    Model model;
    AdamW adam(without_decay_of_biases_and_norms(model.named_parameters(), AdamWOptions{.weight_decay = 0.5}));
    for (const auto& [name, parameter] : model.named_parameters()) parameter.set_grad(zeros(parameter.shape()));
    const StateDict before = model.snapshot();
    adam.step();
    int decayed = 0;
    for (const auto& entry : before) {
      const std::string& name = entry.first;  // clang 14 captures no structured bindings
      const Tensor& value = entry.second;
      CAPTURE(name);
      const bool is_small = name_matches(name, "*bias") || name_matches(name, "*norm*");
      const Tensor now = find_tensor(model.state_dict(), name);
      CHECK(test::identical(now, value) == (is_small || norm(value).item() == 0.0));
      decayed += is_small ? 0 : 1;
    }
    CHECK(decayed == 6);  // words, in_proj, out_proj, linear1, linear2, tags
  }

  TEST_CASE("a parameter that its model no longer holds is noticed") {
    Model model;
    SGD sgd(model.named_parameters());
    model.to(float64);
    const auto message = [&] { return message_of(ErrorKind::autograd, [&] { sgd.step(); }); };
    CHECK_EQ(message(),
             "SGD.step: parameter \"words.weight\" of shape (5, 4) is no longer in its model: to() or tie() has put "
             "another in its place; make the optimizer after them");
    SGD after(model.named_parameters());
    model.words.weight.set_grad(zeros({5, 4}, float64));
    after.step();
    CHECK(sgd.step_count() == 0);
    CHECK(after.step_count() == 1);

    nn::Linear a(3, 3), b(3, 3);
    SGD of_a(a.parameters());
    a.tie("weight", b.weight);
    a.bias.set_grad(zeros({3}));
    CHECK(message_of(ErrorKind::autograd, [&] { of_a.step(); }).find("is no longer in its model") != std::string::npos);

    // What is tied to another place, and still there, is no stranger.
    struct Pair : nn::Module {
      nn::Linear& first = child<nn::Linear>("first", 3, 3);
      nn::Linear& second = child<nn::Linear>("second", 3, 3);
    };
    Pair pair;
    pair.second.tie("weight", pair.first.weight);
    SGD of_pair(pair.parameters());
    pair.second.tie("weight", leaf(zeros({3, 3})));
    pair.first.weight.set_grad(zeros({3, 3}));
    of_pair.step();
    CHECK(of_pair.step_count() == 1);
  }
}
