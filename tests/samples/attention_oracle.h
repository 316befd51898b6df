#pragma once

// Attention by loops over pairs of positions, in double: what attention and relative attention are compared with.

#include <cstdint>
#include <functional>
#include <vector>

#include "saw/autograd/ops/attention.h"
#include "saw/autograd/tape/tensor.h"

namespace samples {

/// The elements of a tensor (rows, heads, width) in double.
class HeadValues {
 public:
  explicit HeadValues(const saw::Tensor& x)
      : heads_(x.size(1)), width_(x.size(2)), values_(x.detach().to(saw::float64).to_vector<double>()) {}
  double operator()(std::int64_t row, std::int64_t head, std::int64_t p) const {
    return values_[static_cast<std::size_t>((row * heads_ + head) * width_ + p)];
  }

 private:
  std::int64_t heads_, width_;
  std::vector<double> values_;
};

/// The score of a query and a key, both counted within their segment, after scale and biases.
using Score = std::function<double(std::int64_t segment, std::int64_t head, std::int64_t query, std::int64_t key)>;

/// What attention with these scores does, window and query_offsets included.
struct NaiveAttention {
  saw::Segments query_segments, key_segments;
  std::int64_t heads;
  saw::AttentionOptions options;
  Score score;

  /// (heads, Tq, Tk) of one segment, without dropout; zeros for a query that sees nothing.
  std::vector<double> weights(std::int64_t segment) const;
  /// The output for value (Nk, heads, dv), with dropout by the first stream of a generator with that seed.
  saw::Tensor output(const saw::Tensor& value, std::uint64_t seed) const;
};

/// 1/√width where the options leave the scale open.
double scale_of(const saw::AttentionOptions& options, std::int64_t width);

}  // namespace samples
