#include "saw/autograd/ops/relative_attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/kernels/relative_attention.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/attention_options.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The operands in the order of the op's inputs.
enum Operand : std::size_t { query_input, key_input, value_input, positions_input, content_input, position_input };

/// The options as the kernels take them, with the random stream that this call drew.
struct Setting {
  Segments segments;
  std::int64_t left, right;
  double scale;
  double dropout;
  std::uint64_t seed = 0, stream = 0;
};

Setting make_setting(const Segments& segments, const AttentionOptions& options, std::int64_t width) {
  // Beyond every sequence, and far from overflow when positions are added.
  constexpr std::int64_t everything = std::int64_t{1} << 48;
  return {.segments = segments,
          .left = std::min(options.left, everything),
          .right = std::min(options.right, everything),
          .scale = std::isnan(options.scale) ? 1.0 / std::sqrt(static_cast<double>(width)) : options.scale,
          .dropout = options.dropout};
}

/// Softmax of scores (heads, T, T) where the window hides some.
Tensor windowed_softmax(Tensor scores, const Setting& setting) {
  const std::int64_t length = scores.size(-1);
  std::vector<bool> hidden;
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t j = 0; j < length; ++j) hidden.push_back(j < i - setting.left || j > i + setting.right);
  if (std::find(hidden.begin(), hidden.end(), true) != hidden.end())
    scores = masked_fill(scores, reshape(tensor(hidden), {length, length}), -infinity);
  return softmax(scores, -1);
}

/// The rows of x that a segment owns, heads first: (heads, T, width).
Tensor rows_of(const Tensor& x, const Setting& setting, std::int64_t segment) {
  return transpose(slice(x, 0, setting.segments.begin(segment), setting.segments.end(segment)), 0, 1);
}

/// x + a bias (heads, d) for x (heads, T, d).
Tensor with_bias(const Tensor& x, const Tensor& bias) { return x + reshape(bias, {bias.size(0), 1, bias.size(1)}); }

// ---- reference ----

/// The weights of one segment, (heads, T, T), by the definition: r_{i−j} is looked up for every pair.
Tensor reference_weights(const TensorList& in, const Setting& setting, std::int64_t segment) {
  const std::int64_t length = setting.segments.length(segment), zero = in[positions_input].size(0) / 2;
  const std::int64_t heads = in[query_input].size(1), width = in[query_input].size(2);
  const Tensor q = rows_of(in[query_input], setting, segment), k = rows_of(in[key_input], setting, segment);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t j = 0; j < length; ++j) rows.push_back(zero - (i - j));
  const Tensor r = permute(reshape(index_select(in[positions_input], 0, tensor(rows)), {length, length, heads, width}),
                           {2, 0, 1, 3});  // (heads, i, j, d)
  const Tensor content = matmul(with_bias(q, in[content_input]), transpose(k, 1, 2));
  const Tensor v = reshape(with_bias(q, in[position_input]), {heads, length, 1, width});
  return windowed_softmax((content + sum(v * r, {-1})) * setting.scale, setting);
}

/// What dropout multiplies the weights of one segment by: (heads, T, T).
Tensor dropout_factors(const Setting& setting, std::int64_t segment, std::int64_t heads, DType dtype) {
  const std::int64_t begin = setting.segments.begin(segment), length = setting.segments.length(segment);
  const double kept = setting.dropout < 1 ? 1 / (1 - setting.dropout) : 0.0;
  std::vector<double> factors;
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < length; ++i)
      for (std::int64_t j = 0; j < length; ++j)
        factors.push_back(kernels::attention_kept(begin + i, heads, h, j, setting.dropout, setting.seed, setting.stream)
                              ? kept
                              : 0.0);
  return tensor(factors, {heads, length, length}).to(dtype);
}

Tensor relative_attention_reference(const TensorList& in, const Setting& setting) {
  const Tensor &query = in[query_input], &value = in[value_input];
  TensorList parts = {zeros({0, value.size(1), value.size(2)}, query.dtype())};
  for (std::int64_t s = 0; s < setting.segments.count(); ++s) {
    if (setting.segments.length(s) == 0) continue;
    Tensor weights = reference_weights(in, setting, s);
    if (setting.dropout > 0) weights = weights * dropout_factors(setting, s, query.size(1), query.dtype());
    parts.push_back(transpose(matmul(weights, rows_of(value, setting, s)), 0, 1));
  }
  return cat(parts, 0);  // (N, heads, dv)
}

// ---- checks ----

void check_dtype(const char* op, const char* name, const Tensor& x, DType dtype) {
  if (x.dtype() != dtype)
    fail(ErrorKind::dtype, "{}: {} has another dtype than the query; got {}; expected {}", op, name,
         to_string(x.dtype()), to_string(dtype));
}

