#include "saw/optim/ema.h"

#include <doctest/doctest.h>

#include "optim/golden.h"

namespace {

using namespace saw;
using namespace saw::optim;

Tensor leaf(const Tensor& values) {
  Tensor tensor = values.clone();
  tensor.set_requires_grad(true);
  return tensor;
}

void assign(const Tensor& parameter, double value) {
  const NoGradGuard no_grad;
  parameter.fill_(value);
}

}  // namespace

TEST_SUITE("exponential moving average") {
  TEST_CASE("closed form") {
    // a_n = dⁿ p_0 + (1 − d) Σ d^(n−k) p_k with p_k = k² and p_0 = 5
    const double decay = 0.9;
    const Tensor parameter = leaf(full({3}, 5.0, float64));
    ExponentialMovingAverage average({parameter}, {.decay = decay});
    double expected = 5.0 * std::pow(decay, 20);
    for (int k = 1; k <= 20; ++k) {
      assign(parameter, k * k);
      average.update();
      expected += (1 - decay) * std::pow(decay, 20 - k) * k * k;
    }
    CHECK(average.update_count() == 20);
    const auto averaged = average.applied();
    for (const double value : parameter.to_vector<double>())
      CHECK(std::abs(value - expected) <= 40 * std::numeric_limits<double>::epsilon() * expected);
  }

  TEST_CASE("with warm-up the decay begins small") {
    const Tensor parameter = leaf(zeros({1}, float64));
    ExponentialMovingAverage average({parameter}, {.decay = 0.3, .warm_up = true});
    double expected = 0;
    for (int t = 1; t <= 6; ++t) {
      assign(parameter, t);
      average.update();
      const double decay = std::min(0.3, (1.0 + t) / (10.0 + t));  // 2/11, 3/12, then 0.3
      expected = decay * expected + (1 - decay) * t;
    }
    average.copy_to_parameters();
    CHECK(parameter.item() == doctest::Approx(expected).epsilon(1e-14));
  }

  TEST_CASE("the averages are there for a scope") {
    const Tensor a = leaf(ones({2})), b = leaf(full({20000}, 3.0));
    ExponentialMovingAverage average({a, b}, {.decay = 0.5});
    assign(a, 2.0);
    assign(b, 5.0);
    average.update();
    {
      const auto averaged = average.applied();
      CHECK(a.to_vector<float>() == std::vector<float>(2, 1.5F));
      CHECK(b.to_vector<float>() == std::vector<float>(20000, 4.0F));
      CHECK_THROWS_AS(average.update(), Error);
      CHECK_THROWS_AS(average.copy_to_parameters(), Error);
      CHECK_THROWS_AS(average.state_dict(), Error);
      CHECK_THROWS_AS(average.load_state_dict({}), Error);
    }
    CHECK(a.to_vector<float>() == std::vector<float>(2, 2.0F));
    CHECK(b.to_vector<float>() == std::vector<float>(20000, 5.0F));
    CHECK(a.requires_grad());
    average.swap();
    CHECK(a.to_vector<float>() == std::vector<float>(2, 1.5F));
    average.swap();
    average.copy_to_parameters();
    CHECK(b.to_vector<float>() == std::vector<float>(20000, 4.0F));
  }

  TEST_CASE("swapping marks the parameters as changed") {
    const Tensor a = leaf(ones({2}));
    ExponentialMovingAverage average({a});
    const Tensor loss = mul(a, a).sum();
    const auto averaged = average.applied();
    CHECK_THROWS_AS(loss.backward(), Error);
  }

  TEST_CASE("a saved and loaded average goes on to the bit") {
    const auto value = [](int step) { return 0.1 * step * step - 0.7 * step; };
    const Tensor whole = leaf(ones({7})), first = leaf(ones({7})), second = leaf(ones({7}));
    const ExponentialMovingAverageOptions options{.decay = 0.6, .warm_up = true};
    ExponentialMovingAverage a(StateDict{{"w", whole}}, options), b(StateDict{{"w", first}}, options),
        c(StateDict{{"w", second}}, options);
    for (int step = 0; step < 9; ++step) {
      assign(whole, value(step));
      a.update();
      const Tensor& parameter = step < 4 ? first : second;
      assign(parameter, value(step));
      if (step == 4) c.load_state_dict(b.state_dict());
      (step < 4 ? b : c).update();
    }
    CHECK(c.update_count() == 9);
    CHECK(test::identical(find_tensor(a.state_dict(), "average.w"), find_tensor(c.state_dict(), "average.w")));
    CHECK_THROWS_WITH_AS(
        a.load_state_dict({{"average.v", ones({7})}, {"average.w", ones({8})}}),
        "ExponentialMovingAverage.load_state_dict: the state does not fit; missing: updates; unexpected: average.v; "
        "mismatched: average.w (got float32 (8,); expected float32 (7,))",
        Error);
    CHECK_THROWS_WITH_AS(
        a.load_state_dict({{"updates", tensor(std::vector<std::int64_t>{-5}, {})}, {"average.w", ones({7})}}),
        "ExponentialMovingAverage.load_state_dict: updates must not be negative; got -5", Error);
    CHECK(a.update_count() == 9);
  }

  TEST_CASE("errors of construction") {
    const Tensor a = leaf(ones({2}));
    CHECK_THROWS_AS(ExponentialMovingAverage(TensorList{}), Error);
    CHECK_THROWS_AS(ExponentialMovingAverage({a, a}), Error);
    CHECK_THROWS_AS(ExponentialMovingAverage({arange(3)}), Error);
    CHECK_THROWS_WITH_AS(ExponentialMovingAverage({a}, {.decay = 1.5}),
                         "ExponentialMovingAverage: decay is out of range; got 1.5; expected 0 to 1", Error);
  }
}
