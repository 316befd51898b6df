#pragma once

// Normalisation of packed rows (N, channels) by statistics over rows, for float and double: what batch norm (one
// segment, a group per channel) and group norm (a segment per sequence) have in common. Chunks of rows that depend on
// the segments' lengths alone are summed apart and combined in order, so results depend neither on threads nor on a
// segment's neighbours.

#include <cstdint>
#include <span>

namespace saw::kernels {

/// Which elements share statistics: those of a segment's rows and of channels / groups neighbouring channels.
struct ChannelGroups {
  std::span<const std::int64_t> offsets;  // of the segments
  std::int64_t channels, groups;

  std::int64_t segments() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t width() const { return channels / groups; }
};

/// Per segment and group, (segments, groups). A mean is mean + mean_low, so that one that is far larger than the spread
/// costs no digits.
template <class T>
struct ChannelStatistics {
  T* mean;
  T* mean_low;  // may be null: zeros
  T* variance;  // biased
};

/// The statistics of x (N, channels); zeros for empty segments.
template <class T>
void channel_statistics(const ChannelGroups& groups, const T* x, const ChannelStatistics<T>& statistics);

/// y = (x − mean) / √(variance + ε) · weight + bias; weight and bias (channels) may be null.
template <class T>
void channel_norm(const ChannelGroups& groups, const T* x, const ChannelStatistics<const T>& statistics,
                  const T* weight, const T* bias, double epsilon, T* y);

/// With r = 1/√(variance + ε), x̂ = (x − mean)·r and g = dy·weight: dweight = Σ_rows dy·x̂, dbias = Σ_rows dy, and
/// dx = r·(g − mean(g) − x̂·mean(g·x̂)), or r·g when the statistics do not depend on x. Those that are null are left out.
template <class T>
void channel_norm_backward(const ChannelGroups& groups, const T* x, const ChannelStatistics<const T>& statistics,
                           const T* weight, double epsilon, const T* dy, bool statistics_of_x, T* dx, T* dweight,
                           T* dbias);

}  // namespace saw::kernels
