#include "saw/autograd/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/kernels/attention.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/attention_options.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The options as the kernels take them, with the random stream that this call drew.
struct Setting {
  Segments query_segments, key_segments;
  std::int64_t left, right;
  double scale;
  double dropout;
  std::uint64_t seed = 0, stream = 0;
};

Setting make_setting(const Segments& query_segments, const Segments& key_segments, const AttentionOptions& options,
                     std::int64_t width) {
  // Beyond every sequence, and far from overflow when positions are added.
  constexpr std::int64_t everything = std::int64_t{1} << 48;
  return {.query_segments = query_segments,
          .key_segments = key_segments,
          .left = std::min(options.left, everything),
          .right = std::min(options.right, everything),
          .scale = std::isnan(options.scale) ? 1.0 / std::sqrt(static_cast<double>(width)) : options.scale,
          .dropout = options.dropout};
}

// ---- reference ----

/// softmax(scale · q kᵀ + bias) of one segment, (heads, Tq, Tk); both lengths positive.
Tensor reference_weights(const Tensor& query, const Tensor& key, const Tensor& bias, const Setting& setting,
                         std::int64_t segment) {
  const Segments &qs = setting.query_segments, &ks = setting.key_segments;
  const std::int64_t queries = qs.length(segment), keys = ks.length(segment);
  const Tensor q = transpose(slice(query, 0, qs.begin(segment), qs.end(segment)), 0, 1);   // (heads, Tq, d)
  const Tensor k = permute(slice(key, 0, ks.begin(segment), ks.end(segment)), {1, 2, 0});  // (heads, d, Tk)
  Tensor scores = matmul(q, k) * setting.scale;                                            // (heads, Tq, Tk)
  if (bias.defined()) scores = scores + slice(slice(bias, 1, 0, queries), 2, 0, keys);
  std::vector<bool> hidden;
  for (std::int64_t i = 0; i < queries; ++i)
    for (std::int64_t j = 0; j < keys; ++j) hidden.push_back(j < i - setting.left || j > i + setting.right);
  if (std::find(hidden.begin(), hidden.end(), true) != hidden.end())
    scores = masked_fill(scores, reshape(tensor(hidden), {queries, keys}), -infinity);
  return softmax(scores, -1);
}

Tensor attention_reference(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                           const Setting& setting) {
  const Segments &qs = setting.query_segments, &ks = setting.key_segments;
  const std::int64_t heads = query.size(1), value_width = value.size(2);
  TensorList parts = {zeros({0, heads, value_width}, query.dtype())};
  for (std::int64_t s = 0; s < qs.count(); ++s) {
    const std::int64_t queries = qs.length(s), keys = ks.length(s);
    if (queries == 0) continue;
    if (keys == 0) {
      parts.push_back(zeros({queries, heads, value_width}, query.dtype()));
      continue;
    }
    Tensor weights = reference_weights(query, key, bias, setting, s);
    if (setting.dropout > 0) {
      const double factor = setting.dropout < 1 ? 1 / (1 - setting.dropout) : 0.0;
      std::vector<double> factors;
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t i = 0; i < queries; ++i)
          for (std::int64_t j = 0; j < keys; ++j)
            factors.push_back(
                kernels::attention_kept(qs.begin(s) + i, heads, h, j, setting.dropout, setting.seed, setting.stream)
                    ? factor
                    : 0.0);
      weights = weights * tensor(factors, {heads, queries, keys}).to(query.dtype());
    }
    const Tensor v = transpose(slice(value, 0, ks.begin(s), ks.end(s)), 0, 1);  // (heads, Tk, dv)
    parts.push_back(transpose(matmul(weights, v), 0, 1));
  }
  return cat(parts, 0);  // (Nq, heads, dv)
}

// ---- checks ----

