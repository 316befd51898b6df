#include "saw/autograd/ops/relative_attention.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/relative_attention.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/attention_setting.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo relative_attention_info{
    "relative_attention", "softmax(scale · ((q_i + u) · k_j + (q_i + v) · r_{i−j})) V in each segment and head", true};
const OpInfo relative_attention_weights_info{
    "relative_attention_weights", "softmax(scale · ((q_i + u) · k_j + (q_i + v) · r_{i−j})) of one segment", false};

/// The operands in the order of the op's inputs.
enum Operand : std::size_t { query_input, key_input, value_input, positions_input, content_input, position_input };
/// What is saved: the operands in the same order, then these.
enum Saved : std::size_t { saved_output = position_input + 1, saved_logsumexp };

/// x + a bias (heads, d) for x (heads, T, d).
Tensor with_bias(const Tensor& x, const Tensor& bias) { return x + reshape(bias, {bias.size(0), 1, bias.size(1)}); }

// ---- reference ----

/// The weights of one segment, (heads, T, T), by the definition: r_{i−j} is looked up for every pair.
Tensor reference_weights(const TensorList& in, const AttentionSetting& setting, std::int64_t segment) {
  const Segments& segments = setting.query_segments;
  const std::int64_t length = segments.length(segment), zero = in[positions_input].size(0) / 2;
  const std::int64_t heads = in[query_input].size(1), width = in[query_input].size(2);
  const Tensor q = heads_of_segment(in[query_input], segments, segment);
  const Tensor k = heads_of_segment(in[key_input], segments, segment);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t j = 0; j < length; ++j) rows.push_back(zero - (i - j));
  const Tensor r = permute(reshape(index_select(in[positions_input], 0, tensor(rows)), {length, length, heads, width}),
                           {2, 0, 1, 3});  // (heads, i, j, d)
  const Tensor content = matmul(with_bias(q, in[content_input]), transpose(k, 1, 2));
  const Tensor v = reshape(with_bias(q, in[position_input]), {heads, length, 1, width});
  return windowed_softmax((content + sum(v * r, {-1})) * setting.scale, setting, segment);
}

Tensor relative_attention_reference(const TensorList& in, const AttentionSetting& setting) {
  const Tensor &query = in[query_input], &value = in[value_input];
  const Segments& segments = setting.query_segments;
  TensorList parts = {zeros({0, value.size(1), value.size(2)}, query.dtype())};
  for (std::int64_t s = 0; s < segments.count(); ++s) {
    if (segments.length(s) == 0) continue;
    const Tensor weights = after_dropout(reference_weights(in, setting, s), setting, s);
    parts.push_back(transpose(matmul(weights, heads_of_segment(value, segments, s)), 0, 1));
  }
  return cat(parts, 0);  // (N, heads, dv)
}

// ---- kernel ----

/// For operands with contiguous width, and contiguous biases.
template <class T>
kernels::RelativeAttentionProblem<T> make_problem(const TensorList& in, const AttentionSetting& setting) {
  return {attention_operands<T>(in[query_input], in[key_input], in[value_input], setting),
          head_rows<T>(in[positions_input]), in[positions_input].size(0) / 2, in[content_input].data<T>(),
          in[position_input].data<T>()};
}

/// Gradients of all operands.
TensorList relative_attention_backward(const BackwardContext& context, const AttentionSetting& setting) {
  TensorList in, gradients(position_input + 1);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    in.push_back(context.saved(i));
    if (context.needs_grad(i)) gradients[i] = Tensor::empty(in[i].shape(), in[i].dtype());
  }
  const Tensor output = context.saved(saved_output), logsumexp = context.saved(saved_logsumexp);
  const Tensor grad_output = with_contiguous_width(context.grad_output());
  dispatch_floating("relative_attention", output.dtype(), [&]<class T>() {
    const auto memory = [&](Operand i) { return gradients[i].defined() ? gradients[i].mutable_data<T>() : nullptr; };
    kernels::relative_attention_backward(
        make_problem<T>(in, setting), output.data<T>(), logsumexp.data<T>(), head_rows<T>(grad_output),
        kernels::RelativeAttentionGradients<T>{memory(query_input), memory(key_input), memory(value_input),
                                               memory(positions_input), memory(content_input), memory(position_input)});
  });
  return gradients;
}

// ---- checks ----

