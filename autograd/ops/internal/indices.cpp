#include "saw/autograd/ops/internal/indices.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/view.h"

namespace saw {

Tensor checked_indices(const char* op, const Tensor& index, std::int64_t size) {
  if (index.dtype() != int64) fail(ErrorKind::dtype, "{}: the index must be int64; got {}", op, index.dtype());
  Tensor row_major = contiguous(index);
  const std::int64_t* values = row_major.data<std::int64_t>();
  const auto unsigned_size = static_cast<std::uint64_t>(size);
  for (std::int64_t i = 0; i < row_major.numel(); ++i) {
    if (static_cast<std::uint64_t>(values[i]) < unsigned_size) continue;
    if (size == 0)
      fail(ErrorKind::index, "{}: index out of range; got {} at position {}; there is nothing to choose from", op,
           values[i], unravel(i, index.shape()));
    fail(ErrorKind::index, "{}: index out of range; got {} at position {}; expected 0 … {}", op, values[i],
         unravel(i, index.shape()), size - 1);
  }
  return row_major;
}

}  // namespace saw
