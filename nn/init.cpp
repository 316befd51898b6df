#include "saw/nn/init.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"

namespace saw::nn::init {
namespace {

struct Fans {
  double in;
  double out;
};

Fans fans(const char* name, const Tensor& parameter) {
  if (parameter.rank() < 2)
    fail(ErrorKind::shape, "{}: needs fans in and out; got shape {}; expected (out, in) or (out, in, kernel…)", name,
         parameter.shape());
  double kernel = 1.0;
  for (std::size_t i = 2; i < parameter.rank(); ++i) kernel *= static_cast<double>(parameter.shape()[i]);
  return {static_cast<double>(parameter.shape()[1]) * kernel, static_cast<double>(parameter.shape()[0]) * kernel};
}

double he_scale(const char* name, const Tensor& parameter, Activation after, Fan fan) {
  const Fans both = fans(name, parameter);
  return gain(after) / std::sqrt(fan == Fan::in ? both.in : both.out);
}

/// Makes the rows of a (rows, columns) matrix, rows ≤ columns, orthonormal: Gram–Schmidt, twice, because once loses
/// orthogonality where rows are nearly parallel.
void orthonormalise_rows(std::vector<double>& matrix, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    double* row = matrix.data() + i * columns;
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < i; ++j) {
        const double* earlier = matrix.data() + j * columns;
        double product = 0.0;
        for (std::size_t k = 0; k < columns; ++k) product += row[k] * earlier[k];
        for (std::size_t k = 0; k < columns; ++k) row[k] -= product * earlier[k];
      }
    }
    double square = 0.0;
    for (std::size_t k = 0; k < columns; ++k) square += row[k] * row[k];
    for (std::size_t k = 0; k < columns; ++k) row[k] /= std::sqrt(square);
  }
}

/// The probability that a standard normal number is below z.
double normal_below(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

/// The z in [low, high] that a standard normal number is below with this probability: Newton's steps, and half the
/// interval where one would leave it.
double normal_quantile(double probability, double low, double high) {
  double z = std::clamp(0.0, low, high);
  for (int i = 0; i < 100; ++i) {
    const double error = normal_below(z) - probability;
    (error > 0.0 ? high : low) = z;
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
    double next = z - error / density;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - z) <= 1e-14 * (1.0 + std::abs(z))) return next;
    z = next;
  }
  return z;
}

}  // namespace

void zeros(const Tensor& parameter) { constant(parameter, 0.0); }
void ones(const Tensor& parameter) { constant(parameter, 1.0); }

void constant(const Tensor& parameter, double value) {
  const NoGradGuard no_grad;
  parameter.fill_(value);
}

void uniform(const Tensor& parameter, double low, double high) {
  if (!(low <= high))
    fail(ErrorKind::argument, "uniform: an empty range; got {} to {}; expected low ≤ high", low, high);
  const NoGradGuard no_grad;
  parameter.copy_(affine(rand(parameter.shape(), parameter.dtype()), high - low, low));
}

void normal(const Tensor& parameter, double mean, double standard_deviation) {
  if (!(standard_deviation >= 0.0))
    fail(ErrorKind::argument, "normal: the standard deviation must not be negative; got {}", standard_deviation);
  const NoGradGuard no_grad;
  parameter.copy_(affine(randn(parameter.shape(), parameter.dtype()), standard_deviation, mean));
}

void truncated_normal(const Tensor& parameter, double mean, double standard_deviation, double low, double high) {
  if (!(low <= high))
    fail(ErrorKind::argument, "truncated_normal: an empty range; got {} to {}; expected low ≤ high", low, high);
  if (!(standard_deviation > 0.0))
    fail(ErrorKind::argument, "truncated_normal: the standard deviation must be positive; got {}", standard_deviation);
  // Probabilities near 1 have few digits: a range above the mean is mirrored, and so is what is drawn from it.
  const double sign = low > mean ? -1.0 : 1.0;
  constexpr double farthest = 38.0;  // deviations; beyond, probabilities are 0 in double
  const auto deviations = [&](double value) {
    return std::clamp(sign * (value - mean) / standard_deviation, -farthest, farthest);
  };
  const double first = deviations(sign > 0.0 ? low : high), last = deviations(sign > 0.0 ? high : low);
  const double below = normal_below(first), inside = normal_below(last) - below;
  if (!(inside > 0.0) && low < high)
    fail(ErrorKind::argument,
         "truncated_normal: nothing lies between the bounds; got {} to {} for mean {} and standard deviation {}", low,
         high, mean, standard_deviation);
  const NoGradGuard no_grad;
  const Tensor draws = rand(parameter.shape(), float64);
  double* values = draws.mutable_data<double>();
  for (std::int64_t i = 0; i < draws.numel(); ++i) {
    const double z = normal_quantile(below + inside * values[i], first, last);
    values[i] = std::clamp(mean + sign * standard_deviation * z, low, high);
  }
  parameter.copy_(draws.to(parameter.dtype()));
}

