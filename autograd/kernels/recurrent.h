#pragma once

// One direction of one recurrent layer over packed sequences, for float and double: all steps in one call. Groups of
// sequences of similar length walk through time by themselves, so threads need not wait for each other at every step; a
// group alone shares the units of each step. Every element of a product is one chain of multiply-adds, whatever stands
// beside it: a sequence's bits depend neither on the batch nor on the threads.

#include <cstdint>
#include <span>

namespace saw::kernels {

enum class RecurrentCell { lstm, gru, tanh, relu };

/// Sums that a unit is made of: its columns in the input and its rows in the weight.
constexpr std::int64_t recurrent_sums(RecurrentCell cell) {
  return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1;
}
/// Numbers that are kept of a unit for backward: i f g o, or r z n and the n gate's product; a plain net needs none.
constexpr std::int64_t recurrent_kept(RecurrentCell cell) {
  return cell == RecurrentCell::lstm || cell == RecurrentCell::gru ? 4 : 0;
}

/// All contiguous; what may be absent is null. `width` is that of the hidden state: `units` without a projection.
template <class T>
struct RecurrentLayer {
  RecurrentCell cell;
  bool reverse;
  std::span<const std::int64_t> offsets;  // of the segments
  std::int64_t units, width;
  const T* input;         // (N, sums · units)
  const T* weight;        // (sums · units, width)
  const T* bias;          // (sums · units), of a gru, or null
  const T* projection;    // (width, units), of an lstm, or null
  const T* first_hidden;  // (B, width), or null for 0
  const T* first_cell;    // (B, units), of an lstm, or null for 0
};

template <class T>
struct RecurrentResults {
  T* rows;         // (N, width)
  T* last_hidden;  // (B, width)
  T* last_cell;    // (B, units), of an lstm
  T* kept;         // (N, kept · units); null when there will be no backward
  T* cells;        // (N, units), of an lstm; null when there will be no backward
};

template <class T>
void recurrent_forward(const RecurrentLayer<T>& layer, const RecurrentResults<T>& results);

/// Gradients of the results, null for 0.
template <class T>
struct RecurrentUpstream {
  const T* rows;
  const T* last_hidden;
  const T* last_cell;
};

/// Where gradients go; null where they are not wanted.
template <class T>
struct RecurrentGradients {
  T* input;         // (N, sums · units); always wanted
  T* product;       // (N, sums · units): of R h + b, for a gru, where it is not that of the input; always wanted there
  T* weight;        // (sums · units, width)
  T* projection;    // (width, units)
  T* first_hidden;  // (B, width)
  T* first_cell;    // (B, units)
};

template <class T>
void recurrent_backward(const RecurrentLayer<T>& layer, const RecurrentResults<const T>& results,
                        const RecurrentUpstream<T>& upstream, const RecurrentGradients<T>& gradients);

}  // namespace saw::kernels
