#pragma once

#include <cstddef>
#include <cstdint>

namespace [[gnu::visibility("default")]] saw {

/// What the caching allocator holds. Bytes are those of whole blocks (requests rounded up to a size class).
struct MemoryStats {
  std::size_t active_bytes = 0;          ///< in use by tensors and scratch
  std::size_t peak_bytes = 0;            ///< the most that was ever active since the last reset_peak_memory()
  std::size_t cached_bytes = 0;          ///< free, kept for reuse
  std::uint64_t allocations = 0;         ///< requests served so far
  std::uint64_t system_allocations = 0;  ///< requests for which the system was asked; a steady training step makes none
};

/// Counters of the process-wide allocator.
MemoryStats memory_stats();

/// Begins a new peak at what is active now.
void reset_peak_memory();

/// Gives every cached block back to the system.
void empty_cache();

/// The most bytes that may lie cached (default 1 GiB); a block that would go past it is given back to the system.
void set_cache_limit(std::size_t bytes);

/// 64-byte aligned memory from the cache; in debug builds it is filled with NaN. Where the system has no
/// memory, the cache is given back to it and it is asked again; then this throws Error(memory) with the bytes.
void* allocate(std::size_t bytes);
/// Gives memory from allocate() back; `bytes` as requested there.
void deallocate(void* memory, std::size_t bytes) noexcept;

/// Memory for the duration of a scope, from the same cache; for kernels.
template <class T>
class Scratch {
 public:
  /// `count` elements. Throws Error(memory) as allocate().
  explicit Scratch(std::size_t count)
      : bytes_(count * sizeof(T)), memory_(static_cast<T*>(allocate(count * sizeof(T)))), count_(count) {}
  ~Scratch() { deallocate(memory_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() { return memory_; }                        ///< 64-byte aligned; uninitialised in release builds
  T& operator[](std::size_t i) { return memory_[i]; }  ///< element i, unchecked
  std::size_t size() const { return count_; }          ///< elements, not bytes

 private:
  std::size_t bytes_;
  T* memory_;
  std::size_t count_;
};

}  // namespace saw
