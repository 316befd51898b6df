#pragma once

// For sources of autograd/, not for users: what the convolutions over time have in common.

#include <cstdint>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/ops/conv.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// Options with the paddings worked out, and the segments on either side.
struct ConvGeometry {
  Segments in, out;
  std::int64_t kernel, stride, dilation, padding;  // padding on the left
};

/// Throws Error(argument) in the name of `op` for a kernel, stride, dilation or padding out of range.
void check_conv_options(const char* op, std::int64_t kernel, const Conv1dOptions& options);
/// The checks of x, weight and bias that do not depend on how channels meet: ranks, dtypes, rows, bias. `layout` names
/// the weight's axes.
void check_conv_operands(const char* op, const Tensor& x, const Segments& segments, const Tensor& weight,
                         const Tensor& bias, const char* layout);

ConvGeometry make_conv_geometry(const Segments& segments, std::int64_t kernel, const Conv1dOptions& options);

/// The rows of x that each result sees, (N', kernel) row by row; x's number of rows where it sees a padded zero.
std::vector<std::int64_t> conv_window_rows(const ConvGeometry& geometry);

}  // namespace saw
