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

KeysAndValues SelfAttention::project_keys(const Tensor& x, const Segments& segments) const {
  const auto scope = enter_beside_forward();
  return {key_.forward(x), value_.forward(x), segments};
}

Tensor SelfAttention::attend(const Tensor& x, const Segments& segments, const KeysAndValues& memory) const {
  const bool fused = options_.score == AttentionScore::dot_product &&
                     options_.normalisation == AttentionNormalisation::softmax && !options_.divide_by_length;
  if (!fused) return attend_with_weights(x, segments, memory).output;

  const auto scope = enter_beside_forward();
  const auto one_head = [](const Tensor& rows) { return rows.unsqueeze(1); };  // (N, d) → (N, 1, d)
  const AttentionOptions options{.scale = options_.scale ? 1.0 / std::sqrt(static_cast<double>(key_width_)) : 1.0};
  return attention(one_head(query_.forward(x)), one_head(memory.key), one_head(memory.value), segments, memory.segments,
                   options)
      .squeeze(1);
}

SelfAttention::Result SelfAttention::attend_with_weights(const Tensor& x, const Segments& segments,
                                                         const KeysAndValues& memory) const {
  const auto scope = enter_beside_forward();
  if (x.rank() != 2 || x.size(0) != segments.rows())
    fail(ErrorKind::shape, "SelfAttention: input does not fit; got {}; expected ({}, width) for {}", x.shape(),
         segments.rows(), segments);
  if (segments.count() != memory.segments.count())
    fail(ErrorKind::shape, "SelfAttention: queries and keys have different numbers of segments; got {} and {}",
         segments.count(), memory.segments.count());
  const Tensor query = query_.forward(x);  // (Nq, key_width)
  Result result;
  TensorList outputs = {memory.value.slice(0, 0, 0)};  // so that a result without rows has a history, too
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    const auto rows = [b](const Tensor& t, const Segments& s) { return t.slice(0, s.begin(b), s.end(b)); };
    const std::int64_t queries = segments.length(b), keys = memory.segments.length(b);
    if (queries == 0 || keys == 0) {
      result.weights.push_back(zeros({queries, keys}, x.dtype()));
      outputs.push_back(zeros({queries, value_width_}, x.dtype()));
      continue;
    }
    const Tensor alpha = scores(rows(query, segments), rows(memory.key, memory.segments));  // (Tq, Tk)
    const Tensor weights = normalise(alpha);                                                // (Tq, Tk)
    outputs.push_back(matmul(weights, rows(memory.value, memory.segments)));                // (Tq, value_width)
    result.weights.push_back(weights);
  }
  result.output = cat(outputs, 0);
  return result;
}

Tensor SelfAttention::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(attend(x, segments, project_keys(x, segments)));
}

SelfAttention::Result SelfAttention::forward_with_weights(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  Result result = attend_with_weights(x, segments, project_keys(x, segments));
  result.output = scope.output(result.output);
  return result;
}

}  // namespace saw::nn
