#pragma once

#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// The encoding e(p) of positions p = 0 … length − 1 (Vaswani et al. 2017), (length, width):
/// e(p)[2i] = sin(p / 10000^(2i/width)), e(p)[2i + 1] = cos(the same). Self-attention does not see order; this adds it.
Tensor sinusoidal_encoding(std::int64_t length, std::int64_t width, DType dtype = float32);

/// For every row its position in its segment: 0, 1, …, 0, 1, … (N) int64; with `offsets` those of segment b begin at
/// offsets[b] instead of 0. Throws Error(argument) for a negative offset, or unless there is one for each segment or
/// none at all.
Tensor positions_in_segments(const Segments& segments, const std::vector<std::int64_t>& offsets = {});

/// x + e(position in its segment) for x (N, width), with the sinusoidal encoding of any length. Has no parameters.
class SinusoidalPositions : public Module {
 public:
  /// Throws Error(argument) for a width below 1.
  explicit SinusoidalPositions(std::int64_t width);

  /// The positions of segment b begin at offsets[b]; empty: at 0.
  Tensor forward(const Tensor& x, const Segments& segments, const std::vector<std::int64_t>& offsets = {}) const;

 private:
  std::int64_t width_;
};

/// x + weight[position in its segment] for x (N, width) (Gehring et al. 2017). Parameter `weight` (positions, width),
/// normal with standard deviation 0.02 at first (Devlin et al. 2019).
class LearnedPositions : public Module {
 public:
  /// Throws Error(argument) for sizes below 1.
  LearnedPositions(std::int64_t positions, std::int64_t width);

  /// The positions of segment b begin at offsets[b]; empty: at 0. Throws Error(shape) for a segment that ends behind
  /// the table.
  Tensor forward(const Tensor& x, const Segments& segments, const std::vector<std::int64_t>& offsets = {}) const;

  const Tensor& weight;  ///< (positions, width)
};

}  // namespace nn
}  // namespace saw
