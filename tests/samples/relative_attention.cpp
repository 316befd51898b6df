#include <algorithm>
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
constexpr std::size_t value_input = 2;

/// Attention by loops, from query, key, positions, content bias, position bias.
NaiveAttention naive_relative_attention(const TensorList& in, const Segments& segments,
                                        const AttentionOptions& options) {
  const HeadValues q(in[0]), k(in[1]), r(in[2]), u(in[3].unsqueeze(0)), v(in[4].unsqueeze(0));
  const std::int64_t width = in[0].size(2), zero = in[2].size(0) / 2;
  const auto score = [=](std::int64_t s, std::int64_t h, std::int64_t i, std::int64_t j) {
    const std::int64_t row = segments.begin(s);
    double sum = 0;
    for (std::int64_t p = 0; p < width; ++p)
      sum += (q(row + i, h, p) + u(0, h, p)) * k(row + j, h, p) +
             (q(row + i, h, p) + v(0, h, p)) * r(zero - (i - j), h, p);
    return sum * scale_of(options, width);
  };
  return {segments, segments, in[0].size(1), options, score};
}

/// The op's output for its six operands.
Tensor naive_output(TensorList in, const Segments& segments, const AttentionOptions& options) {
  const Tensor value = in[value_input];
  in.erase(in.begin() + value_input);
  return naive_relative_attention(in, segments, options).output(value, sample_seed);
}

struct Case {
  std::string name;
  Segments segments;
  std::int64_t heads = 1, width = 4, value_width = 4;
  std::int64_t longer = 0;  // how much longer than the longest segment the positions allow for
  AttentionOptions options = {};
};

std::vector<Case> cases() {
  const Segments ragged = Segments::from_lengths({3, 0, 1, 5});
  return {
      {"ragged", ragged, 2, 5, 3},
      {"positions for longer segments", ragged, 2, 4, 4, 2},
      {"causal", ragged, 2, 4, 4, 0, AttentionOptions::causal()},
      {"window", ragged, 1, 3, 4, 1, AttentionOptions::window(1, 2)},
      {"each position by itself", ragged, 2, 3, 2, 0, AttentionOptions::window(0, 0)},
      {"past hidden, scale", ragged, 1, 4, 4, 0, {.left = 0, .scale = -0.3}},
      {"dropout", ragged, 2, 4, 4, 0, {.right = 2, .dropout = 0.4}},
      {"dropout of everything", ragged, 1, 2, 2, 0, {.dropout = 1.0}},
      {"longer than a block of a product", Segments::from_lengths({11}), 1, 2, 2},
      {"width 1", Segments::from_lengths({4, 1}), 3, 1, 1},
      {"no rows", Segments::from_lengths({0, 0}), 2, 3, 3, 2},
      {"no segments", Segments(), 1, 2, 2, 1},
  };
}

TensorList make_inputs(SampleMaker& make, const Case& c) {
  const std::int64_t rows = c.segments.rows(), length = std::max<std::int64_t>(1, c.segments.max_length() + c.longer);
  return {make.normal({rows, c.heads, c.width}),
          make.normal({rows, c.heads, c.width}),
          make.normal({rows, c.heads, c.value_width}),
          make.normal({2 * length - 1, c.heads, c.width}),
          make.normal({c.heads, c.width}),
          make.normal({c.heads, c.width})};
}

std::vector<Sample> samples_of_relative_attention(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) {
    samples.push_back(
        {.name = c.name,
         .inputs = make_inputs(make, c),
         .run =
             [c](const TensorList& in) {
               const GeneratorGuard generator{Generator(sample_seed)};
               return TensorList{relative_attention(in[0], in[1], in[2], in[3], in[4], in[5], c.segments, c.options)};
             },
         .reference = [c](const TensorList& in) { return TensorList{naive_output(in, c.segments, c.options)}; }});
  }
  // Queries, keys and values side by side, as one projection gives them, and one tensor for both biases.
  const Segments segments = Segments::from_lengths({4, 1, 0, 2});
  const auto operands = [](const TensorList& in) {
    const auto part = [&](std::int64_t i) { return slice(in[0], 1, 6 * i, 6 * (i + 1)).reshape({7, 2, 3}); };
    return TensorList{part(0), part(1), part(2), in[1], in[2], in[2]};
  };
  samples.push_back(
      {.name = "packed projection, one bias",
       .inputs = {make.normal({7, 18}), make.normal({7, 2, 3}), make.normal({2, 3})},
       .run =
           [segments, operands](const TensorList& in) {
             const TensorList o = operands(in);
             return TensorList{relative_attention(o[0], o[1], o[2], o[3], o[4], o[5], segments)};
           },
       .reference = [segments,
                     operands](const TensorList& in) { return TensorList{naive_output(operands(in), segments, {})}; }});
  return samples;
}

