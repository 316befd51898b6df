#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "samples/attention_oracle.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::uint64_t sample_seed = 11;

/// Attention by loops; the bias may be undefined.
NaiveAttention naive_attention(const Tensor& query, const Tensor& key, const Tensor& bias,
                               const Segments& query_segments, const Segments& key_segments,
                               const AttentionOptions& options) {
  const HeadValues q(query), k(key);
  const auto b = bias.defined() ? bias.detach().to(float64).to_vector<double>() : std::vector<double>();
  const Shape shape = bias.defined() ? bias.shape() : Shape{};
  const std::int64_t width = query.size(2);
  const auto score = [=](std::int64_t s, std::int64_t h, std::int64_t i, std::int64_t j) {
    double sum = 0;
    for (std::int64_t p = 0; p < width; ++p)
      sum += q(query_segments.begin(s) + i, h, p) * k(key_segments.begin(s) + j, h, p);
    sum *= scale_of(options, width);
    if (!b.empty()) sum += b[static_cast<std::size_t>(((shape[0] > 1 ? h : 0) * shape[1] + i) * shape[2] + j)];
    if (!options.alibi_slopes.empty()) {
      const std::int64_t offset =
          options.query_offsets.empty() ? 0 : options.query_offsets[static_cast<std::size_t>(s)];
      sum -= options.alibi_slopes[static_cast<std::size_t>(h)] * std::abs(static_cast<double>(i + offset - j));
    }
    return sum;
  };
  return {query_segments, key_segments, query.size(1), options, score};
}

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
      {"new queries over longer keys, causal", Segments::from_lengths({1, 2, 0, 2}), other, 2, 4, 3,
       AttentionOptions{.right = 0, .query_offsets = {1, 2, 0, 4}}},
      {"new queries in a window, bias",
       Segments::from_lengths({1, 2, 0, 2}),
       other,
       2,
       4,
       3,
       AttentionOptions{.left = 2, .right = 1, .query_offsets = {4, 1, 0, 3}},
       {2, 2, 6}},
      {"linear biases", ragged, other, 2, 4, 4, AttentionOptions{.alibi_slopes = {0.5, 0.25}}},
      {"linear biases, causal, offsets, dropout", ragged, other, 2, 4, 4,
       AttentionOptions{.right = 0, .dropout = 0.3, .query_offsets = {0, 3, 0, 1}, .alibi_slopes = {0.5, 0.0}}},
      {"no rows", Segments::from_lengths({0, 0}), Segments::from_lengths({0, 0}), 2, 3, 3},
      {"no segments", Segments(), Segments(), 1, 2, 2},
  };
}

Sample make_sample(SampleMaker& make, const Case& c) {
  const std::int64_t keys = c.key_segments.rows();
  TensorList inputs = {make.normal({c.query_segments.rows(), c.heads, c.width}), make.normal({keys, c.heads, c.width}),
                       make.normal({keys, c.heads, c.value_width})};
  if (!c.bias.empty()) inputs.push_back(make.normal(c.bias));
  const auto bias_of = [](const TensorList& in) { return in.size() > 3 ? in[3] : Tensor(); };
  return {
      .name = c.name,
      .inputs = std::move(inputs),
      .run =
          [c, bias_of](const TensorList& in) {
            const GeneratorGuard generator{Generator(sample_seed)};
            return TensorList{attention(in[0], in[1], in[2], c.query_segments, c.key_segments, c.options, bias_of(in))};
          },
      .reference =
          [c, bias_of](const TensorList& in) {
            return TensorList{naive_attention(in[0], in[1], bias_of(in), c.query_segments, c.key_segments, c.options)
                                  .output(in[2], sample_seed)};
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
    return TensorList{naive_attention(in[0], in[1], bias, segments, segments, {}).output(in[2], 0)};
  };
  return {.name = "bias of -inf",
          .inputs = {make.normal({5, 2, 3}), make.normal({5, 2, 3}), make.normal({5, 2, 2}), make.normal({2, 3, 3})},
          .run = [call](const TensorList& in) { return call(in, false); },
          .reference = [call](const TensorList& in) { return call(in, true); }};
}

std::vector<Sample> samples_of_attention(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) samples.push_back(make_sample(make, c));
  samples.push_back(hiding_sample(make));
  // Queries, keys and values side by side, as one projection gives them.
  const Segments segments = Segments::from_lengths({4, 1, 0, 2});
  const auto part = [](const Tensor& packed, std::int64_t i) {
    return slice(packed, 1, 6 * i, 6 * (i + 1)).reshape({packed.size(0), 2, 3});
  };
  samples.push_back(
      {.name = "packed projection",
       .inputs = {make.normal({7, 18})},
       .run =
           [segments, part](const TensorList& in) {
             return TensorList{attention(part(in[0], 0), part(in[0], 1), part(in[0], 2), segments, segments)};
           },
       .reference =
           [segments, part](const TensorList& in) {
             return TensorList{
                 naive_attention(part(in[0], 0), part(in[0], 1), {}, segments, segments, {}).output(part(in[0], 2), 0)};
           }});
  return samples;
}

std::vector<Sample> samples_of_attention_weights(SampleMaker& make) {
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
                 const NaiveAttention naive = naive_attention(in[0], in[1], in.size() > 2 ? in[2] : Tensor(),
                                                              c.query_segments, c.key_segments, c.options);
                 return TensorList{tensor(naive.weights(segment),
                                          {c.heads, c.query_segments.length(segment), c.key_segments.length(segment)})
                                       .to(in[0].dtype())};
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
      {"query_offsets, too few", call(x, x, x, {.query_offsets = {3}}), ErrorKind::argument,
       "query_offsets do not fit; got 1; expected one for each segment, that is 2"},
      {"query_offsets, negative", call(x, x, x, {.query_offsets = {0, -1}}), ErrorKind::argument,
       "a query_offset is no position; got -1"},
      {"alibi_slopes, too many", call(x, x, x, {.alibi_slopes = {0.5, 0.25, 0.125}}), ErrorKind::argument,
       "alibi_slopes do not fit; got 3; expected one for each head, that is 2"},
      {"alibi_slopes, infinite", call(x, x, x, {.alibi_slopes = {0.5, infinity}}), ErrorKind::argument,
       "is not finite"},
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

}  // namespace

SampleList attention_samples() {
  return {{"attention", samples_of_attention, attention_errors},
          {"attention_weights", samples_of_attention_weights, attention_weights_errors}};
}

}  // namespace samples
