#include "support/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "saw/autograd/tape/format.h"
#include "saw/data/safetensors.h"
#include "support/files.h"

namespace test {

Golden::Golden(const std::string& file)
    : tensors_(saw::data::load_safetensors((directory() / "golden" / file).string()).tensors) {}

bool Golden::has(const std::string& name) const { return saw::find_tensor(tensors_, name).defined(); }

saw::Tensor Golden::at(const std::string& name) const {
  const saw::Tensor tensor = saw::find_tensor(tensors_, name);
  if (!tensor.defined()) throw std::runtime_error("golden: no tensor " + name);
  return tensor;
}

saw::StateDict Golden::below(const std::string& prefix) const {
  saw::StateDict result;
  for (const auto& [name, tensor] : tensors_)
    if (name.rfind(prefix, 0) == 0) result.emplace_back(name.substr(prefix.size()), tensor);
  return result;
}

saw::Segments Golden::segments(const std::string& name) const {
  return saw::Segments::from_lengths(at(name).to_vector<std::int64_t>());
}

std::string difference(const saw::Tensor& actual, const saw::Tensor& expected, double relative, double absolute) {
  if (!actual.defined()) return "the tensor is undefined";
  if (actual.shape() != expected.shape() || actual.dtype() != expected.dtype())
    return fmt::format("got {} {}, expected {} {}", actual.dtype(), actual.shape(), expected.dtype(), expected.shape());
  const std::vector<double> a = actual.detach().to(saw::float64).to_vector<double>();
  const std::vector<double> b = expected.detach().to(saw::float64).to_vector<double>();
  std::size_t worst = 0;
  double worst_excess = 1.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const double allowed = absolute + relative * std::abs(b[i]);
    const double error = std::abs(a[i] - b[i]);
    const double excess = std::isnan(error) ? INFINITY : error / allowed;
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (worst_excess <= 1.0) return {};
  return fmt::format("element {} of {}: got {:.17g}, expected {:.17g}, {:.3g} times what is allowed", worst,
                     expected.shape(), a[worst], b[worst], worst_excess);
}

double largest(const saw::Tensor& tensor) {
  double result = 0.0;
  for (const double value : tensor.detach().to(saw::float64).to_vector<double>())
    result = std::max(result, std::abs(value));
  return result;
}

}  // namespace test
