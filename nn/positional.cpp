#include "saw/nn/positional.h"

#include <cmath>
#include <vector>

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

}  // namespace

Tensor sinusoidal_encoding(std::int64_t length, std::int64_t width, DType dtype) {
  checked_size("sinusoidal_encoding", "the length", length);
  checked_size("sinusoidal_encoding", "the width", width);
  Tensor result = Tensor::empty({length, width}, dtype);
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < width; i += 2)
    frequencies.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(width)));

  dispatch_floating("sinusoidal_encoding", dtype, [&]<class T>() {
    T* rows = result.mutable_data<T>();
    parallel_for(0, length, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        for (std::int64_t i = 0; i < width; ++i) {
          const double angle = static_cast<double>(p) * frequencies[static_cast<std::size_t>(i / 2)];
          rows[p * width + i] = static_cast<T>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
        }
      }
    });
  });
  return result;
}

Tensor positions_in_segments(const Segments& segments) {
  std::vector<std::int64_t> positions;
  positions.reserve(static_cast<std::size_t>(segments.rows()));
  for (std::int64_t b = 0; b < segments.count(); ++b)
    for (std::int64_t p = 0; p < segments.length(b); ++p) positions.push_back(p);
  return tensor(positions);
}

SinusoidalPositions::SinusoidalPositions(std::int64_t width)
    : width_(checked_positive("SinusoidalPositions", "the width", width)) {}

Tensor SinusoidalPositions::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter();
  check_rows("SinusoidalPositions", x, segments, width_);
  const Tensor table = sinusoidal_encoding(segments.max_length(), width_, x.dtype());  // (T, width)
  return x + index_select(table, 0, positions_in_segments(segments));
}

LearnedPositions::LearnedPositions(std::int64_t positions, std::int64_t width)
    : weight(param("weight",
                   {checked_positive("LearnedPositions", "the number of positions", positions),
                    checked_positive("LearnedPositions", "the width", width)},
                   init::normal(0.0, 0.02))) {}

Tensor LearnedPositions::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter();
  check_rows("LearnedPositions", x, segments, weight.size(1));
  if (segments.max_length() > weight.size(0))
    fail(ErrorKind::shape,
         "LearnedPositions: a segment is longer than the table of positions; got length {}; expected at most {}; make "
         "the table longer or take SinusoidalPositions",
         segments.max_length(), weight.size(0));
  return x + index_select(weight, 0, positions_in_segments(segments));
}

}  // namespace saw::nn
