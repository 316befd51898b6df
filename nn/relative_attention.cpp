#include "saw/nn/relative_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/internal/checked_sizes.h"
#include "saw/nn/internal/last_rows.h"

namespace saw::nn {
namespace {

RelativeMultiHeadAttentionOptions checked(std::int64_t width, std::int64_t heads,
                                          const RelativeMultiHeadAttentionOptions& options) {
  checked_positive("RelativeMultiHeadAttention", "the width", width);
  checked_positive("RelativeMultiHeadAttention", "the number of heads", heads);
  if (width % heads != 0)
    fail(ErrorKind::argument, "RelativeMultiHeadAttention: the heads must divide the width; got width {} and {} heads",
         width, heads);
  checked_probability("RelativeMultiHeadAttention", "dropout", options.dropout);
  if (options.attention.dropout != 0.0)
    fail(ErrorKind::argument,
         "RelativeMultiHeadAttention: attention.dropout is set by the layer; got {}; set dropout, which is off in "
         "evaluation",
         options.attention.dropout);
  return options;
}

}  // namespace

Tensor relative_positions(std::int64_t length, std::int64_t width, DType dtype) {
  checked_positive("relative_positions", "the length", length);
  checked_size("relative_positions", "the width", width);
  Tensor result = Tensor::empty({2 * length - 1, width}, dtype);
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < width; i += 2)
    frequencies.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(width)));

  dispatch_floating("relative_positions", dtype, [&]<class T>() {
    // Distances k and −k differ in the sign of the sine alone.
    T* zero = result.mutable_data<T>() + (length - 1) * width;
    parallel_for(0, length, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        T *past = zero - k * width, *future = zero + k * width;
        for (std::int64_t i = 0; i < width; ++i) {
          const double angle = static_cast<double>(k) * frequencies[static_cast<std::size_t>(i / 2)];
          const auto value = static_cast<T>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
          future[i] = i % 2 == 0 ? -value : value;
          past[i] = value;
        }
      }
    });
  });
  return result;
}

RelativeMultiHeadAttention::RelativeMultiHeadAttention(std::int64_t width, std::int64_t heads,
                                                       const RelativeMultiHeadAttentionOptions& options)
    : width_(width),
      heads_(heads),
      options_(checked(width, heads, options)),
      in_proj_weight_(param("in_proj_weight", {3 * width, width}, init::xavier_uniform())),
      in_proj_bias_(param_if(options_.bias, "in_proj_bias", {3 * width}, init::zeros())),
      out_proj_(child<Linear>("out_proj", width, width, LinearOptions{.bias = options_.bias})),
      linear_pos_(child<Linear>("linear_pos", width, width, LinearOptions{.bias = false})),
      pos_bias_u_(param("pos_bias_u", {heads, width / heads}, init::xavier_uniform())),
      pos_bias_v_(param("pos_bias_v", {heads, width / heads}, init::xavier_uniform())) {
  if (options_.bias) init::zeros(out_proj_.bias);
}

Tensor RelativeMultiHeadAttention::encodings(std::int64_t length, DType dtype) const {
  const std::lock_guard lock(encodings_mutex_);
  std::int64_t longest = encodings_.defined() && encodings_.dtype() == dtype ? (encodings_.size(0) + 1) / 2 : 0;
  if (longest < length) {
    // By powers of two, so that batches of ever longer sequences do not compute it anew each time.
    for (longest = std::max<std::int64_t>(longest, 64); longest < length;) longest *= 2;
    encodings_ = relative_positions(longest, width_, dtype);
  }
  return encodings_.slice(0, longest - length, longest + length - 1);
}

RelativeMultiHeadAttention::Projected RelativeMultiHeadAttention::project(const Tensor& x, const Segments& segments,
                                                                          std::int64_t length) const {
  if (x.rank() != 2 || x.size(0) != segments.rows() || x.size(1) != width_)
    fail(ErrorKind::shape, "RelativeMultiHeadAttention: the input does not fit; got {}; expected ({}, {}) for {}",
         x.shape(), segments.rows(), width_, segments);
  const auto split_heads = [&](const Tensor& rows) { return rows.reshape({rows.size(0), heads_, width_ / heads_}); };
  const TensorList parts =
      split(linear(x, in_proj_weight_, in_proj_bias_), width_, 1);  // 3 views (N, width) of (N, 3·width)
  return {split_heads(parts[0]), split_heads(parts[1]), split_heads(parts[2]),
          split_heads(linear_pos_.forward(encodings(std::max<std::int64_t>(1, length), x.dtype())))};
}

Tensor RelativeMultiHeadAttention::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const Projected p = project(x, segments, segments.max_length());
  AttentionOptions options = options_.attention;
  options.dropout = is_training() ? options_.dropout : 0.0;
  const Tensor heads = relative_attention(p.query, p.key, p.value, p.positions, pos_bias_u_, pos_bias_v_, segments,
                                          options);                                // (N, heads, d)
  return scope.output(out_proj_.forward(heads.reshape({heads.size(0), width_})));  // (N, width)
}

Tensor RelativeMultiHeadAttention::step(const Tensor& x, const Segments& segments, KeysAndValues& past) const {
  const auto scope = enter_beside_forward();
  if (options_.attention.right != 0)
    fail(ErrorKind::argument,
         "RelativeMultiHeadAttention: a step cannot look ahead; got a window that reaches {} rows to the right; "
         "expected 0",
         options_.attention.right);
  std::int64_t longest = segments.max_length();
  if (past.key.defined())
    for (std::int64_t b = 0; b < std::min(segments.count(), past.segments.count()); ++b)
      longest = std::max(longest, past.segments.length(b) + segments.length(b));
  const Projected p = project(x, segments, longest);
  KeysAndValues queries{p.query, p.query, segments};
  const KeysAndValues now{p.key, p.value, segments};
  if (past.key.defined()) {
    // The rows of the past ask nothing any more: they are there as queries, because the op pairs queries with keys, and
    // what comes out for them is left out below.
    const Tensor silent = zeros(past.key.shape(), past.key.dtype());
    queries = KeysAndValues{silent, silent, past.segments}.append(queries);
    past = past.append(now);
  } else {
    past = now;
  }
  AttentionOptions options = options_.attention;
  options.dropout = is_training() ? options_.dropout : 0.0;
  const Tensor all = relative_attention(queries.key, past.key, past.value, p.positions, pos_bias_u_, pos_bias_v_,
                                        past.segments, options);
  const Tensor heads = last_rows(all, past.segments, segments);  // (N, heads, d)
  past = past.last(options.left);
  return out_proj_.forward(heads.reshape({heads.size(0), width_}));
}

Tensor RelativeMultiHeadAttention::weights(const Tensor& x, const Segments& segments, std::int64_t segment) const {
  const auto scope = enter_beside_forward();
  const NoGradGuard no_grad;
  const Projected p = project(x, segments, segments.max_length());
  return relative_attention_weights(p.query, p.key, p.positions, pos_bias_u_, pos_bias_v_, segments, segment,
                                    options_.attention);
}

}  // namespace saw::nn
