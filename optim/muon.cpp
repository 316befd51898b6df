#include "saw/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/statistics.h"

namespace saw {
namespace optim {
namespace {

/// x with its singular values brought near 1, by a polynomial of odd degree in x that Newton and Schulz repeat.
Tensor orthogonalised(const Tensor& x, const MuonOptions& options) {
  const bool is_tall = x.size(0) > x.size(1);  // the product of the shorter sides is the cheaper one
  Tensor result = is_tall ? x.transpose(0, 1).contiguous() : x.clone();
  const double length = norm(result).item();
  result.mul_(1.0 / std::max(length, options.epsilon));  // no singular value is above 1 now
  const auto [a, b, c] = options.ns_coefficients;
  for (std::int64_t i = 0; i < options.ns_steps; ++i) {
    const Tensor gram = matmul(result, result.transpose(0, 1));
    const Tensor polynomial = matmul(gram, gram).mul_(c).add_(gram, b);
    result = matmul(polynomial, result).add_(result, a);
  }
  return is_tall ? result.transpose(0, 1).contiguous() : result;
}

double scale_of(const Tensor& matrix, MuonScale scale) {
  const auto rows = static_cast<double>(matrix.size(0)), columns = static_cast<double>(matrix.size(1));
  if (scale == MuonScale::match_rms_adamw) return 0.2 * std::sqrt(std::max(rows, columns));
  return std::sqrt(std::max(1.0, rows / columns));
}

}  // namespace

Muon::Muon(const Parameters& parameters, const MuonOptions& options)
    : Muon(std::vector<ParameterGroup<MuonOptions>>{{parameters, options}}) {}

Muon::Muon(const std::vector<ParameterGroup<MuonOptions>>& groups) : Optimizer("Muon") {
  for (const auto& [parameters, options] : groups) {
    check_option("momentum", options.momentum, 0.0, 1.0);
    check_option("weight_decay", options.weight_decay);
    check_option("epsilon", options.epsilon);
    if (options.ns_steps < 0 || options.ns_steps >= 100)
      fail(ErrorKind::argument, "Muon: ns_steps is out of range; got {}; expected 0 to 99", options.ns_steps);
    for (const Tensor& parameter : parameters.tensors())
      if (parameter.defined() && parameter.rank() != 2)
        fail(ErrorKind::argument,
             "Muon: a parameter is no matrix; got \"{}\" of shape {}; expected (rows, columns); give it to AdamW",
             parameter.name(), parameter.shape());
    options_.push_back(options);
    add_group(parameters, options.learning_rate, {{"momentum_buffer"}});
  }
  finish();
}

void Muon::update_whole(const Whole& whole) const {
  const MuonOptions& options = options_[whole.group];
  if (whole.parameter.numel() == 0) return;
  const Tensor& buffer = whole.state[0];
  buffer.mul_(options.momentum).add_(whole.gradient, 1.0 - options.momentum);
  const Tensor direction =
      options.nesterov ? (whole.gradient * (1.0 - options.momentum)).add_(buffer, options.momentum) : buffer;
  whole.parameter.mul_(1.0 - whole.learning_rate * options.weight_decay)
      .add_(orthogonalised(direction, options), -whole.learning_rate * scale_of(whole.parameter, options.scale));
}

}  // namespace optim
}  // namespace saw
