#include "saw/optim/clip.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_set>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/tape/sparse_gradient.h"
#include "saw/optim/internal/pieces.h"

namespace saw {
namespace optim {
namespace {

/// The gradients there are, each once, and where each ends when they are laid end to end.
struct Gradients {
  TensorList tensors;
  std::vector<std::int64_t> ends;
};

Gradients gradients_of(const Parameters& parameters) {
  Gradients gradients;
  std::unordered_set<const void*> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const SparseGradient sparse = sparse_grad(parameters[i]);
    const Tensor gradient = sparse.defined() ? sparse.rows : parameters[i].grad();
    if (!gradient.defined() || gradient.numel() == 0) continue;
    if (!seen.insert(gradient.data(gradient.dtype())).second) continue;
    // A backward leaves contiguous gradients; only set_grad() may bring others.
    if (!gradient.is_contiguous()) parameters[i].set_grad(gradient.detach().clone());
    gradients.tensors.push_back(sparse.defined() ? gradient : parameters[i].grad().detach());
    gradients.ends.push_back((gradients.ends.empty() ? 0 : gradients.ends.back()) + gradient.numel());
  }
  return gradients;
}

/// Calls f(begin, end) for ranges of elements of all gradients, to be changed.
template <class F>
void change(const Gradients& gradients, F&& f) {
  std::vector<void*> data;
  for (const Tensor& gradient : gradients.tensors) data.push_back(gradient.mutable_data(gradient.dtype()));
  for_pieces(gradients.ends, [&](std::int64_t, std::size_t i, std::int64_t begin, std::int64_t end) {
    dispatch_floating("clip", gradients.tensors[i].dtype(), [&]<class T>() {
      T* values = static_cast<T*>(data[i]);
      f(values + begin, values + end);
    });
  });
}

/// Combines term(x) of all elements, in eight chains so that the compiler can use vectors.
template <class T, class Term, class Combine>
double fold(const T* values, std::int64_t size, Term term, Combine combine) {
  constexpr std::int64_t chains = 8;
  double parts[chains] = {};
  std::int64_t i = 0;
  for (; i + chains <= size; i += chains)
    for (std::int64_t c = 0; c < chains; ++c) parts[c] = combine(parts[c], term(static_cast<double>(values[i + c])));
  for (; i < size; ++i) parts[0] = combine(parts[0], term(static_cast<double>(values[i])));
  for (std::int64_t c = 1; c < chains; ++c) parts[0] = combine(parts[0], parts[c]);
  return parts[0];
}

constexpr auto add = [](double a, double b) { return a + b; };
constexpr auto larger = [](double a, double b) { return a > b || std::isnan(a) ? a : b; };  // NaN wins

/// Σ |x|ᵖ, or max |x|.
template <class T>
double power_sum(const T* values, std::int64_t size, double p) {
  if (p == 2.0)
    return fold(
        values, size, [](double x) { return x * x; }, add);
  if (p == 1.0)
    return fold(
        values, size, [](double x) { return std::abs(x); }, add);
  if (std::isinf(p))
    return fold(
        values, size, [](double x) { return std::abs(x); }, larger);
  return fold(
      values, size, [p](double x) { return std::pow(std::abs(x), p); }, add);
}

double norm_of(const Gradients& gradients, double p) {
  if (gradients.ends.empty()) return 0.0;
  std::vector<double> chunks(static_cast<std::size_t>((gradients.ends.back() + piece_grain - 1) / piece_grain));
  const bool largest = std::isinf(p);
  for_pieces(gradients.ends, [&](std::int64_t chunk, std::size_t i, std::int64_t begin, std::int64_t end) {
    dispatch_floating("clip_grad_norm", gradients.tensors[i].dtype(), [&]<class T>() {
      const double part = power_sum(gradients.tensors[i].data<T>() + begin, end - begin, p);
      double& sum = chunks[static_cast<std::size_t>(chunk)];
      sum = largest ? larger(sum, part) : sum + part;
    });
  });
  double total = 0.0;
  for (const double chunk : chunks) total = largest ? larger(total, chunk) : total + chunk;
  if (largest || p == 1.0) return total;
  return p == 2.0 ? std::sqrt(total) : std::pow(total, 1.0 / p);
}

}  // namespace

double clip_grad_norm(const Parameters& parameters, double max_norm, double norm_type, bool error_if_nonfinite) {
  if (!(max_norm >= 0)) fail(ErrorKind::argument, "clip_grad_norm: max_norm must not be negative; got {}", max_norm);
  if (!(norm_type > 0)) fail(ErrorKind::argument, "clip_grad_norm: norm_type must be positive; got {}", norm_type);
  const NoGradGuard no_grad;
  const Gradients gradients = gradients_of(parameters);
  const double norm = norm_of(gradients, norm_type);
  if (error_if_nonfinite && !std::isfinite(norm))
    fail(ErrorKind::argument, "clip_grad_norm: the norm of the gradients is not finite; got {}; nothing was changed",
         norm);
  const double factor = max_norm / (norm + 1e-6);
  if (factor >= 1.0) return norm;
  change(gradients, [factor]<class T>(T* begin, T* end) {
    const T scale = static_cast<T>(factor);
    for (T* x = begin; x < end; ++x) *x *= scale;
  });
  return norm;
}

void clip_grad_value(const Parameters& parameters, double limit) {
  if (!(limit >= 0)) fail(ErrorKind::argument, "clip_grad_value: the limit must not be negative; got {}", limit);
  const NoGradGuard no_grad;
  change(gradients_of(parameters), [limit]<class T>(T* begin, T* end) {
    const T high = static_cast<T>(limit), low = -high;
    for (T* x = begin; x < end; ++x) *x = *x > high ? high : *x < low ? low : *x;
  });
}

}  // namespace optim
}  // namespace saw
