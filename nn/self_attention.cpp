#include "saw/nn/self_attention.h"

#include <cmath>

#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/attention.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

std::int64_t width_or(std::int64_t given, std::int64_t otherwise, const char* what) {
  return checked_positive("SelfAttention", what, given == -1 ? otherwise : given);
}

Initialiser uniform_by_width(std::int64_t width) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(width));
  return init::uniform(-bound, bound);
}

}  // namespace

SelfAttention::SelfAttention(std::int64_t width, const SelfAttentionOptions& options)
    : key_width_(width_or(options.key_width, width, "key_width")),
      value_width_(width_or(options.value_width, width, "value_width")),
      options_(options),
      query_(child<Linear>("query", width, key_width_, LinearOptions{.bias = options.bias})),
      key_(child<Linear>("key", width, key_width_, LinearOptions{.bias = options.bias})),
      value_(child<Linear>("value", width, value_width_, LinearOptions{.bias = options.bias})),
      score_weight_(param_if(options.score == AttentionScore::additive, "score_weight", {key_width_},
                             uniform_by_width(key_width_))) {}

Tensor SelfAttention::scores(const Tensor& query, const Tensor& key) const {
  Tensor alpha;
  switch (options_.score) {
    case AttentionScore::dot_product:
      alpha = matmul(query, key.transpose(0, 1));
      break;  // (T, T)
    case AttentionScore::additive:
      alpha = matmul(tanh(query.unsqueeze(1) + key.unsqueeze(0)), score_weight_);  // (T, T, d) · (d) → (T, T)
      break;
  }
  return options_.scale ? alpha / std::sqrt(static_cast<double>(key_width_)) : alpha;
}

Tensor SelfAttention::normalise(const Tensor& scores) const {
  const Tensor weights = options_.normalisation == AttentionNormalisation::softmax ? softmax(scores, -1) : relu(scores);
  return options_.divide_by_length ? weights / static_cast<double>(scores.size(-1)) : weights;
}

Tensor SelfAttention::forward(const Tensor& x, const Segments& segments) const {
  const bool fused = options_.score == AttentionScore::dot_product &&
                     options_.normalisation == AttentionNormalisation::softmax && !options_.divide_by_length;
  if (!fused) return forward_with_weights(x, segments).output;

  const auto scope = enter();
  const auto one_head = [](const Tensor& rows) { return rows.unsqueeze(1); };  // (N, d) → (N, 1, d)
  const AttentionOptions options{.scale = options_.scale ? 1.0 / std::sqrt(static_cast<double>(key_width_)) : 1.0};
  return attention(one_head(query_.forward(x)), one_head(key_.forward(x)), one_head(value_.forward(x)), segments,
                   segments, options)
      .squeeze(1);
}

SelfAttention::Result SelfAttention::forward_with_weights(const Tensor& x, const Segments& segments) const {
  const auto scope = enter();
  if (x.rank() != 2 || x.size(0) != segments.rows())
    fail(ErrorKind::shape, "SelfAttention: input does not fit; got {}; expected ({}, width) for {}", x.shape(),
         segments.rows(), segments);
  const Tensor query = query_.forward(x);  // (N, key_width)
  const Tensor key = key_.forward(x);      // (N, key_width)
  const Tensor value = value_.forward(x);  // (N, value_width)

  Result result;
  TensorList outputs;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    if (segments.length(b) == 0) {
      result.weights.push_back(zeros({0, 0}, x.dtype()));
      continue;
    }
    const auto rows = [&](const Tensor& t) { return t.slice(0, segments.begin(b), segments.end(b)); };
    const Tensor alpha = scores(rows(query), rows(key));  // (T, T)
    const Tensor weights = normalise(alpha);              // (T, T)
    outputs.push_back(matmul(weights, rows(value)));      // (T, value_width)
    result.weights.push_back(weights);
  }
  result.output = outputs.empty() ? value : cat(outputs, 0);  // no rows at all: value has none either
  return result;
}

}  // namespace saw::nn
