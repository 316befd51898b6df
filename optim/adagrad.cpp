#include "saw/optim/adagrad.h"

#include "saw/optim/kernels/update.h"

namespace saw {
namespace optim {

Adagrad::Adagrad(const Parameters& parameters, const AdagradOptions& options)
    : Adagrad(std::vector<ParameterGroup<AdagradOptions>>{{parameters, options}}) {}

Adagrad::Adagrad(const std::vector<ParameterGroup<AdagradOptions>>& groups) : Optimizer("Adagrad") {
  for (const auto& [parameters, options] : groups) {
    check_option("learning_rate_decay", options.learning_rate_decay);
    check_option("epsilon", options.epsilon);
    check_option("weight_decay", options.weight_decay);
    check_option("initial_accumulator", options.initial_accumulator);
    options_.push_back(options);
    add_group(parameters, options.learning_rate, {{"sum", options.initial_accumulator}});
  }
  finish();
}

void Adagrad::update(const Piece& piece) const {
  const AdagradOptions& options = options_[piece.group];
  const double decay = 1.0 + static_cast<double>(piece.step - 1) * options.learning_rate_decay;
  const kernels::AdagradCoefficients coefficients{
      .learning_rate = piece.learning_rate / decay, .l2 = options.weight_decay, .epsilon = options.epsilon};
  kernels::adagrad(coefficients, piece.dtype, piece.size, piece.gradient, piece.parameter, piece.state[0]);
}

}  // namespace optim
}  // namespace saw
