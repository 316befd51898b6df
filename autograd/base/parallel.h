#pragma once

#include <cstdint>
#include <type_traits>

namespace [[gnu::visibility("default")]] saw {

/// Threads that parallel_for uses. The default respects OMP_NUM_THREADS, the affinity mask and the container's
/// CPU quota. Results never depend on it.
int num_threads();

/// Sets num_threads(). Throws Error(argument) below 1 and Error(internal) when called from inside parallel_for.
void set_num_threads(int threads);

namespace detail {
using ChunkFunction = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, ChunkFunction f, void* context);
}  // namespace detail

/// Calls f(b, e) for the chunks [begin, begin+grain), [begin+grain, begin+2·grain), …; the last may be shorter.
/// The chunks are the same for every number of threads, so what is computed per chunk is too. Runs serially for one
/// chunk, on one thread, and inside another parallel_for. An exception thrown by f is rethrown here after all
/// chunks have stopped. While f runs, denormals are flushed to zero on its thread.
template <class F>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, F&& f) {
  using Function = std::remove_reference_t<F>;
  detail::parallel_for(
      begin, end, grain,
      [](void* context, std::int64_t b, std::int64_t e) { (*static_cast<Function*>(context))(b, e); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace saw