void xavier_uniform(const Tensor& parameter, double gain) {
  const Fans both = fans("xavier_uniform", parameter);
  const double bound = gain * std::sqrt(6.0 / (both.in + both.out));
  uniform(parameter, -bound, bound);
}

void xavier_normal(const Tensor& parameter, double gain) {
  const Fans both = fans("xavier_normal", parameter);
  normal(parameter, 0.0, gain * std::sqrt(2.0 / (both.in + both.out)));
}

void he_uniform(const Tensor& parameter, Activation after, Fan fan) {
  const double bound = std::sqrt(3.0) * he_scale("he_uniform", parameter, after, fan);
  uniform(parameter, -bound, bound);
}

void he_normal(const Tensor& parameter, Activation after, Fan fan) {
  normal(parameter, 0.0, he_scale("he_normal", parameter, after, fan));
}

void orthogonal(const Tensor& parameter, double gain) {
  fans("orthogonal", parameter);
  if (parameter.numel() == 0) return;
  const std::int64_t rows = parameter.shape()[0];
  const std::int64_t columns = parameter.numel() / rows;
  const std::int64_t fewer = std::min(rows, columns);
  const std::int64_t more = std::max(rows, columns);

  std::vector<double> matrix = randn({fewer, more}, float64).to_vector<double>();
  orthonormalise_rows(matrix, static_cast<std::size_t>(fewer), static_cast<std::size_t>(more));

  const NoGradGuard no_grad;
  Tensor result = tensor(matrix, {fewer, more});
  if (rows > columns) result = result.transpose(0, 1);
  parameter.copy_(affine(result, gain, 0.0).reshape(parameter.shape()).to(parameter.dtype()));
}

Initialiser zeros() { return constant(0.0); }
Initialiser ones() { return constant(1.0); }
Initialiser constant(double value) {
  return [=](const Tensor& parameter) { constant(parameter, value); };
}
Initialiser uniform(double low, double high) {
  return [=](const Tensor& parameter) { uniform(parameter, low, high); };
}
Initialiser normal(double mean, double standard_deviation) {
  return [=](const Tensor& parameter) { normal(parameter, mean, standard_deviation); };
}
Initialiser truncated_normal(double mean, double standard_deviation, double low, double high) {
  return [=](const Tensor& parameter) { truncated_normal(parameter, mean, standard_deviation, low, high); };
}
Initialiser xavier_uniform(double gain) {
  return [=](const Tensor& parameter) { xavier_uniform(parameter, gain); };
}
Initialiser xavier_normal(double gain) {
  return [=](const Tensor& parameter) { xavier_normal(parameter, gain); };
}
Initialiser he_uniform(Activation after, Fan fan) {
  return [=](const Tensor& parameter) { he_uniform(parameter, after, fan); };
}
Initialiser he_normal(Activation after, Fan fan) {
  return [=](const Tensor& parameter) { he_normal(parameter, after, fan); };
}
Initialiser orthogonal(double gain) {
  return [=](const Tensor& parameter) { orthogonal(parameter, gain); };
}

double gain(Activation activation) {
  switch (activation) {
    case Activation::relu:
      return std::sqrt(2.0);
    case Activation::leaky_relu:
      return std::sqrt(2.0 / (1.0 + 0.01 * 0.01));
    case Activation::tanh:
      return 5.0 / 3.0;
    default:
      return 1.0;
  }
}

}  // namespace saw::nn::init
