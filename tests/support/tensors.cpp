#include "support/tensors.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/format.h"

namespace test {

using saw::DType;
using saw::Shape;
using saw::Tensor;
using saw::TensorList;

namespace {

std::vector<double> numbers(const Tensor& x) {
  switch (x.dtype()) {
    case DType::float32: {
      const auto values = x.to_vector<float>();
      return {values.begin(), values.end()};
    }
    case DType::float64:
      return x.to_vector<double>();
    case DType::int64: {
      const auto values = x.to_vector<std::int64_t>();
      return {values.begin(), values.end()};
    }
    case DType::boolean: {
      const auto values = x.to_vector<bool>();
      return {values.begin(), values.end()};
    }
  }
  return {};
}

std::string index_text(const Shape& shape, std::size_t flat) {
  Shape index = shape;
  for (std::size_t i = shape.size(); i-- > 0;) {
    index[i] = static_cast<std::int64_t>(flat) % shape[i];
    flat /= static_cast<std::size_t>(shape[i]);
  }
  return saw::to_string(index);
}

Tensor filler(const Tensor& like) {
  const Tensor result = Tensor::empty(like.shape(), like.dtype());
  if (saw::is_floating(like.dtype())) return result.fill_(std::numeric_limits<double>::quiet_NaN());
  return result.fill_(like.dtype() == saw::int64 ? -1e15 : 1.0);
}

/// Every second element along an axis of a tensor twice as long there.
Tensor every_second(const Tensor& x, std::int64_t axis) {
  Shape doubled = x.shape();
  doubled[static_cast<std::size_t>(axis)] *= 2;
  const Tensor pairs = saw::stack({filler(x), x}, axis + 1);
  return saw::slice(saw::reshape(pairs, doubled), axis, 1, doubled[static_cast<std::size_t>(axis)], 2);
}

/// What differs most in units of what is allowed.
std::string worst_difference(const Tensor& got, const Tensor& expected, double relative, double absolute) {
  if (got.defined() != expected.defined())
    return fmt::format("got {}; expected {}", got.defined() ? "a tensor" : "undefined",
                       expected.defined() ? "a tensor" : "undefined");
  if (!got.defined()) return "";
  if (got.shape() != expected.shape()) return fmt::format("got shape {}; expected {}", got.shape(), expected.shape());
  const auto a = numbers(got), b = numbers(expected);
  const bool exact = !saw::is_floating(got.dtype()) || !saw::is_floating(expected.dtype());
  double worst = 0.0;
  std::string text;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double allowed = exact ? 0.0 : absolute + relative * std::abs(b[i]), error = std::abs(a[i] - b[i]);
    if (error <= allowed && std::isfinite(error)) continue;
    // More than 1; infinite where nothing is allowed, or one of the two is not finite.
    const double excess = std::isfinite(error) ? error / allowed : std::numeric_limits<double>::infinity();
    if (excess <= worst) continue;
    worst = excess;
    text = fmt::format("at {} of {}: got {:.17g}; expected {:.17g}; difference {:.3g}, allowed {:.3g}",
                       index_text(got.shape(), i), got.shape(), a[i], b[i], error, allowed);
  }
  return text;
}

}  // namespace

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const Tensor flat_a = a.detach().contiguous(), flat_b = b.detach().contiguous();
  const auto bytes = static_cast<std::size_t>(a.numel()) * saw::size_of(a.dtype());
  return bytes == 0 || std::memcmp(flat_a.data(a.dtype()), flat_b.data(b.dtype()), bytes) == 0;
}

bool same_bits(const TensorList& a, const TensorList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return same_bits(x, y); });
}

double epsilon(DType dtype) {
  return dtype == saw::float32 ? static_cast<double>(std::numeric_limits<float>::epsilon())
                               : std::numeric_limits<double>::epsilon();
}

double magnitude(const Tensor& x) {
  double largest = 0.0;
  for (const double value : numbers(x))
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  return largest;
}

std::string difference(const Tensor& got, const Tensor& expected, double allowed) {
  return worst_difference(got, expected, 0.0, allowed);
}

std::string difference(const Tensor& got, const Tensor& expected, double relative, double absolute) {
  if (got.defined() && expected.defined()) {
    if (got.dtype() != expected.dtype()) return fmt::format("got {}; expected {}", got.dtype(), expected.dtype());
    for (const Tensor& x : {got, expected})
      for (const double value : numbers(x))
        if (std::isnan(value)) return "there is NaN";
  }
  return worst_difference(got, expected, relative, absolute);
}

Tensor transposed(const Tensor& x) {
  if (x.rank() < 2) return x;
  return x.transpose(-1, -2).clone().transpose(-1, -2);
}

Tensor sliced(const Tensor& x) {
  if (x.rank() == 0) return every_second(x.reshape({1}), 0).select(0, 0);
  return every_second(x, static_cast<std::int64_t>(x.rank()) - 1);
}

Tensor row_sliced(const Tensor& x) {
  if (x.rank() < 2) return x;
  return every_second(x, static_cast<std::int64_t>(x.rank()) - 2);
}

Tensor copy_of(const Tensor& x) { return x.defined() ? x.detach().clone() : x; }

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace test
