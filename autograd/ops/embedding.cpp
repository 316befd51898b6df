// Rows of a table by their numbers.

#include "saw/autograd/ops/embedding.h"
#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/index.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/indices.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo embedding_info{"embedding", "y[…, :] = table[index[…], :]", true};

/// The gradient of the table: rows of `gradient` (n, D) added where index sends them, except to the padding row.
Tensor table_gradient(const Tensor& gradient, const Tensor& index, const Shape& table, std::int64_t padding_index) {
  Tensor result = zeros(table, gradient.dtype());
  const Tensor source = contiguous(gradient);
  dispatch_floating("embedding", gradient.dtype(), [&]<class T>() {
    kernels::add_slices(result.mutable_data<T>(), 1, table[0], table[1], index.data<std::int64_t>(), index.numel(),
                        source.data<T>(), padding_index);
  });
  return result;
}

/// The same in recorded ops.
Tensor recorded_table_gradient(const Tensor& gradient, const Tensor& index, const Shape& table,
                               std::int64_t padding_index) {
  std::vector<std::int64_t> kept, rows;
  const std::vector<std::int64_t> all = index.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] == padding_index) continue;
    kept.push_back(static_cast<std::int64_t>(i));
    rows.push_back(all[i]);
  }
  return index_add(zeros(table, gradient.dtype()), 0, tensor(rows), index_select(gradient, 0, tensor(kept)));
}

}  // namespace

Tensor embedding(const Tensor& table, const Tensor& index, std::int64_t padding_index) {
  if (table.rank() != 2) fail(ErrorKind::shape, "embedding: the table must be (V, D); got shape {}", table.shape());
  const std::int64_t size = table.shape()[0], width = table.shape()[1];
  if (padding_index < -1 || padding_index >= size)
    fail(ErrorKind::argument, "embedding: the padding index is not a row; got {}; expected -1 (none) or 0 … {}",
         padding_index, size - 1);
  const Tensor positions = checked_indices("embedding", index, size);
  const Tensor source = contiguous(table.detach());
  Shape shape = index.shape();
  shape.push_back(width);
  Tensor y = Tensor::empty(shape, table.dtype());
  kernels::take_slices(size_of(table.dtype()), source.data(table.dtype()), 1, size, width,
                       positions.data<std::int64_t>(), positions.numel(), y.mutable_data(table.dtype()));
  return record(embedding_info, {table}, y, [&] {
    const auto with = [shape = table.shape(), padding_index](auto gradient_of_table) {
      return [=](const BackwardContext& context) -> TensorList {
        const Tensor rows = context.saved(0);
        return {
            gradient_of_table(reshape(context.grad_output(), {rows.numel(), shape[1]}), rows, shape, padding_index)};
      };
    };
    return Gradient::with_twin({positions}, with(table_gradient), with(recorded_table_gradient));
  });
}

OpList embedding_ops() { return {&embedding_info}; }

}  // namespace saw
