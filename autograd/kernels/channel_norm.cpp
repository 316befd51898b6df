#include "saw/autograd/kernels/channel_norm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/channel_chunks.h"
#include "saw/autograd/kernels/reduce.h"

namespace saw::kernels {
namespace {

/// The rows of all segments, cut into chunks that stay in the second cache.
class Chunks {
 public:
  struct Chunk {
    std::int64_t segment, begin, rows;
  };

  explicit Chunks(const ChannelGroups& groups) : channels_(groups.channels) {
    const std::int64_t most = std::clamp<std::int64_t>(65536 / std::max<std::int64_t>(channels_, 1), 32, 256);
    for (std::int64_t s = 0; s < groups.segments(); ++s) {
      first_.push_back(count());
      const std::int64_t end = groups.offsets[static_cast<std::size_t>(s) + 1];
      for (std::int64_t begin = groups.offsets[static_cast<std::size_t>(s)]; begin < end; begin += most)
        chunks_.push_back({s, begin, std::min(most, end - begin)});
    }
    first_.push_back(count());
    grain_ = std::max<std::int64_t>(1, 32768 * count() / (groups.offsets.back() * channels_ + 1));
  }

  std::int64_t count() const { return static_cast<std::int64_t>(chunks_.size()); }
  const Chunk& operator[](std::int64_t i) const { return chunks_[static_cast<std::size_t>(i)]; }
  /// The number of the first chunk of a segment; of the one behind the last for the number of segments.
  std::int64_t first(std::int64_t segment) const { return first_[static_cast<std::size_t>(segment)]; }

  /// How many chunks a segment has on average, at least 1.
  std::int64_t per_segment() const { return 1 + count() / static_cast<std::int64_t>(first_.size()); }

  /// Calls f(begin, end) for runs of chunks, in parallel.
  template <class F>
  void for_each(const F& f) const {
    parallel_for(0, count(), grain_, f);
  }
  /// Chunk i of x, and of dy if it is given.
  template <class T>
  RowChunk<T> row_chunk(std::int64_t i, const T* x, const T* dy) const {
    const std::int64_t at = (*this)[i].begin * channels_;
    return {x + at, dy == nullptr ? nullptr : dy + at, (*this)[i].rows, channels_};
  }

 private:
  std::int64_t channels_, grain_ = 1;
  std::vector<Chunk> chunks_;
  std::vector<std::int64_t> first_;
};

/// Calls f(segment, first, last) for runs [first, last) of groups, in parallel; a channel costs `terms` additions.
template <class F>
void for_groups(const ChannelGroups& groups, std::int64_t terms, const F& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (terms * groups.width() + 1));
  parallel_for(0, groups.segments() * groups.groups, grain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t segment = begin / groups.groups, first = begin % groups.groups;
      const std::int64_t last = std::min(groups.groups, first + end - begin);
      f(segment, first, last);
      begin += last - first;
    }
  });
}

/// to[c] = values[group of c] for the channels of a segment; zeros where there are no values.
template <class T>
void spread(const ChannelGroups& groups, std::int64_t segment, const T* values, T* to) {
  if (values == nullptr) {
    std::fill_n(to, groups.channels, T{0});
    return;
  }
  for (std::int64_t g = 0; g < groups.groups; ++g)
    std::fill_n(to + g * groups.width(), groups.width(), values[segment * groups.groups + g]);
}

/// 1 / √(variance + ε) per segment and group.
template <class T>
void reciprocal_deviations(const ChannelGroups& groups, const T* variance, double epsilon, T* rstd) {
  parallel_for(0, groups.segments() * groups.groups, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      rstd[i] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(variance[i]) + epsilon));
  });
}

