#pragma once

// For sources of autograd/, not for users: what attention and relative_attention have in common.

#include <cmath>
#include <cstdint>
#include <vector>

#include "saw/autograd/base/segments.h"
#include "saw/autograd/kernels/attention.h"
#include "saw/autograd/ops/attention.h"
#include "saw/autograd/tape/tensor.h"

namespace saw {

/// The options as the kernels take them, with the random stream that a call drew.
struct AttentionSetting {
  Segments query_segments, key_segments;
  std::int64_t left, right;
  double scale;
  double dropout;
  std::vector<std::int64_t> query_offsets;
  std::vector<double> alibi_slopes;
  std::uint64_t seed = 0, stream = 0;

  AttentionSetting(const Segments& query_segments, const Segments& key_segments, const AttentionOptions& options,
                   std::int64_t width);
  /// Takes a stream of the default generator, if dropout wants one.
  void draw();

  std::int64_t query_offset(std::int64_t segment) const {
    return query_offsets.empty() ? 0 : query_offsets[static_cast<std::size_t>(segment)];
  }
};

// ---- checks, in the name of `op` ----

/// Throws Error(argument) for a negative window, a dropout outside 0 … 1, an infinite scale.
void check_attention_options(const char* op, const AttentionOptions& options);
/// Throws unless x is (rows, heads, width) with the dtype of the query and the rows of its segments.
void check_attention_rows(const char* op, const char* name, const Tensor& x, DType dtype, const Segments& segments);
/// Throws Error(shape) unless query (…, heads, width) and key agree in both, and the width is positive.
void check_query_and_key(const char* op, const Tensor& query, const Tensor& key);
/// Throws unless the value has as many heads as the query; of its rows and dtype see check_attention_rows.
void check_value(const char* op, const Tensor& query, const Tensor& value, const Segments& segments);
/// Throws Error(argument) for a segment that is not there.
void check_segment(const char* op, std::int64_t segment, const Segments& segments);

// ---- references ----

/// The rows of x that a segment owns, heads first: (heads, T, width).
Tensor heads_of_segment(const Tensor& x, const Segments& segments, std::int64_t segment);
/// Softmax of one segment's scores (heads, Tq, Tk), both lengths positive, where the window hides some.
Tensor windowed_softmax(const Tensor& scores, const AttentionSetting& setting, std::int64_t segment);
/// The weights (heads, Tq, Tk) of one segment, after dropout.
Tensor after_dropout(const Tensor& weights, const AttentionSetting& setting, std::int64_t segment);

// ---- operands of kernels ----

/// x, or a copy of it where the elements of a row are not side by side; undefined stays undefined.
Tensor with_contiguous_width(const Tensor& x);

template <class T>
kernels::HeadRows<const T> head_rows(const Tensor& x) {
  return {x.data<T>(), x.strides()[0], x.strides()[1]};
}

/// For operands with contiguous width.
template <class T>
kernels::AttentionOperands<T> attention_operands(const Tensor& query, const Tensor& key, const Tensor& value,
                                                 const AttentionSetting& setting) {
  return {.query_segments = setting.query_segments.offsets(),
          .key_segments = setting.key_segments.offsets(),
          .heads = query.size(1),
          .width = query.size(2),
          .value_width = value.size(2),
          .query = head_rows<T>(query),
          .key = head_rows<T>(key),
          .value = head_rows<T>(value),
          .left = setting.left,
          .right = setting.right,
          .scale = static_cast<T>(setting.scale),
          .dropout = setting.dropout,
          .seed = setting.seed,
          .stream = setting.stream};
}

}  // namespace saw
