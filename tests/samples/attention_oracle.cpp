#include "samples/attention_oracle.h"

#include <cmath>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops.h"

namespace samples {

double scale_of(const saw::AttentionOptions& options, std::int64_t width) {
  return std::isnan(options.scale) ? 1.0 / std::sqrt(static_cast<double>(width)) : options.scale;
}

std::vector<double> NaiveAttention::weights(std::int64_t segment) const {
  const auto s = static_cast<std::size_t>(segment);
  const std::int64_t offset = options.query_offsets.empty() ? 0 : options.query_offsets[s];
  std::vector<double> result;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < query_segments.length(segment); ++i) {
      std::vector<double> row;
      double total = 0;
      for (std::int64_t j = 0; j < key_segments.length(segment); ++j) {
        const bool seen = i + offset - j <= options.left && j - i - offset <= options.right;
        row.push_back(seen ? std::exp(score(segment, h, i, j)) : 0.0);
        total += row.back();
      }
      for (const double weight : row) result.push_back(total > 0 ? weight / total : 0.0);
    }
  }
  return result;
}

saw::Tensor NaiveAttention::output(const saw::Tensor& value, std::uint64_t seed) const {
  const HeadValues v(value);
  const std::int64_t width = value.size(2);
  std::vector<double> result(static_cast<std::size_t>(query_segments.rows() * heads * width));
  for (std::int64_t s = 0; s < query_segments.count(); ++s) {
    const std::vector<double> all = weights(s);
    const std::int64_t queries = query_segments.length(s), keys = key_segments.length(s);
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < queries; ++i) {
        const std::int64_t row = query_segments.begin(s) + i;
        for (std::int64_t j = 0; j < keys; ++j) {
          double weight = all[static_cast<std::size_t>((h * queries + i) * keys + j)];
          if (options.dropout > 0) {
            const auto counter =
                (static_cast<std::uint64_t>(row * heads + h) << 32) | static_cast<std::uint64_t>(j / 4);
            const double word = saw::philox(seed, counter, 0)[static_cast<std::size_t>(j % 4)];
            weight = word < options.dropout * 0x1p32 ? 0.0 : weight / (1 - options.dropout);
          }
          for (std::int64_t p = 0; p < width; ++p)
            result[static_cast<std::size_t>((row * heads + h) * width + p)] +=
                weight * v(key_segments.begin(s) + j, h, p);
        }
      }
    }
  }
  return saw::tensor(result, {query_segments.rows(), heads, width}).to(value.dtype());
}

}  // namespace samples
