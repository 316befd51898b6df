#pragma once

#include "saw/autograd/base/segments.h"
#include "saw/nn/keys_and_values.h"
#include "saw/nn/linear.h"
#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// How much a query q_i has to do with a key k_j: α_ij.
enum class AttentionScore {
  dot_product,  ///< q_i · k_j (Luong et al. 2015)
  additive,     ///< w · tanh(q_i + k_j) (Bahdanau et al. 2015)
};

/// How scores become weights.
enum class AttentionNormalisation {
  softmax,  ///< α'_ij = exp(α_ij) / Σ_m exp(α_im)
  relu,     ///< α'_ij = max(α_ij, 0): the weights of a row need not add up to 1
};

/// What SelfAttention computes scores, weights and widths by.
struct SelfAttentionOptions {
  std::int64_t key_width = -1;                         ///< of q and k; −1: the width of the input
  std::int64_t value_width = -1;                       ///< of v, and so of the output; −1: the width of the input
  bool bias = false;                                   ///< of the three projections
  bool scale = false;                                  ///< divide the scores by √key_width
  AttentionScore score = AttentionScore::dot_product;  ///< how scores are computed
  AttentionNormalisation normalisation = AttentionNormalisation::softmax;  ///< how they become weights
  bool divide_by_length =
      false;  ///< α' / L, L the length of the sequence: keeps relu's sums bounded (Wortsman et al. 2023)
};

/// Self-attention with one head, step by step as the lecture builds it, inside each segment of x (N, width):
///
///   q_i = W^q a_i,  k_i = W^k a_i,  v_i = W^v a_i,   α_ij = q_i · k_j,   α'_i = softmax(α_i),   b_i = Σ_j α'_ij v_j
///
/// A position attends to itself, too. Order plays no part: add positions first where it should. Modules `query`, `key`,
/// `value`; parameter `score_weight` (key_width) for additive scores.
class SelfAttention : public Module {
 public:
  using Options = SelfAttentionOptions;

  /// Throws Error(argument) for widths below 1.
  explicit SelfAttention(std::int64_t width, const SelfAttentionOptions& options = {});

  /// (N, width) → (N, value_width). Dot products with softmax never keep the score matrices.
  Tensor forward(const Tensor& x, const Segments& segments) const;

  /// The keys (N, key_width) and values (N, value_width) of x (N, width), for attend().
  KeysAndValues project_keys(const Tensor& x, const Segments& segments) const;
  /// The rows of x (Nq, width) ask keys and values that were projected before; (Nq, value_width).
  Tensor attend(const Tensor& x, const Segments& segments, const KeysAndValues& memory) const;

  /// An output, and how it came about.
  struct Result {
    Tensor output;       ///< (N, value_width)
    TensorList weights;  ///< for each segment α' (T, T): row i says where position i looks
  };
  /// forward(), with the weights to look at: all score matrices exist at once.
  Result forward_with_weights(const Tensor& x, const Segments& segments) const;

 private:
  Result attend_with_weights(const Tensor& x, const Segments& segments, const KeysAndValues& memory) const;
  Tensor scores(const Tensor& query, const Tensor& key) const;
  Tensor normalise(const Tensor& scores) const;

  std::int64_t key_width_;
  std::int64_t value_width_;
  SelfAttentionOptions options_;
  Linear& query_;
  Linear& key_;
  Linear& value_;
  const Tensor& score_weight_;
};

}  // namespace nn
}  // namespace saw
