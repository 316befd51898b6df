#include "saw/optim/sgd.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/optim/kernels/update.h"

namespace saw {
namespace optim {

SGD::SGD(const Parameters& parameters, const SGDOptions& options)
    : SGD(std::vector<ParameterGroup<SGDOptions>>{{parameters, options}}) {}

SGD::SGD(const std::vector<ParameterGroup<SGDOptions>>& groups) : Optimizer("SGD") {
  for (const auto& [parameters, options] : groups) {
    check_option("momentum", options.momentum);
    check_option("weight_decay", options.weight_decay);
    if (!(options.dampening >= 0 && options.dampening <= 1))
      fail(ErrorKind::argument, "SGD: dampening is out of range; got {}; expected 0 to 1", options.dampening);
    if (options.nesterov && (options.momentum <= 0 || options.dampening != 0))
      fail(ErrorKind::argument,
           "SGD: Nesterov's form needs momentum and no dampening; got momentum {} and dampening {}", options.momentum,
           options.dampening);
    options_.push_back(options);
    add_group(parameters, options.learning_rate, {{options.momentum > 0 ? "momentum_buffer" : ""}});
  }
  finish();
}

void SGD::update(const Piece& piece) const {
  const SGDOptions& options = options_[piece.group];
  const kernels::SGDCoefficients coefficients{.learning_rate = piece.learning_rate,
                                              .l2 = options.weight_decay,
                                              .momentum = options.momentum,
                                              .gradient_share = piece.step == 1 ? 1.0 : 1.0 - options.dampening,
                                              .nesterov = options.nesterov};
  kernels::sgd(coefficients, piece.dtype, piece.size, piece.gradient, piece.parameter, piece.state[0]);
}

}  // namespace optim
}  // namespace saw
