#include "saw/nn/multi_head_attention.h"

#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/nn/internal/checked_sizes.h"
#include "saw/nn/positional.h"

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
  if (!options.attention.query_offsets.empty())
    fail(ErrorKind::argument, "MultiHeadAttention: attention.query_offsets go with each call; see attend()");
  if (!options.attention.alibi_slopes.empty() &&
      static_cast<std::int64_t>(options.attention.alibi_slopes.size()) != heads)
    fail(ErrorKind::argument, "MultiHeadAttention: attention.alibi_slopes do not fit; got {}; expected {} or none",
         options.attention.alibi_slopes.size(), heads);
  if (options.rotary && width / heads % 2 != 0)
    fail(ErrorKind::argument, "MultiHeadAttention: rotary positions turn pairs of channels; got heads of width {}",
         width / heads);
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

Tensor MultiHeadAttention::with_positions(const Tensor& heads, const Segments& segments,
                                          const std::vector<std::int64_t>& offsets) const {
  if (!options_.rotary) return heads;
  if (heads.size(0) != segments.rows())
    fail(ErrorKind::shape, "MultiHeadAttention: rows do not fit their segments; got {} rows for {}", heads.size(0),
         segments);
  return rotary(heads, positions_in_segments(segments, offsets), *options_.rotary);
}

MultiHeadAttention::Projected MultiHeadAttention::project(const Tensor& x, const Segments& segments) const {
  if (!stacked_) return project(x, x, x, segments, segments);
  check_width("the input", x, width_);
  const TensorList parts =
      split(linear(x, in_proj_weight_, in_proj_bias_), width_, 1);  // 3 views (N, width) of (N, 3·width)
  return {with_positions(split_heads(parts[0]), segments, {}), with_positions(split_heads(parts[1]), segments, {}),
          split_heads(parts[2])};
}

Tensor MultiHeadAttention::project_one(std::int64_t which, const Tensor& rows) const {
  check_width(which == 0   ? "the query"
              : which == 1 ? "the key"
                           : "the value",
              rows,
              which == 0   ? width_
              : which == 1 ? options_.key_width
                           : options_.value_width);
  const auto part = [&](const Tensor& stacked) { return stacked.slice(0, which * width_, (which + 1) * width_); };
  const Tensor& own = which == 0 ? q_proj_weight_ : which == 1 ? k_proj_weight_ : v_proj_weight_;
  return split_heads(
      linear(rows, stacked_ ? part(in_proj_weight_) : own, options_.bias ? part(in_proj_bias_) : Tensor()));
}

MultiHeadAttention::Projected MultiHeadAttention::project(const Tensor& query, const Tensor& key, const Tensor& value,
                                                          const Segments& query_segments,
                                                          const Segments& key_segments) const {
  return {with_positions(project_one(0, query), query_segments, {}),
          with_positions(project_one(1, key), key_segments, {}), project_one(2, value)};
}

Tensor MultiHeadAttention::attend_heads(const Projected& projected, const Segments& query_segments,
                                        const Segments& key_segments, const std::vector<std::int64_t>& query_offsets,
                                        const Tensor& bias) const {
  AttentionOptions options = options_.attention;
  options.dropout = is_training() ? options_.dropout : 0.0;
  options.query_offsets = query_offsets;
  const Tensor heads = attention(projected.query, projected.key, projected.value, query_segments, key_segments, options,
                                 bias);                              // (Nq, heads, d)
  return out_proj_.forward(heads.reshape({heads.size(0), width_}));  // (Nq, width)
}

Tensor MultiHeadAttention::forward(const Tensor& x, const Segments& segments, const Tensor& bias) const {
  const auto scope = enter(x);
  return scope.output(attend_heads(project(x, segments), segments, segments, {}, bias));
}

Tensor MultiHeadAttention::forward(const Tensor& query, const Tensor& memory, const Segments& query_segments,
                                   const Segments& memory_segments, const Tensor& bias) const {
  return forward(query, memory, memory, query_segments, memory_segments, bias);
}

Tensor MultiHeadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const Segments& query_segments, const Segments& key_segments,
                                   const Tensor& bias) const {
  const auto scope = enter(query);
  return scope.output(
      attend_heads(project(query, key, value, query_segments, key_segments), query_segments, key_segments, {}, bias));
}

KeysAndValues MultiHeadAttention::project_keys(const Tensor& key, const Tensor& value, const Segments& segments,
                                               const std::vector<std::int64_t>& offsets) const {
  const auto scope = enter_beside_forward();
  return {with_positions(project_one(1, key), segments, offsets), project_one(2, value), segments};
}

Tensor MultiHeadAttention::attend(const Tensor& query, const Segments& query_segments, const KeysAndValues& memory,
                                  const std::vector<std::int64_t>& query_offsets, const Tensor& bias) const {
  const auto scope = enter_beside_forward();
  return attend_heads({with_positions(project_one(0, query), query_segments, query_offsets), memory.key, memory.value},
                      query_segments, memory.segments, query_offsets, bias);
}

Tensor MultiHeadAttention::weights(const Tensor& x, const Segments& segments, std::int64_t segment,
                                   const Tensor& bias) const {
  const auto scope = enter_beside_forward();
  const NoGradGuard no_grad;
  const Projected projected = project(x, segments);
  return attention_weights(projected.query, projected.key, segments, segments, segment, options_.attention, bias);
}

Tensor MultiHeadAttention::weights(const Tensor& query, const Tensor& memory, const Segments& query_segments,
                                   const Segments& memory_segments, std::int64_t segment, const Tensor& bias) const {
  const auto scope = enter_beside_forward();
  const NoGradGuard no_grad;
  const Projected projected = project(query, memory, memory, query_segments, memory_segments);
  return attention_weights(projected.query, projected.key, query_segments, memory_segments, segment, options_.attention,
                           bias);
}

}  // namespace saw::nn