void check_rows(const char* op, const char* name, const Tensor& x, const Segments& segments) {
  if (x.rank() != 3)
    fail(ErrorKind::shape, "{}: {} has the wrong rank; got {}; expected (rows, heads, width)", op, name, x.shape());
  if (x.size(0) != segments.rows())
    fail(ErrorKind::shape, "{}: rows of the {} do not fit the segments; got {}; expected {} rows", op, name, x.shape(),
         segments.rows());
}

void check_scores(const char* op, const Tensor& query, const Tensor& key, const Tensor& positions,
                  const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                  const AttentionOptions& options) {
  dispatch_floating(op, query.dtype(), []<class T>() {});
  check_dtype(op, "key", key, query.dtype());
  check_dtype(op, "positions", positions, query.dtype());
  check_dtype(op, "content_bias", content_bias, query.dtype());
  check_dtype(op, "position_bias", position_bias, query.dtype());
  check_rows(op, "query", query, segments);
  check_rows(op, "key", key, segments);
  const std::int64_t heads = query.size(1), width = query.size(2);
  if (width == 0) fail(ErrorKind::shape, "{}: query has no width; got {}", op, query.shape());
  if (key.shape() != query.shape())
    fail(ErrorKind::shape, "{}: query and key differ in shape; got query {} and key {}", op, query.shape(),
         key.shape());
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
}

// ---- kernel ----

/// x, or a copy of it where the elements of a row are not side by side.
Tensor with_contiguous_width(const Tensor& x) {
  if (x.size(-1) <= 1 || x.strides().back() == 1) return x;
  return x.detach().contiguous();
}

template <class T>
kernels::HeadRows<const T> head_rows(const Tensor& x) {
  return {x.data<T>(), x.strides()[0], x.strides()[1]};
}

/// For operands with contiguous width, and contiguous biases.
template <class T>
kernels::RelativeAttentionProblem<T> make_problem(const TensorList& in, const Setting& setting) {
  const Tensor &query = in[query_input], &positions = in[positions_input];
  return {.offsets = setting.segments.offsets(),
          .heads = query.size(1),
          .width = query.size(2),
          .value_width = in[value_input].size(2),
          .query = head_rows<T>(query),
          .key = head_rows<T>(in[key_input]),
          .value = head_rows<T>(in[value_input]),
          .positions = head_rows<T>(positions),
          .reach = positions.size(0) / 2,
          .content_bias = in[content_input].data<T>(),
          .position_bias = in[position_input].data<T>(),
          .left = setting.left,
          .right = setting.right,
          .scale = static_cast<T>(setting.scale),
          .dropout = setting.dropout,
          .seed = setting.seed,
          .stream = setting.stream};
}

/// Gradients of all operands; saved: those, the output and the logsumexp.
TensorList relative_attention_backward(const BackwardContext& context, const Setting& setting) {
  constexpr std::size_t operands = position_input + 1;
  TensorList in, gradients(operands);
  for (std::size_t i = 0; i < operands; ++i) {
    in.push_back(context.saved(i));
    if (context.needs_grad(i)) gradients[i] = Tensor::empty(in[i].shape(), in[i].dtype());
  }
  const Tensor output = context.saved(operands), logsumexp = context.saved(operands + 1);
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

// ---- registry ----

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

constexpr std::uint64_t sample_seed = 11;

std::vector<Sample> relative_attention_samples(SampleMaker& make) {
  std::vector<Sample> samples;
  for (const Case& c : cases()) {
    Setting setting = make_setting(c.segments, c.options, c.width);
    setting.seed = sample_seed;
    samples.push_back(
        {.name = c.name,
         .inputs = make_inputs(make, c),
         .run =
             [c](const TensorList& in) {
               const GeneratorGuard generator{Generator(sample_seed)};
               return TensorList{relative_attention(in[0], in[1], in[2], in[3], in[4], in[5], c.segments, c.options)};
             },
         .reference =
             [setting](const TensorList& in) { return TensorList{relative_attention_reference(in, setting)}; }});
  }
  // Queries, keys and values side by side, as one projection gives them, and one tensor for both biases.
  const Segments segments = Segments::from_lengths({4, 1, 0, 2});
  const auto operands = [](const TensorList& in) {
    const auto part = [&](std::int64_t i) { return slice(in[0], 1, 6 * i, 6 * (i + 1)).reshape({7, 2, 3}); };
    return TensorList{part(0), part(1), part(2), in[1], in[2], in[2]};
  };
  samples.push_back({.name = "packed projection, one bias",
                     .inputs = {make.normal({7, 18}), make.normal({7, 2, 3}), make.normal({2, 3})},
                     .run =
                         [segments, operands](const TensorList& in) {
                           const TensorList o = operands(in);
                           return TensorList{relative_attention(o[0], o[1], o[2], o[3], o[4], o[5], segments)};
                         },
                     .reference =
                         [segments, operands](const TensorList& in) {
                           return TensorList{relative_attention_reference(operands(in), make_setting(segments, {}, 3))};
                         }});
  return samples;
}

std::vector<Sample> relative_attention_weights_samples(SampleMaker& make) {
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
               [c, segment](TensorList in) {
                 in.insert(in.begin() + value_input, Tensor());
                 return TensorList{reference_weights(in, make_setting(c.segments, c.options, c.width), segment)};
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
      {"rows", call({.value = zeros({4, 2, 5})}), ErrorKind::shape, "rows of the value do not fit the segments"},
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
      {"scale", call({.options = {.scale = infinity}}), ErrorKind::argument, "scale is infinite"},
  };
}

std::vector<ErrorSample> relative_attention_weights_errors() {
  const Tensor x = zeros({3, 2, 4}), positions = zeros({5, 2, 4}), bias = zeros({2, 4});
  return {{"no such segment", [=] { relative_attention_weights(x, x, positions, bias, bias, Segments::single(3), 1); },
           ErrorKind::argument, "relative_attention_weights: there is no such segment; got 1; expected 0 … 0"},
          {"rows", [=] { relative_attention_weights(x, x, positions, bias, bias, Segments::single(2), 0); },
           ErrorKind::shape, "rows of the query do not fit the segments"}};
}

const OpInfo relative_attention_info{
    "relative_attention", "softmax(scale · ((q_i + u) · k_j + (q_i + v) · r_{i−j})) V in each segment and head", true,
    relative_attention_samples, relative_attention_errors};
const OpInfo relative_attention_weights_info{
    "relative_attention_weights", "softmax(scale · ((q_i + u) · k_j + (q_i + v) · r_{i−j})) of one segment", false,
    relative_attention_weights_samples, relative_attention_weights_errors};

}  // namespace

