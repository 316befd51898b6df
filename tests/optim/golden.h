#pragma once

// What the tests of optimizers share: golden files, and descents along given gradients.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops.h"
#include "saw/data/safetensors.h"
#include "saw/optim/optim.h"
#include "support/files.h"

namespace test {

inline saw::StateDict golden(const std::string& name) {
  return saw::data::load_safetensors((directory() / "golden" / (name + ".safetensors")).string()).tensors;
}

inline saw::Tensor entry(const saw::StateDict& file, const std::string& name) {
  const saw::Tensor tensor = saw::find_tensor(file, name);
  if (!tensor.defined()) throw std::runtime_error("the golden file has no " + name);
  return tensor;
}

/// Leaves with the golden file's initial values.
inline saw::TensorList initial_parameters(const saw::StateDict& file) {
  saw::TensorList parameters;
  for (const char* name : {"initial.0", "initial.1"}) {
    parameters.push_back(entry(file, name).clone());
    parameters.back().set_requires_grad(true);
  }
  return parameters;
}

/// Gives the parameters their golden gradients of a step.
inline void set_gradients(const saw::StateDict& file, const saw::TensorList& parameters, std::int64_t step) {
  for (std::size_t i = 0; i < parameters.size(); ++i)
    parameters[i].set_grad(entry(file, "gradient." + std::to_string(i)).select(0, step).clone());
}

inline std::vector<double> values(const saw::Tensor& tensor) {
  return tensor.detach().to(saw::float64).to_vector<double>();
}

inline double epsilon_of(saw::DType dtype) {
  return dtype == saw::float32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
}

/// The largest |actual − expected| as a multiple of `unit`.
inline double largest_difference(const saw::Tensor& actual, const saw::Tensor& expected, double unit) {
  const std::vector<double> a = values(actual), b = values(expected);
  if (actual.shape() != expected.shape() || actual.dtype() != expected.dtype())
    return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]) / unit;
    if (!(difference <= largest)) largest = difference;  // NaN too
  }
  return largest;
}

/// Same shape, dtype and bits.
inline bool identical(const saw::Tensor& a, const saw::Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && values(a) == values(b);
}

}  // namespace test
