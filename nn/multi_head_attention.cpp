#include "saw/nn/multi_head_attention.h"

#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

MultiHeadAttentionOptions completed(std::int64_t width, std::int64_t heads, MultiHeadAttentionOptions options) {
  checked_positive("MultiHeadAttention", "the width", width);
  checked_positive("MultiHeadAttention", "the number of heads", heads);
  if (width % heads != 0)
    fail(ErrorKind::argument, "MultiHeadAttention: the heads must divide the width; got width {} and {} heads", width,
         heads);
  checked_probability("MultiHeadAttention", "dropout", options.dropout);
  if (options.attention.dropout != 0.0)
    fail(ErrorKind::argument,
         "MultiHeadAttention: attention.dropout is set by the layer; got {}; set dropout, which is off in evaluation",
         options.attention.dropout);
  if (options.key_width == -1) options.key_width = width;
  if (options.value_width == -1) options.value_width = width;
  checked_positive("MultiHeadAttention", "key_width", options.key_width);
  checked_positive("MultiHeadAttention", "value_width", options.value_width);
  return options;
}

void check_width(const char* what, const Tensor& x, std::int64_t width) {
  if (x.rank() != 2 || x.shape()[1] != width)
    fail(ErrorKind::shape, "MultiHeadAttention: {} does not fit; got {}; expected (N, {})", what, x.shape(), width);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options)
    : width_(width),
      heads_(heads),
      options_(completed(width, heads, options)),
      stacked_(options_.key_width == width && options_.value_width == width),
      in_proj_weight_(param_if(stacked_, "in_proj_weight", {3 * width, width}, init::xavier_uniform())),
      q_proj_weight_(param_if(!stacked_, "q_proj_weight", {width, width}, init::xavier_uniform())),
      k_proj_weight_(param_if(!stacked_, "k_proj_weight", {width, options_.key_width}, init::xavier_uniform())),
      v_proj_weight_(param_if(!stacked_, "v_proj_weight", {width, options_.value_width}, init::xavier_uniform())),
      in_proj_bias_(param_if(options_.bias, "in_proj_bias", {3 * width}, init::zeros())),
      out_proj_(child<Linear>("out_proj", width, width, LinearOptions{.bias = options_.bias})) {
  if (options_.bias) init::zeros(out_proj_.bias);
}

Tensor MultiHeadAttention::split_heads(const Tensor& rows) const {
  return rows.reshape({rows.size(0), heads_, width_ / heads_});  // (N, heads, d), a view
}

AttentionOptions MultiHeadAttention::attention_options() const {
  AttentionOptions options = options_.attention;
  options.dropout = is_training() ? options_.dropout : 0.0;
  return options;
}

MultiHeadAttention::Projected MultiHeadAttention::project(const Tensor& x) const {
  if (!stacked_) return project(x, x, x);
  check_width("the input", x, width_);
  const TensorList parts =
      split(linear(x, in_proj_weight_, in_proj_bias_), width_, 1);  // 3 views (N, width) of (N, 3·width)
  return {split_heads(parts[0]), split_heads(parts[1]), split_heads(parts[2])};
}

MultiHeadAttention::Projected MultiHeadAttention::project(const Tensor& query, const Tensor& key,
                                                          const Tensor& value) const {
  check_width("the query", query, width_);
  check_width("the key", key, options_.key_width);
  check_width("the value", value, options_.value_width);
  const TensorList weights =
      stacked_ ? split(in_proj_weight_, width_, 0) : TensorList{q_proj_weight_, k_proj_weight_, v_proj_weight_};
  const TensorList biases = options_.bias ? split(in_proj_bias_, width_, 0) : TensorList(3);
  return {split_heads(linear(query, weights[0], biases[0])), split_heads(linear(key, weights[1], biases[1])),
          split_heads(linear(value, weights[2], biases[2]))};
}

Tensor MultiHeadAttention::attend(const Projected& projected, const Segments& query_segments,
                                  const Segments& key_segments, const Tensor& bias) const {
  const Tensor heads = attention(projected.query, projected.key, projected.value, query_segments, key_segments,
                                 attention_options(), bias);         // (Nq, heads, d)
  return out_proj_.forward(heads.reshape({heads.size(0), width_}));  // (Nq, width)
}

Tensor MultiHeadAttention::forward(const Tensor& x, const Segments& segments, const Tensor& bias) const {
  const auto scope = enter();
  return attend(project(x), segments, segments, bias);
}

Tensor MultiHeadAttention::forward(const Tensor& query, const Tensor& memory, const Segments& query_segments,
                                   const Segments& memory_segments) const {
  return forward(query, memory, memory, query_segments, memory_segments);
}

Tensor MultiHeadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const Segments& query_segments, const Segments& key_segments) const {
  const auto scope = enter();
  return attend(project(query, key, value), query_segments, key_segments, {});
}

Tensor MultiHeadAttention::weights(const Tensor& x, const Segments& segments, std::int64_t segment,
                                   const Tensor& bias) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  const Projected projected = project(x);
  return attention_weights(projected.query, projected.key, segments, segments, segment, options_.attention, bias);
}

Tensor MultiHeadAttention::weights(const Tensor& query, const Tensor& memory, const Segments& query_segments,
                                   const Segments& memory_segments, std::int64_t segment) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  const Projected projected = project(query, memory, memory);
  return attention_weights(projected.query, projected.key, query_segments, memory_segments, segment,
                           options_.attention);
}

}  // namespace saw::nn
