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
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

std::vector<Sample> embedding_samples(SampleMaker& make) {
  const auto reference = [](const TensorList& in) {
    const std::vector<std::int64_t> at = in[1].to_vector<std::int64_t>();
    Shape shape = in[1].shape();
    shape.push_back(in[0].shape()[1]);
    return TensorList{rearranged(in[0], shape, [&](const Shape& i) {
      return Shape{at[static_cast<std::size_t>(ravel(i, shape) / shape.back())], i.back()};
    })};
  };
  const auto sample = [reference](const char* name, const Tensor& table, const Tensor& index) {
    return Sample{.name = name,
                  .inputs = {table, index},
                  .run = [](const TensorList& in) { return TensorList{embedding(in[0], in[1])}; },
                  .reference = reference};
  };
  return {sample("list", make.normal({5, 3}), make.integers({7}, 0, 5)),
          sample("matrix", make.normal({5, 20}), make.integers({2, 3}, 0, 5)),
          sample("scalar", make.normal({5, 3}), make.integers({}, 0, 5)),
          sample("nothing", make.normal({5, 3}), make.integers({0}, 0, 5)),
          // The padding row's gradient differs from the derivative on purpose: here no index meets it.
          {.name = "padding row, unused",
           .inputs = {make.normal({5, 3}), make.integers({6}, 1, 5)},
           .run = [](const TensorList& in) { return TensorList{embedding(in[0], in[1], 0)}; },
           .reference = reference}};
}

std::vector<ErrorSample> embedding_errors() {
  return {{"out of range",
           [] {
             embedding(zeros({4, 2}), tensor({0, 4}, int64));
           },
           ErrorKind::index, "embedding: index out of range; got 4 at position (1,); expected 0 … 3"},
          {"table rank", [] { embedding(zeros({4}), tensor({0}, int64)); }, ErrorKind::shape, "embedding: the table"},
          {"index dtype",
           [] {
             embedding(zeros({4, 2}), zeros({1}));
           },
           ErrorKind::dtype, "embedding: the index must be int64"},
          {"padding index",
           [] {
             embedding(zeros({4, 2}), tensor({0}, int64), 4);
           },
           ErrorKind::argument, "embedding: the padding index"}};
}

const OpInfo embedding_info{"embedding", "y[…, :] = table[index[…], :]", true, embedding_samples, embedding_errors};

/// The gradient of the table: rows of `gradient` (n, D) added where index sends them, except to the padding row.
Tensor embedding_gradient(const Tensor& gradient, const Tensor& index, const Shape& table, std::int64_t padding_index) {
  if (needs_record({gradient})) {
    std::vector<std::int64_t> kept, rows;
    const std::vector<std::int64_t> all = index.to_vector<std::int64_t>();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] == padding_index) continue;
      kept.push_back(static_cast<std::int64_t>(i));
      rows.push_back(all[i]);
    }
    return index_add(zeros(table, gradient.dtype()), 0, tensor(rows), index_select(gradient, 0, tensor(kept)));
  }
  Tensor result = zeros(table, gradient.dtype());
  const Tensor source = contiguous(gradient);
  dispatch_floating("embedding", gradient.dtype(), [&]<class T>() {
    kernels::add_slices(result.mutable_data<T>(), 1, table[0], table[1], index.data<std::int64_t>(), index.numel(),
                        source.data<T>(), padding_index);
  });
  return result;
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
    Gradient gradient;
    gradient.saved = {positions};
    gradient.backward = [original = table.shape(), padding_index](const BackwardContext& context) -> TensorList {
      const Tensor rows = context.saved(0);
      return {embedding_gradient(reshape(context.grad_output(), {rows.numel(), original[1]}), rows, original,
                                 padding_index)};
    };
    gradient.plain = true;
    return gradient;
  });
}

OpList embedding_ops() { return {&embedding_info}; }

}  // namespace saw
