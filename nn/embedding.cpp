#include "saw/nn/embedding.h"

#include "saw/autograd/ops/index.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

Initialiser normal_with_padding(std::int64_t count, std::int64_t padding_index) {
  if (padding_index < -1 || padding_index >= count)
    fail(ErrorKind::argument, "Embedding: padding_index is no row; got {}; expected −1 or 0 … {}", padding_index,
         count - 1);
  return [=](const Tensor& table) {
    init::normal(table, 0.0, 1.0);
    if (padding_index >= 0) init::zeros(table.select(0, padding_index));
  };
}

}  // namespace

Embedding::Embedding(std::int64_t count, std::int64_t width, const EmbeddingOptions& options)
    : weight(param("weight",
                   {checked_size("Embedding", "the count", count), checked_size("Embedding", "the width", width)},
                   normal_with_padding(count, options.padding_index))),
      padding_index_(options.padding_index) {}

Tensor Embedding::forward(const Tensor& ids) const {
  const auto scope = enter();
  return embedding(weight, ids, padding_index_);
}

}  // namespace saw::nn
