#include "saw/autograd/base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/module_scope.h"

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
  // The variable that people set for every program of this kind.
  if (const char* wish = std::getenv("OMP_NUM_THREADS"); wish != nullptr)
    if (const long threads = std::strtol(wish, nullptr, 10); threads > 0)
      return static_cast<int>(std::min(threads, 1024L));
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t affinity;
  CPU_ZERO(&affinity);
  if (sched_getaffinity(0, sizeof affinity, &affinity) == 0) threads = std::min(threads, CPU_COUNT(&affinity));
  if (const int quota = cgroup_quota(); quota > 0) threads = std::min(threads, quota);
  return std::max(1, threads);
}

std::atomic<int>& thread_setting() {
  static std::atomic<int> setting{default_threads()};
  return setting;
}

thread_local bool inside_parallel = false;

/// Loops that this thread runs by itself; the loops inside them may still be shared with the workers.
thread_local int serial_loops = 0;
struct SerialLoop {
  SerialLoop() { ++serial_loops; }
  ~SerialLoop() { --serial_loops; }
  SerialLoop(const SerialLoop&) = delete;
  SerialLoop& operator=(const SerialLoop&) = delete;
};

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

/// Marks this thread as being inside a loop of several chunks.
class InsideParallel {
 public:
  InsideParallel() : nested_(inside_parallel) { inside_parallel = true; }
  ~InsideParallel() { inside_parallel = nested_; }
  InsideParallel(const InsideParallel&) = delete;
  InsideParallel& operator=(const InsideParallel&) = delete;
  bool nested() const { return nested_; }

 private:
  bool nested_;
};

void pause() {
#if defined(__SSE__)
  _mm_pause();
#endif
}

/// Workers that help whoever runs a loop. A loop is done when its chunks are done, and its owner runs chunks itself: a
/// worker that sleeps, or that the machine has given no time, is never waited for. (At the end of an OpenMP region
/// every thread must arrive, which on a machine that does other work as well costs a time slice per region.)
class Pool {
 public:
  /// Runs the chunks 0 … chunks − 1 with up to `threads` threads, this one included.
  void run(int threads, std::uint32_t chunks, detail::ChunkFunction f, void* context) {
    const std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) {  // another thread's loop has the workers
      for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) f(context, chunk, chunk + 1);
      return;
    }
    while (static_cast<int>(workers_.size()) < threads - 1) add_worker();
    helpers_.store(threads - 1, std::memory_order_relaxed);
    function_.store(f, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    chunks_.store(chunks, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
    ticket_.store((std::uint64_t{epoch} << 32) | chunks, std::memory_order_release);
    epoch_.store(epoch, std::memory_order_release);
    epoch_.notify_all();
    take_chunks();
    // What is left is in the hands of workers. On a busy machine one of them may have to wait for its turn: then this
    // thread sleeps, which leaves it the core.
    std::uint32_t finished = done_.load(std::memory_order_acquire);
    for (int spins = 0; spins < 1000 && finished != chunks; ++spins) {
      pause();
      finished = done_.load(std::memory_order_acquire);
    }
    while (finished != chunks) {
      done_.wait(finished, std::memory_order_acquire);
      finished = done_.load(std::memory_order_acquire);
    }
  }

 private:
  /// `ticket_` counts, beside the number of the loop, the chunks that nobody has taken. A worker that comes late finds
  /// 0 and touches nothing; one that takes a chunk holds up the end of the loop, so what it read before belongs to the
  /// same loop.
  void take_chunks() {
    std::uint64_t left = ticket_.load(std::memory_order_acquire);
    while ((left & 0xffffffffu) != 0) {
      const detail::ChunkFunction f = function_.load(std::memory_order_relaxed);
      void* const context = context_.load(std::memory_order_relaxed);
      const std::uint32_t chunk = chunks_.load(std::memory_order_relaxed) - static_cast<std::uint32_t>(left);
      if (!ticket_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      f(context, chunk, chunk + 1);
      const std::uint32_t total = chunk + static_cast<std::uint32_t>(left);
      if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == total) done_.notify_one();
      left = ticket_.load(std::memory_order_acquire);
    }
  }

  void add_worker() {
    const int number = static_cast<int>(workers_.size());
    workers_.emplace_back([this, number] {
      const FlushDenormals flush;
      inside_parallel = true;
      std::uint32_t seen = 0;
      while (true) {
        // Loops follow one another closely in a training step: for some 50 µs it is cheaper to look than to sleep.
        for (int spins = 0; spins < 3000 && epoch_.load(std::memory_order_acquire) == seen; ++spins) pause();
        epoch_.wait(seen, std::memory_order_acquire);
        seen = epoch_.load(std::memory_order_acquire);
        if (number < helpers_.load(std::memory_order_relaxed)) take_chunks();
      }
    });
    workers_.back().detach();
  }

  std::mutex owner_;
  std::vector<std::thread> workers_;
  std::atomic<detail::ChunkFunction> function_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::uint32_t> chunks_{0};
  std::atomic<int> helpers_{0};
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
};

// Never destroyed: its workers wait in it until the process ends.
Pool& pool() {
  static Pool* instance = new Pool;
  return *instance;
}

}  // namespace

int num_threads() { return thread_setting().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1) fail(ErrorKind::argument, "set_num_threads: the number must be positive; got {}", threads);
  if (inside_parallel || serial_loops > 0)
    fail(ErrorKind::internal, "set_num_threads: called from inside parallel_for");
  thread_setting().store(threads, std::memory_order_relaxed);
}

void detail::parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, ChunkFunction f, void* context) {
  if (begin >= end) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t chunks = (end - begin - 1) / grain + 1;
  const auto run_chunk = [&](std::int64_t chunk) {
    const std::int64_t b = begin + chunk * grain;
    f(context, b, end - b > grain ? b + grain : end);
  };
  if (chunks == 1) {
    const FlushDenormals flush;
    run_chunk(0);
    return;
  }
  const InsideParallel inside;
  const int threads = static_cast<int>(std::min<std::int64_t>(num_threads(), chunks));
  if (threads == 1 || inside.nested() || chunks > std::numeric_limits<std::uint32_t>::max()) {
    const FlushDenormals flush;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) run_chunk(chunk);
    return;
  }
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  std::mutex error_mutex;
  const auto guarded = [&, module = ModuleScope::current()](std::int64_t chunk) {
    if (failed.load(std::memory_order_relaxed)) return;
    const ModuleScope scope(module);  // an error made on another thread says where, too
    try {
      run_chunk(chunk);
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
      failed.store(true, std::memory_order_relaxed);
    }
  };
  {
    const FlushDenormals flush;
    pool().run(
        threads, static_cast<std::uint32_t>(chunks),
        [](void* work, std::int64_t chunk, std::int64_t) { (*static_cast<decltype(guarded)*>(work))(chunk); },
        const_cast<void*>(static_cast<const void*>(&guarded)));
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace saw
