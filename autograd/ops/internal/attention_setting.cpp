#include "saw/autograd/ops/internal/attention_setting.h"

#include <algorithm>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/ops/view.h"

namespace saw {
namespace {

// Beyond every sequence, and far from overflow when positions are added.
constexpr std::int64_t everything = std::int64_t{1} << 48;

}  // namespace

AttentionSetting::AttentionSetting(const Segments& query_segments_, const Segments& key_segments_,
                                   const AttentionOptions& options, std::int64_t width)
    : query_segments(query_segments_),
      key_segments(key_segments_),
      left(std::min(options.left, everything)),
      right(std::min(options.right, everything)),
      scale(std::isnan(options.scale) ? 1.0 / std::sqrt(static_cast<double>(width)) : options.scale),
      dropout(options.dropout),
      query_offsets(options.query_offsets),
      alibi_slopes(options.alibi_slopes) {}

void AttentionSetting::draw() {
  if (dropout == 0) return;
  const RandomStream drawn(default_generator());
  seed = drawn.seed();
  stream = drawn.stream();
}

void check_attention_options(const char* op, const AttentionOptions& options) {
  if (options.left < 0 || options.right < 0)
    fail(ErrorKind::argument, "{}: a window reaches a negative number of steps; got left {} and right {}; expected ≥ 0",
         op, options.left, options.right);
  if (!(options.dropout >= 0 && options.dropout <= 1))
    fail(ErrorKind::argument, "{}: dropout is not a probability; got {}; expected 0 … 1", op, options.dropout);
  if (std::isinf(options.scale))
    fail(ErrorKind::argument, "{}: scale is infinite; expected a finite number, or NaN for 1/√width", op);
  for (const std::int64_t offset : options.query_offsets)
    if (offset < 0 || offset > everything)
      fail(ErrorKind::argument, "{}: a query_offset is no position; got {}; expected 0 … 2⁴⁸", op, offset);
  for (const double slope : options.alibi_slopes)
    if (!std::isfinite(slope))
      fail(ErrorKind::argument, "{}: a slope of alibi_slopes is not finite; got {}", op, slope);
}

void check_attention_rows(const char* op, const char* name, const Tensor& x, DType dtype, const Segments& segments) {
  if (x.rank() != 3)
    fail(ErrorKind::shape, "{}: {} has the wrong rank; got {}; expected (rows, heads, width)", op, name, x.shape());
  if (x.dtype() != dtype)
    fail(ErrorKind::dtype, "{}: {} has another dtype than the query; got {}; expected {}", op, name,
         to_string(x.dtype()), to_string(dtype));
  if (x.size(0) != segments.rows())
    fail(ErrorKind::shape, "{}: rows of the {} do not fit its segments; got {}; expected {} rows", op, name, x.shape(),
         segments.rows());
}

void check_query_and_key(const char* op, const Tensor& query, const Tensor& key) {
  if (query.size(2) == 0) fail(ErrorKind::shape, "{}: query has no width; got {}", op, query.shape());
  if (key.size(1) != query.size(1) || key.size(2) != query.size(2))
    fail(ErrorKind::shape, "{}: heads and width of query and key differ; got query {} and key {}", op, query.shape(),
         key.shape());
}

void check_value(const char* op, const Tensor& query, const Tensor& value, const Segments& segments) {
  check_attention_rows(op, "value", value, query.dtype(), segments);
  if (value.size(1) != query.size(1))
    fail(ErrorKind::shape, "{}: query and value have different numbers of heads; got query {} and value {}", op,
         query.shape(), value.shape());
}

void check_segment(const char* op, std::int64_t segment, const Segments& segments) {
  if (segment < 0 || segment >= segments.count())
    fail(ErrorKind::argument, "{}: there is no such segment; got {}; expected 0 … {}", op, segment,
         segments.count() - 1);
}

Tensor heads_of_segment(const Tensor& x, const Segments& segments, std::int64_t segment) {
  return transpose(slice(x, 0, segments.begin(segment), segments.end(segment)), 0, 1);
}

Tensor windowed_softmax(const Tensor& scores, const AttentionSetting& setting, std::int64_t segment) {
  const std::int64_t queries = scores.size(1), keys = scores.size(2), first = setting.query_offset(segment);
  std::vector<bool> hidden;
  for (std::int64_t p = first; p < first + queries; ++p)
    for (std::int64_t j = 0; j < keys; ++j) hidden.push_back(j < p - setting.left || j > p + setting.right);
  if (std::find(hidden.begin(), hidden.end(), true) == hidden.end()) return softmax(scores, -1);
  return softmax(
      masked_fill(scores, reshape(tensor(hidden), {queries, keys}), -std::numeric_limits<double>::infinity()), -1);
}

Tensor after_dropout(const Tensor& weights, const AttentionSetting& setting, std::int64_t segment) {
  if (setting.dropout == 0) return weights;
  const std::int64_t heads = weights.size(0), queries = weights.size(1), keys = weights.size(2);
  const std::int64_t row = setting.query_segments.begin(segment);
  const double kept = setting.dropout < 1 ? 1 / (1 - setting.dropout) : 0.0;
  std::vector<double> factors;
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < queries; ++i)
      for (std::int64_t j = 0; j < keys; ++j)
        factors.push_back(
            kernels::attention_kept(row + i, heads, h, j, setting.dropout, setting.seed, setting.stream) ? kept : 0.0);
  return weights * tensor(factors, weights.shape()).to(weights.dtype());
}

Tensor with_contiguous_width(const Tensor& x) {
  if (!x.defined() || x.size(-1) <= 1 || x.strides().back() == 1) return x;
  return x.detach().contiguous();
}

}  // namespace saw
