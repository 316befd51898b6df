#include "saw/autograd/parallel.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "saw/autograd/check.h"

namespace saw {
namespace {

/// CPUs that the control group's quota pays for, rounded up; 0 where there is no quota.
int cgroup_quota() {
  double quota = -1, period = -1;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    std::string first;
    v2 >> first >> period;
    if (first != "max" && !first.empty()) quota = std::strtod(first.c_str(), nullptr);
  } else if (std::ifstream v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"); v1) {
    v1 >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return 0;
  return std::max(1, static_cast<int>((quota + period - 1) / period));
}

int default_threads() {
  cpu_set_t affinity;
  CPU_ZERO(&affinity);
  int threads = omp_get_max_threads();  // honours OMP_NUM_THREADS
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return std::max(1, threads);
  if (sched_getaffinity(0, sizeof affinity, &affinity) == 0) threads = std::min(threads, CPU_COUNT(&affinity));
  if (const int quota = cgroup_quota(); quota > 0) threads = std::min(threads, quota);
  return std::max(1, threads);
}

std::atomic<int>& thread_setting() {
  static std::atomic<int> setting{default_threads()};
  return setting;
}

thread_local bool inside_parallel = false;

/// Flush-to-zero and denormals-are-zero for a scope: arithmetic on denormals runs tens of times slower.
class FlushDenormals {
 public:
#if defined(__SSE__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushDenormals() = default;
#endif
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace

int num_threads() { return thread_setting().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1) fail(ErrorKind::argument, "set_num_threads: the number must be positive; got {}", threads);
  if (inside_parallel) fail(ErrorKind::internal, "set_num_threads: called from inside parallel_for");
  thread_setting().store(threads, std::memory_order_relaxed);
}

void detail::parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, ChunkFunction f, void* context) {
  if (begin >= end) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t chunks = (end - begin + grain - 1) / grain;
  const auto run_chunk = [&](std::int64_t chunk) {
    const std::int64_t b = begin + chunk * grain;
    f(context, b, std::min(b + grain, end));
  };
  const int threads = static_cast<int>(std::min<std::int64_t>(num_threads(), chunks));
  if (threads == 1 || inside_parallel) {
    const FlushDenormals flush;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) run_chunk(chunk);
    return;
  }
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  std::atomic<std::int64_t> next{0};
  std::mutex error_mutex;
#pragma omp parallel num_threads(threads)
  {
    const FlushDenormals flush;
    inside_parallel = true;
    // Chunks are handed out as threads become free: their cost may differ, and who runs one does not change it.
    for (std::int64_t chunk = next++; chunk < chunks && !failed.load(std::memory_order_relaxed); chunk = next++) {
      try {
        run_chunk(chunk);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        failed.store(true, std::memory_order_relaxed);
      }
    }
    inside_parallel = false;
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace saw
