#include "saw/autograd/ops/attention.h"

#include <cmath>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/attention.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/attention_setting.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo attention_info{"attention", "softmax(scale · Q Kᵀ + bias) V in each segment and head", true};
const OpInfo attention_weights_info{"attention_weights", "softmax(scale · Q Kᵀ + bias) of one segment", false};

/// What backward reads; the bias may be undefined.
enum Saved : std::size_t { saved_query, saved_key, saved_value, saved_output, saved_logsumexp, saved_bias };

// ---- reference ----

/// −slope · |distance| for one segment, (heads, Tq, Tk).
Tensor linear_biases(const AttentionSetting& setting, std::int64_t segment, DType dtype) {
  const std::int64_t queries = setting.query_segments.length(segment), keys = setting.key_segments.length(segment);
  const std::int64_t first = setting.query_offset(segment);
  std::vector<double> biases;
  for (const double slope : setting.alibi_slopes)
    for (std::int64_t p = first; p < first + queries; ++p)
      for (std::int64_t j = 0; j < keys; ++j) biases.push_back(-slope * std::abs(static_cast<double>(p - j)));
  return tensor(biases, {static_cast<std::int64_t>(setting.alibi_slopes.size()), queries, keys}).to(dtype);
}

/// softmax(scale · q kᵀ + bias) of one segment, (heads, Tq, Tk); both lengths positive.
Tensor reference_weights(const Tensor& query, const Tensor& key, const Tensor& bias, const AttentionSetting& setting,
                         std::int64_t segment) {
  const std::int64_t queries = setting.query_segments.length(segment), keys = setting.key_segments.length(segment);
  const Tensor q = heads_of_segment(query, setting.query_segments, segment);               // (heads, Tq, d)
  const Tensor k = transpose(heads_of_segment(key, setting.key_segments, segment), 1, 2);  // (heads, d, Tk)
  Tensor scores = matmul(q, k) * setting.scale;                                            // (heads, Tq, Tk)
  if (bias.defined()) scores = scores + slice(slice(bias, 1, 0, queries), 2, 0, keys);
  if (!setting.alibi_slopes.empty()) scores = scores + linear_biases(setting, segment, scores.dtype());
  return windowed_softmax(scores, setting, segment);
}

Tensor attention_reference(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                           const AttentionSetting& setting) {
  const std::int64_t heads = query.size(1), value_width = value.size(2);
  TensorList parts = {zeros({0, heads, value_width}, query.dtype())};
  for (std::int64_t s = 0; s < setting.query_segments.count(); ++s) {
    const std::int64_t queries = setting.query_segments.length(s);
    if (queries == 0) continue;
    if (setting.key_segments.length(s) == 0) {
      parts.push_back(zeros({queries, heads, value_width}, query.dtype()));
      continue;
    }
    const Tensor weights = after_dropout(reference_weights(query, key, bias, setting, s), setting, s);
    parts.push_back(transpose(matmul(weights, heads_of_segment(value, setting.key_segments, s)), 0, 1));
  }
  return cat(parts, 0);  // (Nq, heads, dv)
}

// ---- kernel ----

template <class T>
kernels::AttentionProblem<T> make_problem(const Tensor& query, const Tensor& key, const Tensor& value,
                                          const Tensor& bias, const AttentionSetting& setting) {
  return {attention_operands<T>(query, key, value, setting),
          setting.query_offsets,
          setting.alibi_slopes,
          bias.defined() ? bias.data<T>() : nullptr,
          bias.defined() && bias.size(0) > 1 ? bias.strides()[0] : 0,
          bias.defined() ? bias.strides()[1] : 0};
}

/// Gradients of (query, key, value[, bias]).
TensorList attention_backward(const BackwardContext& context, const AttentionSetting& setting, bool has_bias) {
  const Tensor query = context.saved(saved_query), key = context.saved(saved_key), value = context.saved(saved_value);
  const Tensor output = context.saved(saved_output), logsumexp = context.saved(saved_logsumexp);
  const Tensor bias = has_bias ? context.saved(saved_bias) : Tensor();
  const Tensor grad_output = with_contiguous_width(context.grad_output());
  TensorList gradients(has_bias ? 4 : 3);
  const TensorList like = {query, key, value, bias};
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (context.needs_grad(i)) gradients[i] = Tensor::empty(like[i].shape(), like[i].dtype());
  dispatch_floating("attention", query.dtype(), [&]<class T>() {
    const auto memory = [&](std::size_t i) -> T* {
      return i < gradients.size() && gradients[i].defined() ? gradients[i].mutable_data<T>() : nullptr;
    };
    kernels::attention_backward(
        make_problem<T>(query, key, value, bias, setting), output.data<T>(), logsumexp.data<T>(),
        head_rows<T>(grad_output),
        kernels::AttentionGradients<T>{memory(0), memory(1), memory(2), memory(3), has_bias ? bias.size(0) : 0,
                                       has_bias ? bias.size(1) : 0, has_bias ? bias.size(2) : 0});
  });
  return gradients;
}

