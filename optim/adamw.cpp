#include "saw/optim/adamw.h"

#include "saw/optim/internal/adam_update.h"

namespace saw {
namespace optim {

AdamW::AdamW(const Parameters& parameters, const AdamWOptions& options)
    : AdamW(std::vector<ParameterGroup<AdamWOptions>>{{parameters, options}}) {}

AdamW::AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups) : Optimizer("AdamW") {
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

void AdamW::update(const Piece& piece) const {
  const AdamWOptions& options = options_[piece.group];
  kernels::AdamCoefficients coefficients = adam_coefficients(options, piece.learning_rate, piece.step);
  coefficients.decay = 1.0 - piece.learning_rate * options.weight_decay;
  kernels::adam(coefficients, piece.dtype, piece.size, piece.gradient, piece.parameter, piece.state[0], piece.state[1],
                piece.state[2]);
}

}  // namespace optim
}  // namespace saw
