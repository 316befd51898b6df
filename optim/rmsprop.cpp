#include "saw/optim/rmsprop.h"

#include "saw/optim/kernels/update.h"

namespace saw {
namespace optim {

RMSprop::RMSprop(const Parameters& parameters, const RMSpropOptions& options)
    : RMSprop(std::vector<ParameterGroup<RMSpropOptions>>{{parameters, options}}) {}

RMSprop::RMSprop(const std::vector<ParameterGroup<RMSpropOptions>>& groups) : Optimizer("RMSprop") {
  for (const auto& [parameters, options] : groups) {
    check_option("alpha", options.alpha, 0.0, 1.0);
    check_option("epsilon", options.epsilon);
    check_option("weight_decay", options.weight_decay);
    check_option("momentum", options.momentum);
    options_.push_back(options);
    add_group(parameters, options.learning_rate,
              {{"square_avg"}, {options.centered ? "grad_avg" : ""}, {options.momentum > 0 ? "momentum_buffer" : ""}});
  }
  finish();
}

void RMSprop::update(const Piece& piece) const {
  const RMSpropOptions& options = options_[piece.group];
  const kernels::RMSpropCoefficients coefficients{.learning_rate = piece.learning_rate,
                                                  .l2 = options.weight_decay,
                                                  .alpha = options.alpha,
                                                  .epsilon = options.epsilon,
                                                  .momentum = options.momentum};
  kernels::rmsprop(coefficients, piece.dtype, piece.size, piece.gradient, piece.parameter, piece.state[0],
                   piece.state[1], piece.state[2]);
}

}  // namespace optim
}  // namespace saw
