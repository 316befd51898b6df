#include "saw/train/early_stopping.h"

#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/train/state.h"

namespace saw::train {

EarlyStopping::EarlyStopping(const EarlyStoppingOptions& options)
    : options_(options), best_(std::numeric_limits<double>::infinity()) {
  if (options.better == optim::Better::larger) best_ = -best_;
  if (options.patience < 0)
    fail(ErrorKind::argument, "EarlyStopping: patience must not be negative; got {}", options.patience);
  if (!(options.minimum_gain >= 0 && std::isfinite(options.minimum_gain)))
    fail(ErrorKind::argument, "EarlyStopping: minimum_gain must not be negative; got {}", options.minimum_gain);
}

bool EarlyStopping::update(std::int64_t step, double value) {
  const bool is_better = options_.better == optim::Better::larger ? value > best_ + options_.minimum_gain
                                                                  : value < best_ - options_.minimum_gain;
  if (!is_better) {
    ++since_best_;
    if (!options_.later_of_equals || value != best_) return false;
    best_step_ = step;
    return true;
  }
  best_ = value;
  best_step_ = step;
  since_best_ = 0;
  return true;
}

StateDict EarlyStopping::state_dict() const {
  return {{"best", tensor(std::vector<double>{best_}, {1})},
          {"best_step", tensor(std::vector<std::int64_t>{best_step_}, {1})},
          {"since_best", tensor(std::vector<std::int64_t>{since_best_}, {1})}};
}

void EarlyStopping::load_state_dict(const StateDict& state) {
  double best = 0;
  std::int64_t best_step = 0, since_best = 0;
  const auto value_of = [&](const char* name) -> StateDict { return {{"value", find_tensor(state, name)}}; };
  state_of(best).load(value_of("best"));
  state_of(best_step).load(value_of("best_step"));
  state_of(since_best).load(value_of("since_best"));
  if (std::isnan(best) || best_step < -1 || since_best < 0)
    fail(ErrorKind::argument, "EarlyStopping.load_state_dict: the state does not fit; got best {}, step {}, {} since",
         best, best_step, since_best);
  best_ = best;
  best_step_ = best_step;
  since_best_ = since_best;
}

}  // namespace saw::train
