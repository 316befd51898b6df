#include "saw/nn/conformer_encoder.h"

#include <cmath>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/conv.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

constexpr std::int64_t kernel = 3, stride = 2;
constexpr saw::Conv1dOptions over_time{.stride = stride, .padding_left = 0, .padding_right = 0};

std::int64_t halved(std::int64_t length) { return conv1d_output_length(length, kernel, over_time); }

Segments halved(const Segments& segments) { return conv1d_segments(segments, kernel, over_time); }

Initialiser uniform_by_fan_in(std::int64_t in) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in * kernel * kernel));
  return init::uniform(-bound, bound);
}

}  // namespace

// ---- subsampling ----

ConvolutionSubsampling::Convolution::Convolution(std::int64_t in, std::int64_t out)
    : weight(param("weight", {out, in, kernel, kernel}, uniform_by_fan_in(in))),
      bias(param("bias", {out}, uniform_by_fan_in(in))) {}

Tensor ConvolutionSubsampling::Convolution::convolve(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const Segments kept = halved(segments);
  const std::int64_t in = x.size(2), out = weight.size(0), frequencies = halved(x.size(1));
  // The kernel's nine places, each with all channels side by side, as one matrix to be multiplied.
  TensorList places;
  for (std::int64_t tap = 0; tap < kernel; ++tap) {
    std::vector<std::int64_t> rows;
    rows.reserve(static_cast<std::size_t>(kept.rows()));
    for (std::int64_t s = 0; s < kept.count(); ++s)
      for (std::int64_t u = 0; u < kept.length(s); ++u) rows.push_back(segments.begin(s) + u * stride + tap);
    const Tensor at_time = index_select(x, 0, tensor(rows));  // (N', frequencies before, in)
    for (std::int64_t f = 0; f < kernel; ++f)
      places.push_back(at_time.slice(1, f, f + stride * (frequencies - 1) + 1, stride));  // (N', frequencies, in)
  }
  const Tensor windows = cat(places, 2).reshape({kept.rows() * frequencies, kernel * kernel * in});
  const Tensor matrix = weight.permute({2, 3, 1, 0}).reshape({kernel * kernel * in, out});
  return scope.output((matmul(windows, matrix) + bias).reshape({kept.rows(), frequencies, out}));
}

ConvolutionSubsampling::Convolutions::Convolutions(std::int64_t width)
    : first(child<Convolution>("0", 1, width)), second(child<Convolution>("2", width, width)) {}

ConvolutionSubsampling::Output::Output(std::int64_t in, std::int64_t width) : linear(child<Linear>("0", in, width)) {}

ConvolutionSubsampling::ConvolutionSubsampling(std::int64_t features, std::int64_t width)
    : features_(features),
      conv_(child<Convolutions>("conv", checked_positive("ConvolutionSubsampling", "width", width))),
      out_(child<Output>("out", width * halved(halved(features)), width)) {
  if (halved(halved(features)) < 1)
    fail(ErrorKind::argument, "ConvolutionSubsampling: too few features; got {}; expected at least 7", features);
}

Sequences ConvolutionSubsampling::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  if (x.rank() != 2 || x.size(1) != features_ || x.size(0) != segments.rows())
    fail(ErrorKind::shape, "ConvolutionSubsampling: x does not fit; got {}; expected ({}, {})", x.shape(),
         segments.rows(), features_);
  const Segments half = halved(segments), quarter = halved(half);
  const Tensor once = relu(conv_.first.convolve(x.unsqueeze(2), segments));
  const Tensor twice = relu(conv_.second.convolve(once, half));  // (N', frequencies, width)
  const std::int64_t frequencies = twice.size(1), width = twice.size(2);
  const Tensor flat = twice.transpose(1, 2).reshape({quarter.rows(), width * frequencies});
  return {scope.output(out_.linear.forward(flat)), quarter};
}

Segments ConvolutionSubsampling::output_segments(const Segments& segments) const { return halved(halved(segments)); }

// ---- encoder ----

ConformerEncoder::ConformerEncoder(const ConformerEncoderOptions& options)
    : subsampling_(options.subsampling
                       ? &child<ConvolutionSubsampling>("subsampling", options.features, options.conformer.width)
                       : nullptr),
      input_(options.subsampling
                 ? nullptr
                 : &child<Linear>("input", checked_positive("ConformerEncoder", "features", options.features),
                                  options.conformer.width)),
      dropout_(child<Dropout>("dropout", options.conformer.dropout)),
      conformer_(child<Conformer>("conformer", options.conformer)) {}

Sequences ConformerEncoder::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const Sequences frames =
      subsampling_ != nullptr ? subsampling_->forward(x, segments) : Sequences{input_->forward(x), segments};
  return {scope.output(conformer_.forward(dropout_.forward(frames.rows), frames.segments)), frames.segments};
}

Segments ConformerEncoder::output_segments(const Segments& segments) const {
  return subsampling_ != nullptr ? subsampling_->output_segments(segments) : segments;
}

}  // namespace saw::nn
