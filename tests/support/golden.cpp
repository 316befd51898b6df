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

double largest(const saw::Tensor& tensor) {
  double result = 0.0;
  for (const double value : tensor.detach().to(saw::float64).to_vector<double>())
    result = std::max(result, std::abs(value));
  return result;
}

}  // namespace test
