#pragma once

// Losses of an input beside a target, element by element, for float and double.

#include <cstdint>

namespace saw::kernels {

/// With d = x − t:
///   squared               d²
///   absolute              |d|
///   huber                 ½d² up to a distance of `delta`, delta·(|d| − ½·delta) beyond
///   binary_cross_entropy  −(t·log σ(x) + (1 − t)·log(1 − σ(x)))
enum class ElementwiseLoss { squared, absolute, huber, binary_cross_entropy };

template <class T>
struct LossOperands {
  ElementwiseLoss loss;
  T delta;  // of huber
  const T* input;
  const T* target;
  std::int64_t size;
};

/// One value per element.
template <class T>
void loss_values(const LossOperands<T>& operands, T* values);

/// Their sum; chunks that depend on the size alone are summed apart and added in order, in double.
template <class T>
double loss_sum(const LossOperands<T>& operands);

/// The derivatives by input and target times `scale`, and times dlosses[i] unless that is null. A result that is null
/// is left out.
template <class T>
void loss_backward(const LossOperands<T>& operands, const T* dlosses, T scale, T* dinput, T* dtarget);

}  // namespace saw::kernels