void check_operand(const char* op, const char* name, const Tensor& x, DType dtype, const Segments& segments) {
  if (x.rank() != 3)
    fail(ErrorKind::shape, "{}: {} has the wrong rank; got {}; expected (rows, heads, width)", op, name, x.shape());
  if (x.dtype() != dtype)
    fail(ErrorKind::dtype, "{}: {} has another dtype than the query; got {}; expected {}", op, name,
         to_string(x.dtype()), to_string(dtype));
  if (x.size(0) != segments.rows())
    fail(ErrorKind::shape, "{}: rows of the {} do not fit its segments; got {}; expected {} rows", op, name, x.shape(),
         segments.rows());
}

void check_scores(const char* op, const Tensor& query, const Tensor& key, const Segments& query_segments,
                  const Segments& key_segments, const AttentionOptions& options, const Tensor& bias) {
  dispatch_floating(op, query.dtype(), []<class T>() {});
  check_operand(op, "query", query, query.dtype(), query_segments);
  check_operand(op, "key", key, query.dtype(), key_segments);
  if (query.size(2) == 0) fail(ErrorKind::shape, "{}: query has no width; got {}", op, query.shape());
  if (key.size(1) != query.size(1) || key.size(2) != query.size(2))
    fail(ErrorKind::shape, "{}: heads and width of query and key differ; got query {} and key {}", op, query.shape(),
         key.shape());
  if (query_segments.count() != key_segments.count())
    fail(ErrorKind::shape, "{}: queries and keys have different numbers of segments; got {} and {}", op,
         query_segments.count(), key_segments.count());
  check_attention_options(op, options);
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

// ---- kernel ----

/// x, or a copy of it where the elements of a row are not side by side.
Tensor with_contiguous_width(const Tensor& x) {
  if (!x.defined() || x.size(-1) <= 1 || x.strides().back() == 1) return x;
  return x.detach().contiguous();
}

template <class T>
kernels::HeadRows<const T> head_rows(const Tensor& x) {
  return {x.data<T>(), x.strides()[0], x.strides()[1]};
}

template <class T>
kernels::AttentionProblem<T> make_problem(const Tensor& query, const Tensor& key, const Tensor& value,
                                          const Tensor& bias, const Setting& setting) {
  return {.query_offsets = setting.query_segments.offsets(),
          .key_offsets = setting.key_segments.offsets(),
          .heads = query.size(1),
          .width = query.size(2),
          .value_width = value.size(2),
          .query = head_rows<T>(query),
          .key = head_rows<T>(key),
          .value = head_rows<T>(value),
          .left = setting.left,
          .right = setting.right,
          .scale = static_cast<T>(setting.scale),
          .bias = bias.defined() ? bias.data<T>() : nullptr,
          .bias_head = bias.defined() && bias.size(0) > 1 ? bias.strides()[0] : 0,
          .bias_row = bias.defined() ? bias.strides()[1] : 0,
          .dropout = setting.dropout,
          .seed = setting.seed,
          .stream = setting.stream};
}

/// Gradients of (query, key, value[, bias]); saved: those, the output and the logsumexp.
TensorList attention_backward(const BackwardContext& context, const Setting& setting, bool has_bias) {
  const Tensor query = context.saved(0), key = context.saved(1), value = context.saved(2);
  const Tensor output = context.saved(3), logsumexp = context.saved(4);
  const Tensor bias = has_bias ? context.saved(5) : Tensor();
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

// ---- registry ----

struct Case {
  std::string name;
  Segments query_segments, key_segments;
  std::int64_t heads = 1, width = 4, value_width = 4;
  AttentionOptions options = {};
  Shape bias = {};  // none
};

std::vector<Case> cases() {
  const Segments ragged = Segments::from_lengths({3, 0, 1, 5});
  const Segments other = Segments::from_lengths({2, 4, 0, 6});
  AttentionOptions scaled{.left = 1, .scale = 0.3};
  AttentionOptions dropping{.right = 2, .dropout = 0.4};
  AttentionOptions dropping_all{.dropout = 1.0};
  return {
      {"ragged self-attention", ragged, ragged, 2, 5, 3},
      {"causal", ragged, ragged, 2, 4, 4, AttentionOptions::causal()},
      {"window", ragged, ragged, 1, 3, 4, AttentionOptions::window(1, 2)},
      {"cross-attention, empty on either side", ragged, other, 2, 4, 2},
      {"cross-attention in a window that some queries see nothing through", ragged, other, 1, 4, 4,
       AttentionOptions::window(0, 0)},
      {"keys from one step before on, scale", ragged, ragged, 1, 4, 4, scaled},
      {"bias per head", ragged, ragged, 2, 4, 4, {}, {2, 5, 5}},
      {"larger bias for all heads, window", ragged, other, 2, 4, 3, AttentionOptions::window(2, 1), {1, 6, 7}},
      {"dropout", ragged, ragged, 2, 4, 4, dropping},
      {"dropout with bias", ragged, other, 2, 4, 4, dropping, {2, 5, 6}},
      {"dropout of everything", ragged, ragged, 1, 2, 2, dropping_all},
      {"width 1", Segments::single(4), Segments::single(3), 3, 1, 1},
      {"no rows", Segments::from_lengths({0, 0}), Segments::from_lengths({0, 0}), 2, 3, 3},
      {"no segments", Segments(), Segments(), 1, 2, 2},
  };
}

constexpr std::uint64_t sample_seed = 11;

Sample make_sample(SampleMaker& make, const Case& c) {
  const std::int64_t keys = c.key_segments.rows();
  TensorList inputs = {make.normal({c.query_segments.rows(), c.heads, c.width}), make.normal({keys, c.heads, c.width}),
                       make.normal({keys, c.heads, c.value_width})};
  if (!c.bias.empty()) inputs.push_back(make.normal(c.bias));
  Setting setting = make_setting(c.query_segments, c.key_segments, c.options, c.width);
  setting.seed = sample_seed;
  return {.name = c.name,
          .inputs = std::move(inputs),
          .run =
              [c](const TensorList& in) {
                const GeneratorGuard generator{Generator(sample_seed)};
                return TensorList{attention(in[0], in[1], in[2], c.query_segments, c.key_segments, c.options,
                                            in.size() > 3 ? in[3] : Tensor())};
              },
          .reference =
              [setting](const TensorList& in) {
                return TensorList{attention_reference(in[0], in[1], in[2], in.size() > 3 ? in[3] : Tensor(), setting)};
              }};
}

/// A bias of −∞ hides keys; where it hides all of them, the query gives zeros.
Sample hiding_sample(SampleMaker& make) {
  const Segments segments = Segments::from_lengths({3, 2});
  const Tensor hidden =
      reshape(tensor(std::vector<bool>{false, true, false, true, true, true, false, false, true}), {3, 3});
  const auto call = [segments, hidden](const TensorList& in, bool reference) {
    const Tensor bias = masked_fill(in[3], hidden, -infinity);
    if (!reference) return TensorList{attention(in[0], in[1], in[2], segments, segments, {}, bias)};
    return TensorList{
        attention_reference(in[0], in[1], in[2], bias, make_setting(segments, segments, {}, in[0].size(2)))};
  };
  return {.name = "bias of -inf",
          .inputs = {make.normal({5, 2, 3}), make.normal({5, 2, 3}), make.normal({5, 2, 2}), make.normal({2, 3, 3})},
          .run = [call](const TensorList& in) { return call(in, false); },
          .reference = [call](const TensorList& in) { return call(in, true); }};
}

std::vector<Sample> attention_samples(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) samples.push_back(make_sample(make, c));
  samples.push_back(hiding_sample(make));
  // Queries, keys and values side by side, as one projection gives them.
  const Segments segments = Segments::from_lengths({4, 1, 0, 2});
  const auto part = [](const Tensor& packed, std::int64_t i) {
    return slice(packed, 1, 6 * i, 6 * (i + 1)).reshape({packed.size(0), 2, 3});
  };
  samples.push_back({.name = "packed projection",
                     .inputs = {make.normal({7, 18})},
                     .run =
                         [segments, part](const TensorList& in) {
                           return TensorList{
                               attention(part(in[0], 0), part(in[0], 1), part(in[0], 2), segments, segments)};
                         },
                     .reference =
                         [segments, part](const TensorList& in) {
                           return TensorList{attention_reference(part(in[0], 0), part(in[0], 1), part(in[0], 2), {},
                                                                 make_setting(segments, segments, {}, 3))};
                         }});
  return samples;
}

/// The weights by loops over positions, in double.
Tensor naive_weights(const Tensor& query, const Tensor& key, const Tensor& bias, const Setting& setting,
                     std::int64_t segment) {
  const Segments &qs = setting.query_segments, &ks = setting.key_segments;
  const std::int64_t heads = query.size(1), width = query.size(2);
  const auto q = query.to(float64).to_vector<double>(), k = key.to(float64).to_vector<double>();
  const auto b = bias.defined() ? bias.to(float64).to_vector<double>() : std::vector<double>();
  const auto at = [&](const std::vector<double>& x, std::int64_t row, std::int64_t h, std::int64_t p) {
    return x[static_cast<std::size_t>((row * heads + h) * width + p)];
  };
  std::vector<double> weights;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < qs.length(segment); ++i) {
      std::vector<double> row;
      double total = 0;
      for (std::int64_t j = 0; j < ks.length(segment); ++j) {
        double score = 0;
        for (std::int64_t p = 0; p < width; ++p)
          score += at(q, qs.begin(segment) + i, h, p) * at(k, ks.begin(segment) + j, h, p);
        score *= setting.scale;
        if (bias.defined())
          score += b[static_cast<std::size_t>(((bias.size(0) > 1 ? h : 0) * bias.size(1) + i) * bias.size(2) + j)];
        const bool seen = j >= i - setting.left && j <= i + setting.right;
        row.push_back(seen ? std::exp(score) : 0.0);
        total += row.back();
      }
      for (const double weight : row) weights.push_back(total > 0 ? weight / total : 0.0);
    }
  }
  return tensor(weights, {heads, qs.length(segment), ks.length(segment)}).to(query.dtype());
}

