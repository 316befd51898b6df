#include "saw/optim/lion.h"

#include "saw/optim/kernels/update.h"

namespace saw {
namespace optim {

Lion::Lion(const Parameters& parameters, const LionOptions& options)
    : Lion(std::vector<ParameterGroup<LionOptions>>{{parameters, options}}) {}

Lion::Lion(const std::vector<ParameterGroup<LionOptions>>& groups) : Optimizer("Lion") {
  for (const auto& [parameters, options] : groups) {
    check_option("beta1", options.beta1, 0.0, 1.0);
    check_option("beta2", options.beta2, 0.0, 1.0);
    check_option("weight_decay", options.weight_decay);
    options_.push_back(options);
    add_group(parameters, options.learning_rate, {{"exp_avg"}});
  }
  finish();
}

void Lion::update(const Piece& piece) const {
  const LionOptions& options = options_[piece.group];
  kernels::lion({.learning_rate = piece.learning_rate,
                 .decay = 1.0 - piece.learning_rate * options.weight_decay,
                 .one_minus_beta1 = 1.0 - options.beta1,
                 .one_minus_beta2 = 1.0 - options.beta2},
                piece.dtype, piece.size, piece.gradient, piece.parameter, piece.state[0]);
}

}  // namespace optim
}  // namespace saw
