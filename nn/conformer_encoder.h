#pragma once

#include <cstdint>

#include "saw/autograd/base/segments.h"
#include "saw/nn/conformer.h"
#include "saw/nn/dropout.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"
#include "saw/nn/sequences.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// A quarter of the frames: two convolutions over time and frequency, 3 × 3 with stride 2 and without padding, each
/// with a ReLU, then a Linear from what is left of the frequencies. (N, features) → rows (N', width), where an
/// utterance of T frames keeps ⌊(⌊(T − 1) / 2⌋ − 1) / 2⌋; one of fewer than 7 keeps none.
///
/// Parameters `conv.0` and `conv.2` with weights (width, 1, 3, 3) and (width, width, 3, 3) as PyTorch's Conv2d over
/// (time, frequency), and `out.0`, a Linear from width · ⌊(⌊(features − 1) / 2⌋ − 1) / 2⌋; names and order of the
/// channels are ESPnet's.
class ConvolutionSubsampling : public Module {
 public:
  /// Throws Error(argument) for fewer than 7 features or a width below 1.
  ConvolutionSubsampling(std::int64_t features, std::int64_t width);

  Sequences forward(const Tensor& x, const Segments& segments) const;  ///< (N, features) → (N', width)
  /// The segments of the result of forward.
  Segments output_segments(const Segments& segments) const;

 private:
  /// A convolution over time and frequency with stride 2: (N, frequencies, in) → (N', ⌊(frequencies − 1) / 2⌋, out).
  struct Convolution : Module {
    Convolution(std::int64_t in, std::int64_t out);
    Tensor convolve(const Tensor& x, const Segments& segments) const;
    const Tensor& weight;
    const Tensor& bias;
  };
  struct Convolutions : Module {
    explicit Convolutions(std::int64_t width);
    Convolution& first;
    Convolution& second;
  };
  struct Output : Module {
    Output(std::int64_t in, std::int64_t width);
    Linear& linear;
  };

  std::int64_t features_;
  Convolutions& conv_;
  Output& out_;
};

/// What goes into a ConformerEncoder, and its blocks.
struct ConformerEncoderOptions {
  std::int64_t features = 80;       ///< of the frames that come in
  bool subsampling = true;          ///< a quarter of the frames; else a Linear, and every frame stays
  ConformerOptions conformer = {};  ///< the blocks, and the dropout before them
};

/// The encoder of Gulati et al. 2020: convolutional subsampling (10 ms → 40 ms) and a linear map to the width, dropout,
/// Conformer blocks. (N, features) → rows (N', width).
class ConformerEncoder : public Module {
 public:
  using Options = ConformerEncoderOptions;

  /// Throws Error(argument) for options that do not fit.
  explicit ConformerEncoder(const ConformerEncoderOptions& options);

  Sequences forward(const Tensor& x, const Segments& segments) const;  ///< (N, features) → (N', width)
  /// The segments of the result of forward.
  Segments output_segments(const Segments& segments) const;

 private:
  const ConvolutionSubsampling* subsampling_;  // this or input_
  const Linear* input_;
  Dropout& dropout_;
  Conformer& conformer_;
};

}  // namespace nn
}  // namespace saw
