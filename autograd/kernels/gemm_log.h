#pragma once

// Which matrix products a training step makes, so that the benchmarks can time the same products alone.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace kernels {

struct GemmShape {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
  std::size_t element_bytes;
  std::int64_t repeats;  // equal products made one after the other
};

/// Collects the products that all threads make while it lives.
class GemmLog {
 public:
  GemmLog();
  ~GemmLog();
  GemmLog(const GemmLog&) = delete;
  GemmLog& operator=(const GemmLog&) = delete;

  void add(const GemmShape& shape) {
    const std::lock_guard lock(mutex_);
    shapes_.push_back(shape);
  }
  const std::vector<GemmShape>& shapes() const { return shapes_; }

 private:
  GemmLog* previous_;
  std::mutex mutex_;
  std::vector<GemmShape> shapes_;
};

/// Called by kernels for what they multiply; a kernel that makes many small products logs their shapes with `repeats`.
void log_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
              std::size_t element_bytes, std::int64_t repeats);

}  // namespace kernels
}  // namespace saw
