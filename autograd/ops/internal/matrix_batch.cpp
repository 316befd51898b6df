#include "saw/autograd/ops/internal/matrix_batch.h"

#include <algorithm>
#include <utility>

#include "saw/autograd/ops/copy.h"

namespace saw {

MatrixOperand matrix_operand(const Tensor& x) {
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  const std::int64_t row_stride = x.strides()[x.rank() - 2], column_stride = x.strides()[x.rank() - 1];
  if ((column_stride == 1 || columns <= 1) && (row_stride >= columns || rows <= 1))
    return {x, false, std::max<std::int64_t>(row_stride, columns)};
  if ((row_stride == 1 || rows <= 1) && (column_stride >= rows || columns <= 1))
    return {x, true, std::max<std::int64_t>(column_stride, rows)};
  return {contiguous(x), false, columns};
}

Shape batch_of(const Tensor& x) {
  Shape batch = x.shape();
  for (int i = 0; i < 2; ++i) batch.erase(batch.size() - 1);
  return batch;
}

Shape batch_shape(const Shape& batch, std::int64_t rows, std::int64_t columns) {
  Shape shape = batch;
  shape.push_back(rows);
  shape.push_back(columns);
  return shape;
}

std::vector<std::int64_t> matrix_offsets(const Tensor& x, const Shape& batch) {
  std::vector<std::int64_t> starts{0};
  const std::size_t axes = x.rank() - 2;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t from_end = batch.size() - i;
    const std::int64_t stride = from_end <= axes && x.shape()[axes - from_end] != 1 ? x.strides()[axes - from_end] : 0;
    std::vector<std::int64_t> next;
    next.reserve(starts.size() * static_cast<std::size_t>(batch[i]));
    for (const std::int64_t start : starts)
      for (std::int64_t j = 0; j < batch[i]; ++j) next.push_back(start + j * stride);
    starts = std::move(next);
  }
  return starts;
}

}  // namespace saw
