#include "saw/optim/adam.h"

#include "saw/optim/internal/adam_update.h"

namespace saw {
namespace optim {

Adam::Adam(const Parameters& parameters, const AdamOptions& options)
    : Adam(std::vector<ParameterGroup<AdamOptions>>{{parameters, options}}) {}

Adam::Adam(const std::vector<ParameterGroup<AdamOptions>>& groups) : Optimizer("Adam") {
  for (const auto& [parameters, options] : groups) {
    check_option("beta1", options.beta1, 0.0, 1.0);
    check_option("beta2", options.beta2, 0.0, 1.0);
    check_option("epsilon", options.epsilon);
    check_option("weight_decay", options.weight_decay);
    options_.push_back(options);
    add_group(parameters, options.learning_rate,
              {{"exp_avg"}, {"exp_avg_sq"}, {options.amsgrad ? "max_exp_avg_sq" : ""}});
  }
  finish();
}

void Adam::update(const Piece& piece) const {
  const AdamOptions& options = options_[piece.group];
  kernels::AdamCoefficients coefficients = adam_coefficients(options, piece.learning_rate, piece.step);
  coefficients.l2 = options.weight_decay;
  kernels::adam(coefficients, piece.dtype, piece.size, piece.gradient, piece.parameter, piece.state[0], piece.state[1],
                piece.state[2]);
}

}  // namespace optim
}  // namespace saw