/// The mean and variance of groups [first, last) of a segment from its chunks' moments, in double.
template <class T>
void combine_moments(const ChannelGroups& groups, const Chunks& chunks, const T* moments, std::int64_t segment,
                     std::int64_t first, std::int64_t last, const ChannelStatistics<T>& statistics) {
  const std::int64_t channels = groups.channels, width = groups.width();
  const std::int64_t begin = first * width, count = (last - first) * width;
  const auto for_chunks = [&](const auto& f) {
    for (std::int64_t i = chunks.first(segment); i < chunks.first(segment + 1); ++i) {
      const T* centre = moments + i * 3 * channels + begin;
      f(static_cast<double>(chunks[i].rows), centre, centre + channels, centre + 2 * channels);
    }
  };
  double rows = 0;
  Scratch<double> numbers(static_cast<std::size_t>(2 * count + 1));
  double* mean = numbers.data();
  double* squares = mean + count;
  std::fill_n(mean, 2 * count, 0.0);
  for_chunks([&](double n, const T* centre, const T* sum, const T*) {
    rows += n;
    for (std::int64_t c = 0; c < count; ++c)
      mean[c] += n * static_cast<double>(centre[c]) + static_cast<double>(sum[c]);
  });
  const double elements = std::max(1.0, rows * static_cast<double>(width));
  for (std::int64_t c = 0; c < count; c += width) {
    const double of_group = std::accumulate(mean + c, mean + c + width, 0.0) / elements;
    std::fill_n(mean + c, width, of_group);
  }
  for_chunks([&](double n, const T* centre, const T* sum, const T* square) {
    for (std::int64_t c = 0; c < count; ++c) {
      const double distance = static_cast<double>(centre[c]) - mean[c];
      squares[c] += static_cast<double>(square[c]) + distance * (2 * static_cast<double>(sum[c]) + n * distance);
    }
  });
  for (std::int64_t g = first; g < last; ++g) {
    const std::int64_t at = segment * groups.groups + g, c = (g - first) * width;
    const double variance = std::accumulate(squares + c, squares + c + width, 0.0) / elements;
    statistics.mean[at] = static_cast<T>(mean[c]);
    if (statistics.mean_low != nullptr)
      statistics.mean_low[at] = static_cast<T>(mean[c] - static_cast<double>(statistics.mean[at]));
    statistics.variance[at] = static_cast<T>(variance < 0 ? 0 : variance);  // NaN stays
  }
}

/// r·mean(g) and r²·mean(g·x̂) of groups [first, last) of a segment from its chunks' sums of dy and dy·x̂, in double.
template <class T>
void combine_gradients(const ChannelGroups& groups, const Chunks& chunks, const T* sums, const T* weight, const T* rstd,
                       std::int64_t segment, std::int64_t first, std::int64_t last, T* offset, T* slope) {
  const std::int64_t channels = groups.channels, width = groups.width();
  const std::int64_t begin = first * width, count = (last - first) * width;
  double rows = 0;
  Scratch<double> totals(static_cast<std::size_t>(2 * count + 1));
  double* g = totals.data();
  double* g_x = g + count;
  std::fill_n(g, 2 * count, 0.0);
  for (std::int64_t i = chunks.first(segment); i < chunks.first(segment + 1); ++i) {
    const T* dy = sums + i * 2 * channels + begin;
    rows += static_cast<double>(chunks[i].rows);
    for (std::int64_t c = 0; c < count; ++c) {
      g[c] += static_cast<double>(dy[c]);
      g_x[c] += static_cast<double>(dy[channels + c]);
    }
  }
  if (weight != nullptr)
    for (std::int64_t c = 0; c < count; ++c) {
      g[c] *= static_cast<double>(weight[begin + c]);
      g_x[c] *= static_cast<double>(weight[begin + c]);
    }
  const double elements = std::max(1.0, rows * static_cast<double>(width));
  for (std::int64_t group = first; group < last; ++group) {
    const std::int64_t at = segment * groups.groups + group, c = (group - first) * width;
    const auto r = static_cast<double>(rstd[at]);
    offset[at] = static_cast<T>(r * std::accumulate(g + c, g + c + width, 0.0) / elements);
    slope[at] = static_cast<T>(r * r * std::accumulate(g_x + c, g_x + c + width, 0.0) / elements);
  }
}

}  // namespace

template <class T>
void channel_statistics(const ChannelGroups& groups, const T* x, const ChannelStatistics<T>& statistics) {
  const Chunks chunks(groups);
  const std::int64_t channels = groups.channels;
  Scratch<T> moments(static_cast<std::size_t>(chunks.count() * 3 * channels + 1));
  chunks.for_each([&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T* to = moments.data() + i * 3 * channels;
      sum_moments(chunks.row_chunk<T>(i, x, nullptr), Moments<T>{to, to + channels, to + 2 * channels});
    }
  });
  for_groups(groups, chunks.per_segment(), [&](std::int64_t segment, std::int64_t first, std::int64_t last) {
    combine_moments(groups, chunks, moments.data(), segment, first, last, statistics);
  });
}

template <class T>
void channel_norm(const ChannelGroups& groups, const T* x, const ChannelStatistics<const T>& statistics,
                  const T* weight, const T* bias, double epsilon, T* y) {
  const Chunks chunks(groups);
  const std::int64_t channels = groups.channels;
  Scratch<T> rstd(static_cast<std::size_t>(groups.segments() * groups.groups + 1));
  reciprocal_deviations(groups, statistics.variance, epsilon, rstd.data());
  chunks.for_each([&](std::int64_t begin, std::int64_t end) {
    Scratch<T> numbers(static_cast<std::size_t>(4 * channels + 1));
    T* mean = numbers.data();
    T* mean_low = mean + channels;
    T* scale = mean_low + channels;
    T* offset = scale + channels;
    std::fill_n(offset, channels, T{0});
    if (bias != nullptr) std::copy_n(bias, channels, offset);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t segment = chunks[i].segment;
      if (i == begin || segment != chunks[i - 1].segment) {
        spread(groups, segment, statistics.mean, mean);
        spread(groups, segment, statistics.mean_low, mean_low);
        spread<T>(groups, segment, rstd.data(), scale);
        if (weight != nullptr)
          for (std::int64_t c = 0; c < channels; ++c) scale[c] *= weight[c];
      }
      normalise(chunks.row_chunk<T>(i, x, nullptr), Normalisation<T>{mean, mean_low, scale, offset},
                y + chunks[i].begin * channels);
    }
  });
}