std::vector<Sample> samples_of_relative_attention_weights(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) {
    for (std::int64_t segment = 0; segment < c.segments.count(); ++segment) {
      TensorList inputs = make_inputs(make, c);
      inputs.erase(inputs.begin() + value_input);
      samples.push_back(
          {.name = c.name + ", segment " + std::to_string(segment),
           .inputs = std::move(inputs),
           .run =
               [c, segment](const TensorList& in) {
                 return TensorList{
                     relative_attention_weights(in[0], in[1], in[2], in[3], in[4], c.segments, segment, c.options)};
               },
           .reference =
               [c, segment](const TensorList& in) {
                 const std::int64_t length = c.segments.length(segment);
                 return TensorList{tensor(naive_relative_attention(in, c.segments, c.options).weights(segment),
                                          {c.heads, length, length})
                                       .to(in[0].dtype())};
               }});
    }
  }
  return samples;
}

std::vector<ErrorSample> relative_attention_errors() {
  const Segments two = Segments::from_lengths({1, 2});
  struct Operands {
    Tensor query = zeros({3, 2, 4}), key = zeros({3, 2, 4}), value = zeros({3, 2, 5}), positions = zeros({3, 2, 4}),
           content_bias = zeros({2, 4}), position_bias = zeros({2, 4});
    AttentionOptions options = {};
  };
  const auto call = [two](const Operands& o) {
    return [=] {
      relative_attention(o.query, o.key, o.value, o.positions, o.content_bias, o.position_bias, two, o.options);
    };
  };
  return {
      {"rank", call({.query = zeros({3, 8})}), ErrorKind::shape, "query has the wrong rank; got (3, 8)"},
      {"integers", call({.query = zeros({3, 2, 4}, int64)}), ErrorKind::dtype,
       "relative_attention: needs floating point"},
      {"mixed dtypes", call({.positions = zeros({3, 2, 4}, float64)}), ErrorKind::dtype,
       "positions has another dtype than the query; got float64; expected float32"},
      {"value's dtype", call({.value = zeros({3, 2, 5}, float64)}), ErrorKind::dtype, "value has another dtype"},
      {"rows", call({.value = zeros({4, 2, 5})}), ErrorKind::shape, "rows of the value do not fit its segments"},
      {"no width", call({.query = zeros({3, 2, 0})}), ErrorKind::shape, "no width"},
      {"widths", call({.key = zeros({3, 2, 5})}), ErrorKind::shape, "query (3, 2, 4) and key (3, 2, 5)"},
      {"value's heads", call({.value = zeros({3, 1, 4})}), ErrorKind::shape, "different numbers of heads"},
      {"even number of positions", call({.positions = zeros({4, 2, 4})}), ErrorKind::shape,
       "positions do not fit; got (4, 2, 4); expected an odd number of rows"},
      {"too few positions", call({.positions = zeros({1, 2, 4})}), ErrorKind::shape, "≥ 3"},
      {"positions' heads", call({.positions = zeros({3, 1, 4})}), ErrorKind::shape, "(rows, 2, 4)"},
      {"content bias", call({.content_bias = zeros({8})}), ErrorKind::shape, "content_bias does not fit; got (8,)"},
      {"position bias", call({.position_bias = zeros({2, 3})}), ErrorKind::shape, "expected (2, 4): heads, width"},
      {"window", call({.options = AttentionOptions::window(0, -2)}), ErrorKind::argument, "got left 0 and right -2"},
      {"dropout", call({.options = {.dropout = -0.5}}), ErrorKind::argument, "dropout is not a probability; got -0.5"},
      {"query_offsets", call({.options = {.query_offsets = {1, 1}}}), ErrorKind::argument,
       "takes neither query_offsets nor alibi_slopes"},
      {"scale", call({.options = {.scale = infinity}}), ErrorKind::argument, "scale is infinite"},
  };
}

std::vector<ErrorSample> relative_attention_weights_errors() {
  const Tensor x = zeros({3, 2, 4}), positions = zeros({5, 2, 4}), bias = zeros({2, 4});
  return {{"no such segment", [=] { relative_attention_weights(x, x, positions, bias, bias, Segments::single(3), 1); },
           ErrorKind::argument, "relative_attention_weights: there is no such segment; got 1; expected 0 … 0"},
          {"rows", [=] { relative_attention_weights(x, x, positions, bias, bias, Segments::single(2), 0); },
           ErrorKind::shape, "rows of the query do not fit its segments"}};
}

}  // namespace

SampleList relative_attention_samples() {
  return {{"relative_attention", samples_of_relative_attention, relative_attention_errors},
          {"relative_attention_weights", samples_of_relative_attention_weights, relative_attention_weights_errors}};
}

}  // namespace samples