// ---- checks ----

void check_scores(const char* op, const Tensor& query, const Tensor& key, const Segments& query_segments,
                  const Segments& key_segments, const AttentionOptions& options, const Tensor& bias) {
  dispatch_floating(op, query.dtype(), []<class T>() {});
  check_attention_rows(op, "query", query, query.dtype(), query_segments);
  check_attention_rows(op, "key", key, query.dtype(), key_segments);
  check_query_and_key(op, query, key);
  if (query_segments.count() != key_segments.count())
    fail(ErrorKind::shape, "{}: queries and keys have different numbers of segments; got {} and {}", op,
         query_segments.count(), key_segments.count());
  check_attention_options(op, options);
  const auto check_count = [&](const char* name, std::size_t got, std::int64_t expected, const char* what) {
    if (got != 0 && static_cast<std::int64_t>(got) != expected)
      fail(ErrorKind::argument, "{}: {} do not fit; got {}; expected one for each {}, that is {}, or none", op, name,
           got, what, expected);
  };
  check_count("query_offsets", options.query_offsets.size(), query_segments.count(), "segment");
  check_count("alibi_slopes", options.alibi_slopes.size(), query.size(1), "head");
  if (!bias.defined()) return;
  if (bias.dtype() != query.dtype())
    fail(ErrorKind::dtype, "{}: bias has another dtype than the query; got {}; expected {}", op,
         to_string(bias.dtype()), to_string(query.dtype()));
  const std::int64_t queries = query_segments.max_length(), keys = key_segments.max_length();
  if (bias.rank() != 3 || (bias.size(0) != 1 && bias.size(0) != query.size(1)) || bias.size(1) < queries ||
      bias.size(2) < keys)
    fail(ErrorKind::shape, "{}: bias does not fit; got {}; expected ({} or 1, ≥ {}, ≥ {}): heads, queries, keys", op,
         bias.shape(), query.size(1), queries, keys);
}

}  // namespace

std::vector<double> AttentionOptions::slopes_of_heads(std::int64_t heads) {
  if (heads < 0) fail(ErrorKind::argument, "slopes_of_heads: a negative number of heads; got {}", heads);
  std::int64_t power = 1;  // the largest power of two that is not above the number of heads
  while (2 * power <= heads) power *= 2;
  std::vector<double> slopes;
  for (std::int64_t h = 1; h <= heads; ++h)
    slopes.push_back(h <= power
                         ? std::exp2(-8.0 * static_cast<double>(h) / static_cast<double>(power))
                         : std::exp2(-4.0 * static_cast<double>(2 * (h - power) - 1) / static_cast<double>(power)));
  return slopes;
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const Segments& query_segments,
                 const Segments& key_segments, const AttentionOptions& options, const Tensor& bias) {
  check_scores("attention", query, key, query_segments, key_segments, options, bias);
  check_value("attention", query, value, key_segments);
  AttentionSetting setting(query_segments, key_segments, options, query.size(2));
  setting.draw();
  const Tensor q = with_contiguous_width(query), k = with_contiguous_width(key), v = with_contiguous_width(value);
  const Tensor b = with_contiguous_width(bias);
  const Tensor y = Tensor::empty({query.size(0), query.size(1), value.size(2)}, query.dtype());
  const Tensor logsumexp = Tensor::empty({query.size(0), query.size(1)}, query.dtype());
  dispatch_floating("attention", query.dtype(), [&]<class T>() {
    kernels::attention_forward(make_problem<T>(q, k, v, b, setting), y.mutable_data<T>(), logsumexp.mutable_data<T>());
  });
  const bool has_bias = bias.defined();
  TensorList inputs = {query, key, value};
  if (has_bias) inputs.push_back(bias);
  return record(attention_info, inputs, y, [&] {
    return Gradient::with_reference(
        {q, k, v, y, logsumexp, b},
        [setting, has_bias](const BackwardContext& context) { return attention_backward(context, setting, has_bias); },
        [setting](const TensorList& in) {
          return TensorList{attention_reference(in[0], in[1], in[2], in.size() > 3 ? in[3] : Tensor(), setting)};
        });
  });
}

Tensor attention_weights(const Tensor& query, const Tensor& key, const Segments& query_segments,
                         const Segments& key_segments, std::int64_t segment, const AttentionOptions& options,
                         const Tensor& bias) {
  check_scores("attention_weights", query, key, query_segments, key_segments, options, bias);
  check_segment("attention_weights", segment, query_segments);
  const NoGradGuard no_grad;
  const std::int64_t queries = query_segments.length(segment), keys = key_segments.length(segment);
  if (queries == 0 || keys == 0)
    return record_constant(attention_weights_info, zeros({query.size(1), queries, keys}, query.dtype()));
  const AttentionSetting setting(query_segments, key_segments, options, query.size(2));
  return record_constant(attention_weights_info, reference_weights(query, key, bias, setting, segment).contiguous());
}

OpList attention_ops() { return {&attention_info, &attention_weights_info}; }

}  // namespace saw
