#include "saw/optim/schedule.h"

#include <doctest/doctest.h>

#include "optim/golden.h"
#include "saw/optim/plateau.h"

namespace {

using namespace saw;
using namespace saw::optim;

Tensor leaf(double value = 0.0) {
  Tensor tensor = full({1}, value, float64);
  tensor.set_requires_grad(true);
  tensor.set_grad(zeros({1}, float64));  // a step wants one
  return tensor;
}

std::vector<double> golden_rates(const std::string& name, const char* file = "schedules") {
  return test::values(test::entry(test::golden(file), name));
}

// PyTorch multiplies from step to step where the rule here is closed: up to 60 roundings.
void check_close(double actual, double expected, double largest) {
  CHECK(std::abs(actual - expected) <= 64 * std::numeric_limits<double>::epsilon() * largest);
}

template <class Rule>
void compare(const std::string& name, double learning_rate, const Rule& rule, const char* file = "schedules") {
  CAPTURE(name);
  const std::vector<double> expected = golden_rates(name, file);
  REQUIRE(expected.size() == 60);
  SGD sgd({leaf()}, {.learning_rate = learning_rate});
  Schedule schedule(sgd, rule);
  const double largest = *std::max_element(expected.begin(), expected.end());
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    CHECK(schedule.step_count() == static_cast<std::int64_t>(step));
    check_close(sgd.learning_rate(), expected[step], largest);
    CHECK(sgd.learning_rate() == rule.rate(static_cast<std::int64_t>(step), learning_rate));
    sgd.step();
    schedule.step();
  }
}

void compare_plateau(const std::string& name, const PlateauOptions& options) {
  CAPTURE(name);
  const std::vector<double> expected = golden_rates(name), metric = golden_rates(name + ".metric");
  SGD sgd({leaf()}, {.learning_rate = 0.01});
  ReduceOnPlateau plateau(sgd, options);
  double before = 0.01;
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    const bool reduced = plateau.step(metric[step]);
    check_close(sgd.learning_rate(), expected[step], expected[step]);
    CHECK(reduced == (sgd.learning_rate() < before));
    before = sgd.learning_rate();
  }
}

}  // namespace