Tensor relative_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& positions,
                          const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                          const AttentionOptions& options) {
  constexpr const char* op = "relative_attention";
  check_scores(op, query, key, positions, content_bias, position_bias, segments, options);
  check_dtype(op, "value", value, query.dtype());
  check_rows(op, "value", value, segments);
  if (value.size(1) != query.size(1))
    fail(ErrorKind::shape, "{}: query and value have different numbers of heads; got query {} and value {}", op,
         query.shape(), value.shape());
  Setting setting = make_setting(segments, options, query.size(2));
  if (setting.dropout > 0) {
    const RandomStream stream(default_generator());
    setting.seed = stream.seed();
    setting.stream = stream.stream();
  }
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
    return Gradient{
        .saved = std::move(saved),
        .backward = [setting](const BackwardContext& context) { return relative_attention_backward(context, setting); },
        .reference =
            [setting](const TensorList& inputs) { return TensorList{relative_attention_reference(inputs, setting)}; }};
  });
}

Tensor relative_attention_weights(const Tensor& query, const Tensor& key, const Tensor& positions,
                                  const Tensor& content_bias, const Tensor& position_bias, const Segments& segments,
                                  std::int64_t segment, const AttentionOptions& options) {
  constexpr const char* op = "relative_attention_weights";
  check_scores(op, query, key, positions, content_bias, position_bias, segments, options);
  if (segment < 0 || segment >= segments.count())
    fail(ErrorKind::argument, "{}: there is no such segment; got {}; expected 0 … {}", op, segment,
         segments.count() - 1);
  const NoGradGuard no_grad;
  const Setting setting = make_setting(segments, options, query.size(2));
  const std::int64_t heads = query.size(1), length = segments.length(segment), zero = positions.size(0) / 2;
  if (length == 0) return record_constant(relative_attention_weights_info, zeros({heads, 0, 0}, query.dtype()));
  const Tensor q = rows_of(query, setting, segment), k = rows_of(key, setting, segment);
  const Tensor r = slice(positions, 0, zero + 1 - length, zero + length);  // (2T − 1, heads, d), r₀ in row T − 1
  std::vector<std::int64_t> columns;
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t j = 0; j < length; ++j) columns.push_back(length - 1 - (i - j));
  const Tensor index = expand(tensor(columns).reshape({1, length, length}), {heads, length, length});
  const Tensor content = matmul(with_bias(q, content_bias), transpose(k, 1, 2));
  const Tensor by_distance = matmul(with_bias(q, position_bias), permute(r, {1, 2, 0}));  // (heads, T, 2T − 1)
  return record_constant(relative_attention_weights_info,
                         windowed_softmax((content + gather(by_distance, 2, index)) * setting.scale, setting));
}

OpList relative_attention_ops() { return {&relative_attention_info, &relative_attention_weights_info}; }

}  // namespace saw
