#pragma once

// Linear-chain conditional random fields over packed rows, for float and double. The score of labels y₀ … yₙ₋₁ is
// begin[y₀] + Σ emissions[t, yₜ] + Σ transitions[yₜ₋₁, yₜ] + end[yₙ₋₁]; of no labels at all it is 0.

#include <cstdint>

namespace saw::kernels {

template <class T>
struct Crf {
  const T* emissions;           // (rows, labels)
  const T* transitions;         // (labels, labels), from the row's label to the column's
  const T* begin;               // (labels)
  const T* end;                 // (labels)
  const std::int64_t* offsets;  // (segments + 1)
  std::int64_t segments;
  std::int64_t labels;  // at least 1
};

/// What the forward pass leaves for the backward one; both (rows, labels).
template <class T>
struct CrfPaths {
  T* ahead = nullptr;  // log Σ of the scores of all paths to a label, without what all labels of the row have in common
  T* arrival = nullptr;  // the same before the row's emission is added; +∞ where no path arrives
};

/// losses (segments) = log Σ exp(score) over all labellings − the same over those that have the targets (rows); a
/// target below 0 stands for any label, and needs `fitting`. +∞ where no labelling with the targets has a finite score.
template <class T>
void crf_forward(const Crf<T>& crf, const std::int64_t* targets, const CrfPaths<T>& all, const CrfPaths<T>& fitting,
                 T* losses);

/// Where the gradient goes; the last three are overwritten, too.
template <class T>
struct CrfGradient {
  T* emissions;
  T* transitions;
  T* begin;
  T* end;
};

/// Room for what one segment adds to the gradients that all segments share, and for two rows.
template <class T>
struct CrfWork {
  T *transitions, *begin, *end;
  T *probabilities, *earlier;
};

/// With the gradients dlosses (segments); a segment whose loss is infinite has none.
template <class T>
void crf_backward(const Crf<T>& crf, const std::int64_t* targets, const CrfPaths<T>& all, const CrfPaths<T>& fitting,
                  const T* losses, const T* dlosses, const CrfGradient<T>& gradient);

/// marginals (rows, labels): the probability of each label; zeros in a segment without any possible labelling.
template <class T>
void crf_marginals(const Crf<T>& crf, T* marginals);

/// The labelling (rows) with the largest score, and that score (segments). Of equal ones the label with the smaller
/// number; −∞ and zeros where no labelling is possible.
template <class T>
void crf_decode(const Crf<T>& crf, std::int64_t* labels, T* scores);

}  // namespace saw::kernels