TEST_SUITE("schedules") {
  TEST_CASE("every schedule follows PyTorch over 60 steps") {
    compare("constant", 0.1, ConstantSchedule{});
    compare("step", 0.1, StepSchedule{.every = 7, .factor = 0.5});
    compare("multi_step", 0.1, MultiStepSchedule{.milestones = {5, 20, 40}, .factor = 0.3});
    compare("exponential", 0.1, ExponentialSchedule{.factor = 0.95});
    compare("linear_warmup", 0.1, LinearWarmup{.warmup_steps = 10, .first_factor = 0.1});
    compare("cosine_with_warmup", 0.1, CosineWithWarmup{.warmup_steps = 10, .total_steps = 60});
    compare("cosine_without_warmup", 0.1, CosineWithWarmup{.total_steps = 59});
    compare("cosine_annealing", 0.1, CosineAnnealing{.total_steps = 60, .minimum_rate = 1e-5});
    compare("noam", 1.0, Noam{.width = 64, .warmup_steps = 10, .factor = 2.0});
    compare("one_cycle", 0.1, OneCycle{.total_steps = 60, .maximum_rate = 0.1});
    compare("one_cycle", 0.1, OneCycle{.total_steps = 60});  // the maximum is the base rate
    compare("one_cycle_three_phase", 0.1, OneCycle{.total_steps = 60, .three_phase = true});
    compare("one_cycle_linear", 0.1, OneCycle{.total_steps = 60, .annealing = Annealing::linear});
    compare("one_cycle_options", 0.1,
            OneCycle{.total_steps = 60, .maximum_rate = 0.3, .rising = 0.2, .start_divisor = 10, .end_divisor = 100});
  }

  TEST_CASE("reduce on plateau follows PyTorch over 60 epochs") {
    const PlateauOptions options{.factor = 0.5, .patience = 3, .threshold = 1e-4, .cooldown = 2, .minimum_rate = 1e-4};
    compare_plateau("plateau_min", options);
    PlateauOptions larger = options;
    larger.better = Better::larger;
    compare_plateau("plateau_max", larger);
    compare_plateau("plateau_absolute",
                    {.factor = 0.1, .patience = 2, .threshold = 0.05, .threshold_kind = Threshold::absolute});
  }

  TEST_CASE("restarts and sequences follow PyTorch over 60 steps") {
    const char* file = "schedules_more";
    compare("warm_restarts", 0.1, CosineAnnealingWarmRestarts{.first_steps = 7}, file);
    compare("warm_restarts_longer", 0.1,
            CosineAnnealingWarmRestarts{.first_steps = 5, .multiplier = 2, .minimum_rate = 0.01}, file);
    compare(
        "sequential", 0.1,
        SequentialSchedule{.schedules = {LinearWarmup{.warmup_steps = 10, .first_factor = 0.1},
                                         ExponentialSchedule{.factor = 0.9}, StepSchedule{.every = 4, .factor = 0.5}},
                           .milestones = {10, 30}},
        file);
    compare("sequential_cosine", 0.1,
            SequentialSchedule{.schedules = {LinearWarmup{.warmup_steps = 12, .first_factor = 0.25},
                                             CosineAnnealingWarmRestarts{.first_steps = 6, .multiplier = 3}},
                               .milestones = {12}},
            file);
    const SequentialSchedule function{
        .schedules = {ConstantSchedule{.factor = 2.0}, Schedule::Function([](std::int64_t step, double base) {
                        return base * static_cast<double>(step);
                      })},
        .milestones = {3}};
    CHECK(function.rate(2, 0.5) == 1.0);
    CHECK(function.rate(3, 0.5) == 0.0);
    CHECK(function.rate(5, 0.5) == 1.0);
  }

  TEST_CASE("the factor is the rate for a base of 1, and nothing happens after the end") {
    const CosineWithWarmup cosine{.warmup_steps = 4, .total_steps = 20};
    CHECK(cosine.rate(0) == 0.0);
    CHECK(cosine.rate(2) == 0.5);
    CHECK(cosine.rate(4) == 1.0);
    CHECK(cosine.rate(12) == doctest::Approx(0.5));
    CHECK(cosine.rate(20) == 0.0);
    CHECK(cosine.rate(33) == 0.0);
    CHECK(CosineWithWarmup{.warmup_steps = 5, .total_steps = 5}.rate(4) == 0.8);
    CHECK(CosineAnnealing{.total_steps = 8, .minimum_rate = 0.125}.rate(30) == 0.125);
    CHECK(LinearWarmup{.warmup_steps = 8}.rate(100) == 1.0);
    const OneCycle cycle{.total_steps = 10, .start_divisor = 2, .end_divisor = 4};
    CHECK(cycle.rate(9) == 0.125);
    CHECK(cycle.rate(50) == 0.125);
    CHECK(OneCycle{.total_steps = 1}.rate(0) == doctest::Approx(1.0 / 25 / 1e4));
  }

  TEST_CASE("each group keeps its own base rate") {
    SGD sgd({{.parameters = {leaf()}, .options = {.learning_rate = 0.4}},
             {.parameters = {leaf()}, .options = {.learning_rate = 0.04}}});
    Schedule schedule(sgd, StepSchedule{.every = 2, .factor = 0.5});
    schedule.step();
    CHECK(sgd.learning_rate(0) == 0.4);
    schedule.step();
    CHECK(sgd.learning_rate(0) == 0.2);
    CHECK(sgd.learning_rate(1) == 0.02);
  }

  TEST_CASE("a function serves as a schedule") {
    SGD sgd({leaf()}, {.learning_rate = 0.5});
    Schedule schedule(sgd, [](std::int64_t step, double base) { return base / static_cast<double>(step + 1); });
    CHECK(sgd.learning_rate() == 0.5);
    schedule.step();
    CHECK(sgd.learning_rate() == 0.25);
    CHECK_THROWS_AS(Schedule(sgd, [](std::int64_t, double) { return -1.0; }), Error);
    CHECK_THROWS_AS(Schedule(sgd, Schedule::Function()), Error);
  }

  TEST_CASE("a saved schedule goes on where it was") {
    SGD sgd({leaf()}, {.learning_rate = 0.1});
    const CosineWithWarmup rule{.warmup_steps = 3, .total_steps = 20};
    Schedule schedule(sgd, rule);
    for (int i = 0; i < 7; ++i) schedule.step();

    SGD other({leaf()}, {.learning_rate = 0.7});  // the saved base rate counts
    Schedule resumed(other, rule);
    resumed.load_state_dict(schedule.state_dict());
    for (int i = 0; i < 5; ++i) {
      CHECK(other.learning_rate() == sgd.learning_rate());
      CHECK(resumed.step_count() == schedule.step_count());
      schedule.step();
      resumed.step();
    }
    StateDict broken = schedule.state_dict();
    broken[0].second = tensor(std::vector<std::int64_t>{-1}, {});
    CHECK_THROWS_WITH_AS(resumed.load_state_dict(broken), "Schedule.load_state_dict: step must not be negative; got -1",
                         Error);
    CHECK_THROWS_AS(resumed.load_state_dict({}), Error);
    CHECK(resumed.step_count() == 12);
  }

  TEST_CASE("a saved plateau goes on where it was") {
    const std::vector<double> metric = golden_rates("plateau_min.metric");
    const PlateauOptions options{.factor = 0.5, .patience = 1, .cooldown = 1};
    SGD whole({leaf()}), first({leaf()}), second({leaf()});
    ReduceOnPlateau whole_plateau(whole, options), first_plateau(first, options), second_plateau(second, options);
    for (std::size_t i = 0; i < 60; ++i) {
      whole_plateau.step(metric[i]);
      if (i < 17) {
        first_plateau.step(metric[i]);
      } else {
        if (i == 17) second_plateau.load_state_dict(first_plateau.state_dict());
        second_plateau.step(metric[i]);
        CHECK(second.learning_rate() == whole.learning_rate());
      }
    }
    CHECK(second_plateau.best() == whole_plateau.best());
    CHECK(whole.learning_rate() < 1e-4);
  }

  TEST_CASE("a plateau takes NaN for bad and leaves what is as small as it gets") {
    SGD sgd({leaf()}, {.learning_rate = 1.0});
    ReduceOnPlateau plateau(sgd, {.factor = 0.5, .patience = 0, .minimum_rate = 0.25});
    CHECK(plateau.step(std::nan("")));
    CHECK(sgd.learning_rate() == 0.5);
    CHECK(plateau.step(std::nan("")));
    CHECK_FALSE(plateau.step(std::nan("")));
    CHECK(sgd.learning_rate() == 0.25);
    CHECK_FALSE(plateau.step(7.0));
    CHECK(plateau.best() == 7.0);
  }

  TEST_CASE("options out of range") {
    SGD sgd({leaf()});
    CHECK_THROWS_WITH_AS(Schedule(sgd, CosineWithWarmup{.warmup_steps = 0, .total_steps = 0}),
                         "CosineWithWarmup: total_steps must be positive; got 0", Error);
    CHECK_THROWS_WITH_AS(Schedule(sgd, CosineWithWarmup{.warmup_steps = 11, .total_steps = 10}),
                         "CosineWithWarmup: warmup_steps is out of range; got 11; expected 0 to total_steps = 10",
                         Error);
    CHECK_THROWS_AS(Schedule(sgd, CosineWithWarmup{.warmup_steps = -1, .total_steps = 10}), Error);
    CHECK_THROWS_AS(Schedule(sgd, ConstantSchedule{.factor = -1}), Error);
    CHECK_THROWS_AS(Schedule(sgd, StepSchedule{.every = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, StepSchedule{.every = 1, .factor = -0.5}), Error);
    CHECK_THROWS_AS(Schedule(sgd, MultiStepSchedule{.milestones = {3, -1}}), Error);
    CHECK_THROWS_AS(Schedule(sgd, ExponentialSchedule{.factor = std::nan("")}), Error);
    CHECK_THROWS_AS(Schedule(sgd, LinearWarmup{.warmup_steps = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, CosineAnnealing{.total_steps = -3}), Error);
    CHECK_THROWS_AS(Schedule(sgd, CosineAnnealing{.total_steps = 3, .minimum_rate = -1}), Error);
    CHECK_THROWS_AS(Schedule(sgd, CosineAnnealingWarmRestarts{.first_steps = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, CosineAnnealingWarmRestarts{.first_steps = 2, .multiplier = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, SequentialSchedule{}), Error);
    CHECK_THROWS_WITH_AS(
        Schedule(sgd, SequentialSchedule{.schedules = {ConstantSchedule{}, ConstantSchedule{}}, .milestones = {}}),
        "SequentialSchedule: there must be one milestone fewer than schedules; got 2 schedules and 0 milestones",
        Error);
    CHECK_THROWS_WITH_AS(
        Schedule(sgd, SequentialSchedule{.schedules = {ConstantSchedule{}, ConstantSchedule{}, ConstantSchedule{}},
                                         .milestones = {4, 4}}),
        "SequentialSchedule: milestones must grow from above 0; got 4, 4", Error);
    CHECK_THROWS_AS(AnySchedule(StepSchedule{.every = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, Noam{.width = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, Noam{.width = 8, .warmup_steps = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, OneCycle{.total_steps = 0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, OneCycle{.total_steps = 10, .maximum_rate = 0.0}), Error);
    CHECK_THROWS_AS(Schedule(sgd, OneCycle{.total_steps = 10, .rising = 1.5}), Error);
    CHECK_THROWS_AS(Schedule(sgd, OneCycle{.total_steps = 10, .rising = 0.6, .three_phase = true}), Error);
    CHECK_THROWS_AS(Schedule(sgd, OneCycle{.total_steps = 10, .start_divisor = 0}), Error);
    CHECK_THROWS_AS(ReduceOnPlateau(sgd, {.factor = 1.0}), Error);
    CHECK_THROWS_WITH_AS(ReduceOnPlateau(sgd, {.patience = -1}),
                         "ReduceOnPlateau: patience must not be negative; got -1", Error);
    CHECK_THROWS_AS(ReduceOnPlateau(sgd, {.minimum_rate = -1}), Error);
    CHECK(sgd.learning_rate() == 1e-3);
  }
}
