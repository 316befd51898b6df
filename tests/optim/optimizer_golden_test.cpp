#include <doctest/doctest.h>

#include <functional>
#include <memory>

#include "optim/golden.h"

namespace {

using namespace saw;
using namespace saw::optim;

using Build = std::function<std::unique_ptr<Optimizer>(const TensorList&)>;

template <class Kind, class Options>
Build build(const Options& options) {
  return [options](const TensorList& parameters) { return std::make_unique<Kind>(parameters, options); };
}

struct Case {
  std::string name;
  Build build;
};

// The options of tests/golden/README.md.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"sgd", build<SGD>(SGDOptions{.learning_rate = 0.1})},
      {"sgd_momentum", build<SGD>(SGDOptions{.learning_rate = 0.05, .momentum = 0.9})},
      {"sgd_nesterov", build<SGD>(SGDOptions{.learning_rate = 0.05, .momentum = 0.9, .nesterov = true})},
      {"sgd_dampening",
       build<SGD>(SGDOptions{.learning_rate = 0.05, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.02})},
      {"adam", build<Adam>(AdamOptions{.learning_rate = 1e-3})},
      {"adam_weight_decay",
       build<Adam>(
           AdamOptions{.learning_rate = 0.02, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.1})},
      {"adam_amsgrad", build<Adam>(AdamOptions{.learning_rate = 0.02, .beta2 = 0.9, .amsgrad = true})},
      {"adamw", build<AdamW>(AdamWOptions{.learning_rate = 1e-3, .weight_decay = 0.01})},
      {"adamw_weight_decay", build<AdamW>(AdamWOptions{.learning_rate = 0.02, .beta2 = 0.98, .weight_decay = 0.1})},
      {"adamw_groups",
       [](const TensorList& p) {
         return std::make_unique<AdamW>(std::vector<ParameterGroup<AdamWOptions>>{
             {.parameters = {p[0]}, .options = {.learning_rate = 0.02, .weight_decay = 0.1}},
             {.parameters = {p[1]},
              .options = {.learning_rate = 0.005, .beta1 = 0.8, .beta2 = 0.99, .weight_decay = 0.0}}});
       }},
      {"rmsprop", build<RMSprop>(RMSpropOptions{.learning_rate = 0.01})},
      {"rmsprop_centered", build<RMSprop>(RMSpropOptions{.learning_rate = 0.01, .alpha = 0.9, .centered = true})},
      {"rmsprop_momentum",
       build<RMSprop>(RMSpropOptions{
           .learning_rate = 0.01, .alpha = 0.95, .epsilon = 1e-6, .weight_decay = 0.05, .momentum = 0.8})},
      {"adagrad", build<Adagrad>(AdagradOptions{.learning_rate = 0.01})},
      {"adagrad_decay",
       build<Adagrad>(AdagradOptions{.learning_rate = 0.1, .learning_rate_decay = 0.05, .weight_decay = 0.1})},
      {"adagrad_accumulator", build<Adagrad>(AdagradOptions{.learning_rate = 0.1, .initial_accumulator = 0.5})},
  };
  return all;
}

// A step rounds the parameter to within half an ulp, here and in PyTorch: the two drift apart by at most one ulp (of
// the largest value seen) per step. What weight decay and the update round beside that, mostly in the same way, is
// smaller by the ratio of update to parameter.
constexpr double ulps_per_step = 1;

void compare(const std::string& file_name) {
  const StateDict file = test::golden(file_name);
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const TensorList parameters = test::initial_parameters(file);
    const auto optimizer = c.build(parameters);
    std::vector<Tensor> expected;
    std::vector<double> unit;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      expected.push_back(test::entry(file, c.name + "." + std::to_string(i)));
      double largest = 0;
      for (const double value : test::values(expected[i])) largest = std::max(largest, std::abs(value));
      for (const double value : test::values(parameters[i])) largest = std::max(largest, std::abs(value));
      unit.push_back(largest * test::epsilon_of(parameters[i].dtype()));
    }
    for (std::int64_t step = 0; step < 50; ++step) {
      CAPTURE(step);
      test::set_gradients(file, parameters, step);
      optimizer->step();
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const double difference =
            test::largest_difference(parameters[i].detach(), expected[i].select(0, step), unit[i]);
        CHECK(difference <= ulps_per_step * static_cast<double>(step + 1));
      }
    }
    CHECK(optimizer->step_count() == 50);
  }
}

}  // namespace

TEST_SUITE("optimizer numbers") {
  TEST_CASE("every optimizer follows PyTorch over 50 steps in float64") { compare("optimizers"); }
  TEST_CASE("every optimizer follows PyTorch over 50 steps in float32") { compare("optimizers_float32"); }

  TEST_CASE("AdamW under a cosine with warm-up follows PyTorch") {
    const StateDict file = test::golden("schedules");
    const TensorList parameters = test::initial_parameters(file);
    AdamW adam(parameters, {.learning_rate = 0.02, .weight_decay = 0.1});
    Schedule schedule(adam, CosineWithWarmup{.warmup_steps = 10, .total_steps = 50});
    for (std::int64_t step = 0; step < 50; ++step) {
      CAPTURE(step);
      test::set_gradients(file, parameters, step);
      adam.step();
      schedule.step();
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Tensor expected = test::entry(file, "adamw_cosine." + std::to_string(i)).select(0, step);
        // the values stay below 4
        CHECK(test::largest_difference(parameters[i].detach(), expected, 4 * test::epsilon_of(float64)) <=
              ulps_per_step * static_cast<double>(step + 1));
      }
    }
  }
}
