#include "saw/nn/embedding.h"

#include <algorithm>
#include <vector>

#include "saw/autograd/ops/embedding.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/tape/sparse_gradient.h"
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
      padding_index_(options.padding_index),
      sparse_(options.sparse) {}

Tensor Embedding::forward(const Tensor& ids) const {
  const auto scope = enter(ids);
  if (sparse_ && weight.requires_grad() && is_grad_enabled()) return scope.output(look_up_sparsely(ids));
  return scope.output(embedding(weight, ids, padding_index_));
}

Tensor Embedding::look_up_sparsely(const Tensor& ids) const {
  const Distinct numbers = distinct(ids);
  const Tensor used = index_select(weight.detach(), 0, numbers.values);  // (U, width), a small table for this step
  used.set_requires_grad(true);
  used.register_hook([table = weight, indices = numbers.values](const Tensor& gradient) {
    add_sparse_grad(table, indices, gradient);
    return Tensor();
  });
  const std::vector<std::int64_t> values = numbers.values.to_vector<std::int64_t>();
  const auto padding = std::find(values.begin(), values.end(), padding_index_);
  const std::int64_t padding_position = padding == values.end() ? -1 : padding - values.begin();
  return embedding(used, numbers.positions, padding_position);
}

}  // namespace saw::nn
