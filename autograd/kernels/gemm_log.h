#pragma once

// Where kernels say which matrix products they make. Nobody listens but the benchmarks, which time the same products
// alone.

#include <cstddef>
#include <cstdint>

namespace [[gnu::visibility("default")]] saw {
namespace kernels {

struct GemmShape {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
  std::size_t element_bytes;
  std::int64_t repeats;  // equal products made one after the other
};

/// Told of every product, on the thread that makes it.
class GemmObserver {
 public:
  virtual ~GemmObserver() = default;
  virtual void observe(const GemmShape& shape) = 0;
};

/// Installs an observer in place of the one before, which is returned; nullptr is none.
GemmObserver* set_gemm_observer(GemmObserver* observer);

/// Called by kernels for what they multiply; a kernel that makes many small products logs their shapes with `repeats`.
void log_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
              std::size_t element_bytes, std::int64_t repeats);

}  // namespace kernels
}  // namespace saw