std::vector<Sample> attention_weights_samples(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) {
    for (std::int64_t segment = 0; segment < c.query_segments.count(); ++segment) {
      TensorList inputs = {make.normal({c.query_segments.rows(), c.heads, c.width}),
                           make.normal({c.key_segments.rows(), c.heads, c.width})};
      if (!c.bias.empty()) inputs.push_back(make.normal(c.bias));
      samples.push_back(
          {.name = c.name + ", segment " + std::to_string(segment),
           .inputs = std::move(inputs),
           .run =
               [c, segment](const TensorList& in) {
                 return TensorList{attention_weights(in[0], in[1], c.query_segments, c.key_segments, segment, c.options,
                                                     in.size() > 2 ? in[2] : Tensor())};
               },
           .reference =
               [c, segment](const TensorList& in) {
                 return TensorList{naive_weights(in[0], in[1], in.size() > 2 ? in[2] : Tensor(),
                                                 make_setting(c.query_segments, c.key_segments, c.options, c.width),
                                                 segment)};
               }});
    }
  }
  return samples;
}

std::vector<ErrorSample> attention_errors() {
  const Segments two = Segments::from_lengths({1, 2});
  const auto call = [two](const Tensor& query, const Tensor& key, const Tensor& value, AttentionOptions options = {},
                          const Tensor& bias = {}) {
    return [=] { attention(query, key, value, two, two, options, bias); };
  };
  const Tensor x = zeros({3, 2, 4});
  return {
      {"rank", call(zeros({3, 8}), x, x), ErrorKind::shape, "query has the wrong rank; got (3, 8)"},
      {"integers", call(zeros({3, 2, 4}, int64), x, x), ErrorKind::dtype, "attention: needs floating point"},
      {"mixed dtypes", call(x, zeros({3, 2, 4}, float64), x), ErrorKind::dtype, "got float64; expected float32"},
      {"rows", call(x, zeros({4, 2, 4}), x), ErrorKind::shape, "rows of the key do not fit its segments"},
      {"no width", call(zeros({3, 2, 0}), zeros({3, 2, 0}), x), ErrorKind::shape, "no width"},
      {"widths", call(x, zeros({3, 2, 5}), x), ErrorKind::shape, "query (3, 2, 4) and key (3, 2, 5)"},
      {"value's heads", call(x, x, zeros({3, 1, 4})), ErrorKind::shape, "different numbers of heads"},
      {"counts of segments", [x, two] { attention(x, x, x, two, Segments::single(3)); }, ErrorKind::shape,
       "different numbers of segments; got 2 and 1"},
      {"window", call(x, x, x, AttentionOptions::window(-1, 0)), ErrorKind::argument, "got left -1"},
      {"dropout", call(x, x, x, {.dropout = 1.5}), ErrorKind::argument, "dropout is not a probability; got 1.5"},
      {"scale", call(x, x, x, {.scale = infinity}), ErrorKind::argument, "scale is infinite"},
      {"bias's shape", call(x, x, x, {}, zeros({2, 1, 2})), ErrorKind::shape, "expected (2 or 1, ≥ 2, ≥ 2)"},
      {"bias's dtype", call(x, x, x, {}, zeros({2, 2, 2}, float64)), ErrorKind::dtype, "bias has another dtype"},
  };
}

