#pragma once

// Connectionist temporal classification over packed rows, for float and double. A target of U symbols has 2U + 1
// states: blank, first symbol, blank, second symbol, …, blank. A path stays, goes on by one, or leaves out the blank
// between two different symbols, frame by frame.

#include <cstdint>

namespace saw::kernels {

template <class T>
struct Ctc {
  const T* log_probs;                  // (rows, symbols)
  const std::int64_t* offsets;         // (segments + 1), of frames
  const std::int64_t* targets;         // symbols, none of them blank
  const std::int64_t* target_offsets;  // (segments + 1)
  std::int64_t segments;
  std::int64_t symbols;
  std::int64_t blank;

  std::int64_t frames(std::int64_t b) const { return offsets[b + 1] - offsets[b]; }
  std::int64_t target_length(std::int64_t b) const { return target_offsets[b + 1] - target_offsets[b]; }
  /// Elements of one row of CtcMoves: the states and two that nothing reaches.
  std::int64_t row_size(std::int64_t b) const { return 2 * target_length(b) + 3; }
  /// What CtcMoves has of one segment.
  std::int64_t move_count(std::int64_t b) const { return 3 * frames(b) * row_size(b); }
};

/// For each segment at its place, for each frame and state how likely the path came by staying, by one, by two: three
/// rows of row_size() per frame. Backward needs nothing else, and no exponential.
template <class T>
struct CtcMoves {
  T* moves = nullptr;                    // null: not kept
  const std::int64_t* places = nullptr;  // (segments): where each begins
};

/// losses (segments) = −log Σ of the probabilities of all paths; +∞ where there is none. ends (segments) receives how
/// likely a path ends in the last state instead of the one before it.
template <class T>
void ctc_forward(const Ctc<T>& ctc, const CtcMoves<T>& moves, T* losses, T* ends);

/// d_log_probs (rows, symbols) for the gradients dlosses (segments); zeros for a segment whose loss is infinite.
template <class T>
void ctc_backward(const Ctc<T>& ctc, const CtcMoves<T>& moves, const T* losses, const T* ends, const T* dlosses,
                  T* d_log_probs);

}  // namespace saw::kernels
