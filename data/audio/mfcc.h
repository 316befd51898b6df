#pragma once

#include <cstdint>

#include "saw/autograd/tape/tensor.h"
#include "saw/data/audio/kaldi_fbank.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

// Mel-frequency cepstral coefficients are made of log-mel features in a few steps, and the conventions differ only in
// which. With LogMel log_mel({.floor = 1e-10}):
//
//   librosa, torchaudio   dct(decibels(log_mel(samples), 80), 13)
//   with natural logs     dct(log_mel(samples), 13)
//   Kaldi                 kaldi_mfcc(fbank, samples)

/// Natural logarithms of power as decibels, y = 10 x / ln 10, and nothing more than `range` below the largest of all
/// elements; a range of 0 leaves all as they are. frames (T, features) float32.
Tensor decibels(const Tensor& frames, double range = 80.0);

/// The first `coefficients` of the orthonormal discrete cosine transform (DCT-II) of each row of M features,
///   c_k = s_k Σ_m x_m cos(π k (m + ½) / M),   s_0 = √(1 / M),   s_k = √(2 / M).
/// frames (T, M) float32 → (T, coefficients). Throws Error(argument) unless 1 ≤ coefficients ≤ M.
Tensor dct(const Tensor& frames, std::int64_t coefficients);

/// Evens out how large the coefficients are: column k times 1 + ½ Q sin(π k / Q), as HTK and Kaldi do, for Q > 0.
/// (librosa's lifter has k + 1 in place of k.) cepstra (T, coefficients) float32.
Tensor lifter(const Tensor& cepstra, double q = 22.0);

/// Kaldi's MFCC: lifter(dct(mels, coefficients), q), no lifter for q = 0. With fbank.options().use_energy, which is
/// Kaldi's default here, column 0 is the frame's log energy. samples (T) → (frames, coefficients).
Tensor kaldi_mfcc(const KaldiFbank& fbank, const Tensor& samples, std::int64_t coefficients = 13, double q = 22.0);

}  // namespace data
}  // namespace saw