std::vector<ErrorSample> attention_weights_errors() {
  const Tensor x = zeros({3, 2, 4});
  return {{"no such segment", [x] { attention_weights(x, x, Segments::single(3), Segments::single(3), 1); },
           ErrorKind::argument, "attention_weights: there is no such segment; got 1"},
          {"rows", [x] { attention_weights(x, x, Segments::single(2), Segments::single(3), 0); }, ErrorKind::shape,
           "rows of the query do not fit its segments"}};
}

const OpInfo attention_info{"attention", "softmax(scale · Q Kᵀ + bias) V in each segment and head", true,
                            attention_samples, attention_errors};
const OpInfo attention_weights_info{"attention_weights", "softmax(scale · Q Kᵀ + bias) of one segment", false,
                                    attention_weights_samples, attention_weights_errors};

}  // namespace

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const Segments& query_segments,
                 const Segments& key_segments, const AttentionOptions& options, const Tensor& bias) {
  check_scores("attention", query, key, query_segments, key_segments, options, bias);
  check_operand("attention", "value", value, query.dtype(), key_segments);
  if (value.size(1) != query.size(1))
    fail(ErrorKind::shape, "attention: query and value have different numbers of heads; got query {} and value {}",
         query.shape(), value.shape());
  Setting setting = make_setting(query_segments, key_segments, options, query.size(2));
  if (setting.dropout > 0) {
    const RandomStream stream(default_generator());
    setting.seed = stream.seed();
    setting.stream = stream.stream();
  }
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
    TensorList saved = {q, k, v, y, logsumexp};
    if (has_bias) saved.push_back(b);
    return Gradient{
        .saved = std::move(saved),
        .backward = [setting, has_bias](
                        const BackwardContext& context) { return attention_backward(context, setting, has_bias); },
        .reference =
            [setting](const TensorList& in) {
              return TensorList{attention_reference(in[0], in[1], in[2], in.size() > 3 ? in[3] : Tensor(), setting)};
            }};
  });
}

Tensor attention_weights(const Tensor& query, const Tensor& key, const Segments& query_segments,
                         const Segments& key_segments, std::int64_t segment, const AttentionOptions& options,
                         const Tensor& bias) {
  check_scores("attention_weights", query, key, query_segments, key_segments, options, bias);
  if (segment < 0 || segment >= query_segments.count())
    fail(ErrorKind::argument, "attention_weights: there is no such segment; got {}; expected 0 … {}", segment,
         query_segments.count() - 1);
  const NoGradGuard no_grad;
  const std::int64_t queries = query_segments.length(segment), keys = key_segments.length(segment);
  if (queries == 0 || keys == 0)
    return record_constant(attention_weights_info, zeros({query.size(1), queries, keys}, query.dtype()));
  return record_constant(
      attention_weights_info,
      reference_weights(query, key, bias, make_setting(query_segments, key_segments, options, query.size(2)), segment)
          .contiguous());
}

OpList attention_ops() { return {&attention_info, &attention_weights_info}; }

}  // namespace saw
