#include "saw/optim/plateau.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/optim/internal/named.h"
#include "saw/optim/optimizer.h"

namespace saw {
namespace optim {

ReduceOnPlateau::ReduceOnPlateau(Optimizer& optimizer, const PlateauOptions& options)
    : optimizer_(optimizer), options_(options), best_(std::numeric_limits<double>::infinity()) {
  if (options.better == Better::larger) best_ = -best_;
  if (!(options.factor >= 0 && options.factor < 1))
    fail(ErrorKind::argument, "ReduceOnPlateau: factor is out of range; got {}; expected at least 0 and less than 1",
         options.factor);
  const auto check = [](const char* option, auto value) {
    if (!(value >= 0)) fail(ErrorKind::argument, "ReduceOnPlateau: {} must not be negative; got {}", option, value);
  };
  check("patience", options.patience);
  check("threshold", options.threshold);
  check("cooldown", options.cooldown);
  check("minimum_rate", options.minimum_rate);
  check("epsilon", options.epsilon);
}

bool ReduceOnPlateau::is_better(double metric) const {
  const bool relative = options_.threshold_kind == Threshold::relative;
  if (options_.better == Better::smaller)
    return metric < (relative ? best_ * (1 - options_.threshold) : best_ - options_.threshold);
  return metric > (relative ? best_ * (1 + options_.threshold) : best_ + options_.threshold);
}

bool ReduceOnPlateau::step(double metric) {
  if (is_better(metric)) {
    best_ = metric;
    bad_epochs_ = 0;
  } else {
    ++bad_epochs_;
  }
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    bad_epochs_ = 0;
  }
  if (bad_epochs_ <= options_.patience) return false;
  cooldown_left_ = options_.cooldown;
  bad_epochs_ = 0;
  return reduce();
}

bool ReduceOnPlateau::reduce() {
  bool reduced = false;
  for (std::size_t group = 0; group < optimizer_.group_count(); ++group) {
    const double rate = optimizer_.learning_rate(group);
    const double next = std::max(rate * options_.factor, options_.minimum_rate);
    if (!(rate - next > options_.epsilon)) continue;
    optimizer_.set_learning_rate(group, next);
    reduced = true;
  }
  return reduced;
}

StateDict ReduceOnPlateau::state_dict() const {
  std::vector<double> rates;
  for (std::size_t group = 0; group < optimizer_.group_count(); ++group)
    rates.push_back(optimizer_.learning_rate(group));
  return {{"best", scalar(best_, float64)},
          {"learning_rate", tensor(rates)},
          {"bad_epochs", tensor(std::vector<std::int64_t>{bad_epochs_}, {})},
          {"cooldown", tensor(std::vector<std::int64_t>{cooldown_left_}, {})}};
}

void ReduceOnPlateau::load_state_dict(const StateDict& state) {
  const char* who = "ReduceOnPlateau.load_state_dict";
  const TensorList loaded = matching(who, state_dict(), state);
  const std::vector<double> rates = loaded_rates(who, "learning_rate", loaded[1]);
  const std::int64_t bad_epochs = loaded_count(who, "bad_epochs", loaded[2]);
  const std::int64_t cooldown_left = loaded_count(who, "cooldown", loaded[3]);
  for (std::size_t group = 0; group < rates.size(); ++group) optimizer_.set_learning_rate(group, rates[group]);
  best_ = loaded[0].item();
  bad_epochs_ = bad_epochs;
  cooldown_left_ = cooldown_left;
}

}  // namespace optim
}  // namespace saw
