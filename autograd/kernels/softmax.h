#pragma once

// Softmax and what is made of it, over the rows of contiguous matrices (rows, columns), for float and double.

#include <cstdint>

namespace saw::kernels {

/// y = exp(x − max) / Σ exp(x − max); zeros for a row of −∞ alone. y may be x.
template <class T>
void softmax_forward(const T* x, std::int64_t rows, std::int64_t columns, T* y);
/// dx = y·(dy − Σ y·dy). dx may be dy.
template <class T>
void softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx);

/// y = x − logsumexp(x); −∞ for a row of −∞ alone.
template <class T>
void log_softmax_forward(const T* x, std::int64_t rows, std::int64_t columns, T* y);
/// dx = dy − exp(y)·Σ dy.
template <class T>
void log_softmax_backward(const T* y, const T* dy, std::int64_t rows, std::int64_t columns, T* dx);

/// What the cross entropy of one row is made of: with w the class weights (1 where there are none), ε the smoothing
/// and C the columns, loss = (1 − ε)·w[t]·(−log p[t]) + ε/C·Σ_c w[c]·(−log p[c]), and 0 where t is `ignore_index`.
template <class T>
struct CrossEntropy {
  const T* logits;              // (rows, columns)
  const std::int64_t* targets;  // (rows), each in range or ignore_index
  const T* weight;              // (columns), or null
  std::int64_t rows, columns;
  std::int64_t ignore_index;
  double smoothing;
};

/// losses (rows); sums (rows) receives Σ exp(x − max) of each row for the backward.
template <class T>
void cross_entropy_forward(const CrossEntropy<T>& problem, T* losses, T* sums);
/// dlogits for the gradients of the rows' losses, (rows), or `scale` for each where dlosses is null.
template <class T>
void cross_entropy_backward(const CrossEntropy<T>& problem, const T* sums, const T* dlosses, T scale, T* dlogits);

}  // namespace saw::kernels
