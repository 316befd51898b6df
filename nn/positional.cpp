#include "saw/nn/positional.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

void check_rows(const char* layer, const Tensor& x, const Segments& segments, std::int64_t width) {
  if (x.rank() != 2 || x.shape()[0] != segments.rows() || x.shape()[1] != width)
    fail(ErrorKind::shape, "{}: input does not fit; got {}; expected ({}, {}) for {}", layer, x.shape(),
         segments.rows(), width, segments);
}

/// One past the last position of any row; 0 without rows.
std::int64_t positions_end(const Segments& segments, const std::vector<std::int64_t>& offsets) {
  std::int64_t end = 0;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    if (segments.length(b) > 0)
      end = std::max(end, segments.length(b) + (offsets.empty() ? 0 : offsets[static_cast<std::size_t>(b)]));
  return end;
}

/// e(p) for each of `rows` rows, p = position(row).
template <class F>
Tensor encode(std::int64_t rows, std::int64_t width, DType dtype, const F& position) {
  Tensor result = Tensor::empty({rows, width}, dtype);
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < width; i += 2)
    frequencies.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(width)));
  dispatch_floating("sinusoidal_encoding", dtype, [&]<class T>() {
    T* values = result.mutable_data<T>();
    parallel_for(0, rows, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        for (std::int64_t i = 0; i < width; ++i) {
          const double angle = static_cast<double>(position(row)) * frequencies[static_cast<std::size_t>(i / 2)];
          values[row * width + i] = static_cast<T>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
        }
      }
    });
  });
  return result;
}

}  // namespace

Tensor sinusoidal_encoding(std::int64_t length, std::int64_t width, DType dtype) {
  checked_size("sinusoidal_encoding", "the length", length);
  checked_size("sinusoidal_encoding", "the width", width);
  return encode(length, width, dtype, [](std::int64_t row) { return row; });
}

Tensor positions_in_segments(const Segments& segments, const std::vector<std::int64_t>& offsets) {
  if (!offsets.empty() && static_cast<std::int64_t>(offsets.size()) != segments.count())
    fail(ErrorKind::argument, "positions_in_segments: offsets do not fit; got {}; expected {}, one for each segment",
         offsets.size(), segments.count());
  std::vector<std::int64_t> positions;
  positions.reserve(static_cast<std::size_t>(segments.rows()));
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    const std::int64_t first = offsets.empty() ? 0 : offsets[static_cast<std::size_t>(b)];
    if (first < 0) fail(ErrorKind::argument, "positions_in_segments: an offset is negative; got {}", first);
    for (std::int64_t p = 0; p < segments.length(b); ++p) positions.push_back(first + p);
  }
  return tensor(positions);
}

SinusoidalPositions::SinusoidalPositions(std::int64_t width)
    : width_(checked_positive("SinusoidalPositions", "the width", width)) {}

Tensor SinusoidalPositions::forward(const Tensor& x, const Segments& segments,
                                    const std::vector<std::int64_t>& offsets) const {
  const auto scope = enter(x);
  check_rows("SinusoidalPositions", x, segments, width_);
  const Tensor positions = positions_in_segments(segments, offsets);
  const std::int64_t end = positions_end(segments, offsets);
  if (end <= segments.rows())  // segments share a table
    return scope.output(x + index_select(sinusoidal_encoding(end, width_, x.dtype()), 0, positions));
  const std::int64_t* position = positions.data<std::int64_t>();
  return scope.output(
      x + encode(segments.rows(), width_, x.dtype(), [position](std::int64_t row) { return position[row]; }));
}

LearnedPositions::LearnedPositions(std::int64_t positions, std::int64_t width)
    : weight(param("weight",
                   {checked_positive("LearnedPositions", "the number of positions", positions),
                    checked_positive("LearnedPositions", "the width", width)},
                   init::normal(0.0, 0.02))) {}

Tensor LearnedPositions::forward(const Tensor& x, const Segments& segments,
                                 const std::vector<std::int64_t>& offsets) const {
  const auto scope = enter(x);
  check_rows("LearnedPositions", x, segments, weight.size(1));
  const Tensor positions = positions_in_segments(segments, offsets);
  const std::int64_t end = positions_end(segments, offsets);
  if (end > weight.size(0))
    fail(ErrorKind::shape,
         "LearnedPositions: a segment is longer than the table of positions; got length {}; expected at most {}; make "
         "the table longer or take SinusoidalPositions",
         end, weight.size(0));
  return scope.output(x + index_select(weight, 0, positions));
}

}  // namespace saw::nn
