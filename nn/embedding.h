#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Options of Embedding.
struct EmbeddingOptions {
  /// A row that stays as it is: zero at first, and it gets no gradient. −1: none.
  std::int64_t padding_index = -1;
  /// The gradient holds the rows that were looked up and no others (sparse_grad(weight) in place of weight.grad()). For
  /// large tables: optimizers then change those rows alone, so that momentum and weight decay rest in all others.
  /// saw::grad() and checkpoint() do not see the table.
  bool sparse = false;
};

/// A learned vector for each of `count` things (words, characters, tags): ids of any shape (…) int64 → (…, width).
/// Parameter `weight` (count, width), standard normal at first.
class Embedding : public Module {
 public:
  using Options = EmbeddingOptions;

  /// Throws Error(argument) for sizes that are negative or a padding index that is no row.
  Embedding(std::int64_t count, std::int64_t width, const EmbeddingOptions& options = {});

  /// Throws Error(index) for an id outside 0 … count − 1.
  Tensor forward(const Tensor& ids) const;

  const Tensor& weight;  ///< (count, width)

 private:
  Tensor look_up_sparsely(const Tensor& ids) const;

  std::int64_t padding_index_;
  bool sparse_;
};

}  // namespace nn
}  // namespace saw
