#include "saw/optim/adagrad.h"

#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/optimizer.h"

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
  dispatch_floating("Adagrad", piece.dtype, [&]<class T>() {
    kernels::adagrad(coefficients, piece.size, piece.gradient_as<T>(), piece.parameter_as<T>(), piece.state_as<T>(0));
  });
}

}  // namespace optim
}  // namespace saw
