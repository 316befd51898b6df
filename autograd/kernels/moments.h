#pragma once

// Sums over the middle of contiguous memory (outer, size, inner) that are kept in double whatever the elements are:
// what mean, var, norm and logsumexp are made of; and their gradients. Long sums run in fixed chunks, added up in
// order.

#include <cstdint>

namespace saw::kernels {

/// What is added up, of element x with the centre c of its result (outer, inner).
enum class Term {
  difference,  ///< x − c
  square,      ///< (x − c)²
  magnitude,   ///< |x − c|
  equality,    ///< 1 where x = c
};

/// out[o][i] = Σₛ term(x[o][s][i], centre[o][i]); without centres they are 0.
template <class T>
void wide_sums(Term term, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, const double* centre,
               double* out);

/// The derivatives of the terms: what every element gets of its result's `scale`.
enum class Slope {
  centred,   ///< (x − c)·scale
  sign,      ///< sign(x − c)·scale
  equality,  ///< scale where x = c; 0·scale elsewhere
};

template <class T>
void spread(Slope slope, const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, const double* centre,
            const double* scale, T* dx);

/// y[o][i] = log Σₛ exp x[o][s][i]; −∞ of nothing.
template <class T>
void logsumexp(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* y);
/// dx = exp(x − y)·dy.
template <class T>
void logsumexp_backward(const T* x, const T* y, const T* dy, std::int64_t outer, std::int64_t size, std::int64_t inner,
                        T* dx);

}  // namespace saw::kernels
