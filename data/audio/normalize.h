#pragma once

#include <cstdint>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

// What is done to the frames of one utterance, (T, features) float32, after they are computed. Nothing is recorded on
// the tape.

/// x − mean over time, for each feature: takes away what a microphone or a room adds to all log-mel frames alike.
Tensor subtract_mean(const Tensor& frames);

/// (x − mean) / deviation over time, for each feature; the deviation is √(Σ (x − mean)² / T). A feature that is
/// constant, to within the precision of float32, becomes 0.
Tensor standardize(const Tensor& frames);

/// How features change over time, by a line fitted to the 2 · window + 1 frames around each,
///   d_t = Σ_n n (x_t+n − x_t−n) / (2 Σ_n n²),   n = 1 … window,
/// with the first and the last frame repeated beyond the ends.
Tensor deltas(const Tensor& frames, std::int64_t window = 2);

/// The frames beside their deltas, the deltas of these, and so on `order` times: (T, features · (1 + order)), as HTK
/// and torchaudio have it. (Kaldi's add-deltas differs in the first and last frames of the second order.)
Tensor with_deltas(const Tensor& frames, std::int64_t order = 2, std::int64_t window = 2);

/// Row i is the frames i · step − left … i · step + right side by side, with the first and the last frame repeated
/// beyond the ends: (⌈T / step⌉, features · (left + 1 + right)).
Tensor stack_frames(const Tensor& frames, std::int64_t left, std::int64_t right, std::int64_t step = 1);

}  // namespace data
}  // namespace saw
