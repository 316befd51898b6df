#include "saw/autograd/ops/internal/indices.h"

#include <atomic>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/view.h"

namespace saw {
namespace {

constexpr std::int64_t check_grain = 1 << 16;  // indices per chunk

/// Whether all of them lie in 0 … size − 1. Without a branch per index: the sign of v or of size − 1 − v tells.
bool all_inside(const std::int64_t* values, std::int64_t count, std::int64_t size) {
  std::atomic<bool> outside{false};
  const auto last = static_cast<std::uint64_t>(size) - 1;
  parallel_for(0, count, check_grain, [&](std::int64_t begin, std::int64_t end) {
    std::uint64_t signs = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto value = static_cast<std::uint64_t>(values[i]);
      signs |= value | (last - value);
    }
    if (static_cast<std::int64_t>(signs) < 0) outside = true;
  });
  return !outside;
}

}  // namespace

Tensor checked_indices(const char* op, const Tensor& index, std::int64_t size) {
  if (index.dtype() != int64) fail(ErrorKind::dtype, "{}: the index must be int64; got {}", op, index.dtype());
  Tensor row_major = contiguous(index);
  const std::int64_t* values = row_major.data<std::int64_t>();
  if (all_inside(values, row_major.numel(), size)) return row_major;
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