void check_scores(const char* op, const Tensor& query, const Tensor& key, const Tensor& positions,
                  const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                  const AttentionOptions& options) {
  dispatch_floating(op, query.dtype(), []<class T>() {});
  check_attention_rows(op, "query", query, query.dtype(), segments);
  check_attention_rows(op, "key", key, query.dtype(), segments);
  check_query_and_key(op, query, key);
  const auto check_dtype = [&](const char* name, const Tensor& x) {
    if (x.dtype() != query.dtype())
      fail(ErrorKind::dtype, "{}: {} has another dtype than the query; got {}; expected {}", op, name,
           to_string(x.dtype()), to_string(query.dtype()));
  };
  check_dtype("positions", positions);
  check_dtype("content_bias", content_bias);
  check_dtype("position_bias", position_bias);
  const std::int64_t heads = query.size(1), width = query.size(2);
  const std::int64_t rows = std::max<std::int64_t>(1, 2 * segments.max_length() - 1);
  if (positions.rank() != 3 || positions.size(0) % 2 == 0 || positions.size(0) < rows || positions.size(1) != heads ||
      positions.size(2) != width)
    fail(ErrorKind::shape,
         "{}: positions do not fit; got {}; expected an odd number of rows, ≥ {}, for the distances P − 1 … −(P − 1) "
         "with P at least the longest segment: (rows, {}, {})",
         op, positions.shape(), rows, heads, width);
  const auto check_bias = [&](const char* name, const Tensor& bias) {
    if (bias.shape() != Shape{heads, width})
      fail(ErrorKind::shape, "{}: {} does not fit; got {}; expected ({}, {}): heads, width", op, name, bias.shape(),
           heads, width);
  };
  check_bias("content_bias", content_bias);
  check_bias("position_bias", position_bias);
  check_attention_options(op, options);
  if (!options.query_offsets.empty() || !options.alibi_slopes.empty())
    fail(ErrorKind::argument, "{}: takes neither query_offsets nor alibi_slopes; distances are what `positions` is for",
         op);
}

}  // namespace

Tensor relative_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& positions,
                          const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                          const AttentionOptions& options) {
  constexpr const char* op = "relative_attention";
  check_scores(op, query, key, positions, content_bias, position_bias, segments, options);
  check_value(op, query, value, segments);
  AttentionSetting setting(segments, segments, options, query.size(2));
  setting.draw();
  const TensorList in = {with_contiguous_width(query),       with_contiguous_width(key),
                         with_contiguous_width(value),       with_contiguous_width(positions),
                         content_bias.detach().contiguous(), position_bias.detach().contiguous()};
  const Tensor y = Tensor::empty({query.size(0), query.size(1), value.size(2)}, query.dtype());
  const Tensor logsumexp = Tensor::empty({query.size(0), query.size(1)}, query.dtype());
  dispatch_floating(op, query.dtype(), [&]<class T>() {
    kernels::relative_attention_forward(make_problem<T>(in, setting), y.mutable_data<T>(), logsumexp.mutable_data<T>());
  });
  return record(relative_attention_info, {query, key, value, positions, content_bias, position_bias}, y, [&] {
    TensorList saved = in;
    saved.push_back(y);
    saved.push_back(logsumexp);
    return Gradient::with_reference(
        std::move(saved),
        [setting](const BackwardContext& context) { return relative_attention_backward(context, setting); },
        [setting](const TensorList& inputs) { return TensorList{relative_attention_reference(inputs, setting)}; });
  });
}

Tensor relative_attention_weights(const Tensor& query, const Tensor& key, const Tensor& positions,
                                  const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                                  std::int64_t segment, const AttentionOptions& options) {
  constexpr const char* op = "relative_attention_weights";
  check_scores(op, query, key, positions, content_bias, position_bias, segments, options);
  check_segment(op, segment, segments);
  const NoGradGuard no_grad;
  const AttentionSetting setting(segments, segments, options, query.size(2));
  const std::int64_t heads = query.size(1), length = segments.length(segment), zero = positions.size(0) / 2;
  if (length == 0) return record_constant(relative_attention_weights_info, zeros({heads, 0, 0}, query.dtype()));
  const Tensor q = heads_of_segment(query, segments, segment), k = heads_of_segment(key, segments, segment);
  const Tensor r = slice(positions, 0, zero + 1 - length, zero + length);  // (2T − 1, heads, d), r₀ in row T − 1
  std::vector<std::int64_t> columns;
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t j = 0; j < length; ++j) columns.push_back(length - 1 - (i - j));
  const Tensor index = expand(tensor(columns).reshape({1, length, length}), {heads, length, length});
  const Tensor content = matmul(with_bias(q, content_bias), transpose(k, 1, 2));
  const Tensor by_distance = matmul(with_bias(q, position_bias), permute(r, {1, 2, 0}));  // (heads, T, 2T − 1)
  return record_constant(relative_attention_weights_info,
                         windowed_softmax((content + gather(by_distance, 2, index)) * setting.scale, setting, segment));
}

OpList relative_attention_ops() { return {&relative_attention_info, &relative_attention_weights_info}; }

}  // namespace saw
