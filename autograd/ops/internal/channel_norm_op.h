#pragma once

// For sources of autograd/, not for users: what batch norm and group norm have in common, which differ only in which
// rows and channels share their statistics.

#include "saw/autograd/base/segments.h"
#include "saw/autograd/tape/record.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Throws in the name of `op` unless x is a floating (N, C) and epsilon is not negative.
void check_channel_rows(const char* op, const Tensor& x, double epsilon);
/// Throws in the name of `op` unless `values`, if defined, has one number of x's dtype for each of x's channels.
void check_per_channel(const char* op, const char* name, const Tensor& values, const Tensor& x);

/// What x is normalised with, per segment and group (B, groups): the mean is mean + mean_low (undefined: zeros).
struct NormStatistics {
  Tensor mean, mean_low, variance;
};

/// Statistics are those of a segment's rows and of C / groups neighbouring channels.
struct ChannelNorm {
  Segments segments;
  std::int64_t groups;
  double epsilon;

  NormStatistics statistics(const Tensor& x) const;
  /// The elements (N, C) of a float32 tensor whose statistics need float64; undefined where there are none.
  Tensor outside_float32(const NormStatistics& statistics, std::int64_t channels) const;
  /// The value, with no history.
  Tensor forward(const Tensor& x, const NormStatistics& statistics, const Tensor& weight, const Tensor& bias) const;
  /// For inputs (x, weight, bias). The statistics are a function of x, or given.
  Gradient gradient(const Tensor& x, const NormStatistics& statistics, const Tensor& weight, bool statistics_of_x,
                    ReferenceFunction reference) const;
};

}  // namespace saw
