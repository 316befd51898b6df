#pragma once

#include "saw/nn/module.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

struct EmbeddingOptions {
  /// A row that stays as it is: zero at first, and it gets no gradient. −1: none.
  std::int64_t padding_index = -1;
};

/// A learned vector for each of `count` things (words, characters, tags): ids of any shape (…) int64 → (…, width).
/// Parameter `weight` (count, width), standard normal at first.
class Embedding : public Module {
 public:
  /// Throws Error(argument) for sizes that are negative or a padding index that is no row.
  Embedding(std::int64_t count, std::int64_t width, const EmbeddingOptions& options = {});

  /// Throws Error(index) for an id outside 0 … count − 1.
  Tensor forward(const Tensor& ids) const;

  const Tensor& weight;

 private:
  std::int64_t padding_index_;
};

}  // namespace nn
}  // namespace saw
