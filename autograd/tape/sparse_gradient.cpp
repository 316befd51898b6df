#include "saw/autograd/tape/sparse_gradient.h"

#include <algorithm>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {
namespace {

Node& checked_leaf(const char* op, const Tensor& leaf) {
  if (!leaf.is_leaf() || !leaf.requires_grad() || leaf.rank() == 0)
    fail(ErrorKind::autograd, "{}: needs a leaf with rows that requires a gradient; got shape {}", op, leaf.shape());
  return *leaf.node();
}

/// Rows of the same index become one.
SparseGradient summed(const Tensor& indices, const Tensor& rows) {
  const Distinct numbers = distinct(indices);
  Shape shape = rows.shape();
  shape[0] = numbers.values.numel();
  return {numbers.values, index_add(zeros(shape, rows.dtype()), 0, numbers.positions, rows)};
}

}  // namespace

SparseGradient sparse_grad(const Tensor& leaf) {
  if (!leaf.requires_grad() || !leaf.is_leaf()) return {};
  Node& node = *leaf.node();
  if (!node.sparse_grad.defined()) return {};
  if (node.grad.defined()) {
    const NoGradGuard no_grad;
    node.grad = index_add(node.grad.detach(), 0, node.sparse_grad.indices, node.sparse_grad.rows);
    node.sparse_grad = {};
  }
  return node.sparse_grad;
}

void add_sparse_grad(const Tensor& leaf, const Tensor& indices, const Tensor& rows) {
  Node& node = checked_leaf("add_sparse_grad", leaf);
  Shape expected = leaf.shape();
  expected[0] = indices.numel();
  if (indices.rank() != 1 || rows.shape() != expected || rows.dtype() != leaf.dtype())
    fail(ErrorKind::shape, "add_sparse_grad: got {} indices and {} rows of {}; expected (U,) and {} rows of {}",
         indices.shape(), rows.shape(), rows.dtype(), expected, leaf.dtype());
  for (const std::int64_t index : indices.to_vector<std::int64_t>())
    if (index < 0 || index >= leaf.size(0))
      fail(ErrorKind::index, "add_sparse_grad: got row {}; expected 0 … {}", index, leaf.size(0) - 1);
  const NoGradGuard no_grad;
  node.sparse_grad = node.sparse_grad.defined()
                         ? summed(cat({node.sparse_grad.indices, indices}), cat({node.sparse_grad.rows, rows.detach()}))
                         : summed(indices, rows.detach());
}

Distinct distinct(const Tensor& x) {
  if (x.dtype() != int64) fail(ErrorKind::dtype, "distinct: needs int64 numbers; got {} {}", x.dtype(), x.shape());
  const std::vector<std::int64_t> given = x.to_vector<std::int64_t>();
  std::vector<std::int64_t> values = given;
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<std::int64_t> positions(given.size());
  for (std::size_t i = 0; i < given.size(); ++i)
    positions[i] = std::lower_bound(values.begin(), values.end(), given[i]) - values.begin();
  return {tensor(values), tensor(positions, x.shape())};
}

}  // namespace saw