template <class T>
void channel_norm_backward(const ChannelGroups& groups, const T* x, const ChannelStatistics<const T>& statistics,
                           const T* weight, double epsilon, const T* dy, bool statistics_of_x, T* dx, T* dweight,
                           T* dbias) {
  const Chunks chunks(groups);
  const std::int64_t channels = groups.channels, all_groups = groups.segments() * groups.groups;
  const bool parameters = dweight != nullptr || dbias != nullptr;
  Scratch<T> rstd(static_cast<std::size_t>(all_groups + 1));
  reciprocal_deviations(groups, statistics.variance, epsilon, rstd.data());

  // Σ dy and Σ dy·x̂ of each chunk, and behind the last those of all.
  const bool needs_sums = parameters || (dx != nullptr && statistics_of_x);
  Scratch<T> sums(needs_sums ? static_cast<std::size_t>((chunks.count() + 1) * 2 * channels) : 0);
  if (needs_sums)
    chunks.for_each([&](std::int64_t begin, std::int64_t end) {
      Scratch<T> numbers(static_cast<std::size_t>(3 * channels + 1));
      T* mean = numbers.data();
      T* mean_low = mean + channels;
      T* deviation = mean_low + channels;
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t segment = chunks[i].segment;
        if (i == begin || segment != chunks[i - 1].segment) {
          spread(groups, segment, statistics.mean, mean);
          spread(groups, segment, statistics.mean_low, mean_low);
          spread<T>(groups, segment, rstd.data(), deviation);
        }
        T* to = sums.data() + i * 2 * channels;
        sum_gradients(chunks.row_chunk(i, x, dy), GradientSums<T>{mean, mean_low, deviation, to, to + channels});
      }
    });
  if (parameters) {
    T* total = sums.data() + chunks.count() * 2 * channels;
    sum_leading(sums.data(), chunks.count(), 2 * channels, total);
    if (dbias != nullptr) std::copy_n(total, channels, dbias);
    if (dweight != nullptr) std::copy_n(total + channels, channels, dweight);
  }
  if (dx == nullptr) return;

  // r·mean(g) and r²·mean(g·x̂) of each group.
  Scratch<T> offsets(static_cast<std::size_t>(all_groups + 1)), slopes(static_cast<std::size_t>(all_groups + 1));
  if (statistics_of_x)
    for_groups(groups, chunks.per_segment(), [&](std::int64_t segment, std::int64_t first, std::int64_t last) {
      combine_gradients<T>(groups, chunks, sums.data(), weight, rstd.data(), segment, first, last, offsets.data(),
                           slopes.data());
    });
  chunks.for_each([&](std::int64_t begin, std::int64_t end) {
    Scratch<T> numbers(static_cast<std::size_t>(5 * channels + 1));
    T* mean = numbers.data();
    T* mean_low = mean + channels;
    T* scale = mean_low + channels;
    T* offset = scale + channels;
    T* slope = statistics_of_x ? offset + channels : nullptr;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t segment = chunks[i].segment;
      if (i == begin || segment != chunks[i - 1].segment) {
        spread<T>(groups, segment, rstd.data(), scale);
        if (weight != nullptr)
          for (std::int64_t c = 0; c < channels; ++c) scale[c] *= weight[c];
        if (statistics_of_x) {
          spread(groups, segment, statistics.mean, mean);
          spread(groups, segment, statistics.mean_low, mean_low);
          spread<T>(groups, segment, offsets.data(), offset);
          spread<T>(groups, segment, slopes.data(), slope);
        }
      }
      input_gradient(chunks.row_chunk(i, x, dy), InputGradient<T>{mean, mean_low, scale, offset, slope},
                     dx + chunks[i].begin * channels);
    }
  });
}

#define SAW_INSTANTIATE(T)                                                                                             \
  template void channel_statistics<T>(const ChannelGroups&, const T*, const ChannelStatistics<T>&);                    \
  template void channel_norm<T>(const ChannelGroups&, const T*, const ChannelStatistics<const T>&, const T*, const T*, \
                                double, T*);                                                                           \
  template void channel_norm_backward<T>(const ChannelGroups&, const T*, const ChannelStatistics<const T>&, const T*,  \
                                         double, const T*, bool, T*, T*, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
