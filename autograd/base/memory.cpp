#include "saw/autograd/base/memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "saw/autograd/base/internal/check.h"

// GCC says it by a macro, Clang by a feature.
#if defined(__SANITIZE_ADDRESS__)
#define SAW_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SAW_ADDRESS_SANITIZER
#endif
#endif
#if defined(SAW_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

namespace saw {
namespace {

// Under AddressSanitizer a cached block is poisoned, and a served one is open for exactly the bytes asked for.
void poison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(SAW_ADDRESS_SANITIZER)
  ASAN_POISON_MEMORY_REGION(memory, bytes);
#endif
}
void unpoison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(SAW_ADDRESS_SANITIZER)
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
#endif
}

constexpr std::size_t alignment = 64;
constexpr std::size_t steps_per_octave = 4;  // size classes 1, 1.25, 1.5, 1.75 × 2^k: at most 25 % is lost to rounding
constexpr std::size_t smallest_octave = 6;   // 64 bytes
constexpr std::size_t class_count = (48 - smallest_octave) * steps_per_octave;
// A request may take a free block up to this many classes above its own: blocks of random sizes then serve one another
// instead of each size class growing to its own peak.
constexpr std::size_t reuse_reach = 2;

struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

SizeClass size_class(std::size_t bytes) {
  if (bytes <= alignment) return {0, alignment};
  const auto octave = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2^octave < bytes ≤ 2^(octave+1)
  const std::size_t base = std::size_t{1} << octave;
  const std::size_t step = std::max(base / steps_per_octave, std::size_t{1});
  const std::size_t steps = (bytes - base + step - 1) / step;  // 1 … 4
  std::size_t rounded = base + steps * step;
  rounded = (rounded + alignment - 1) / alignment * alignment;
  return {(octave - smallest_octave) * steps_per_octave + steps, rounded};
}

class CachingAllocator {
 public:
  void* allocate(std::size_t bytes) {
    const SizeClass wanted = size_class(bytes);
    const std::lock_guard lock(mutex_);
    if (wanted.index >= class_count) refuse(bytes);
    ++stats_.allocations;
    for (std::size_t i = wanted.index; i < std::min(wanted.index + reuse_reach + 1, class_count); ++i) {
      if (free_[i].empty()) continue;
      Block* block = free_[i].back();
      free_[i].pop_back();
      stats_.cached_bytes -= block->bytes;
      return activate(block, bytes);
    }
    ++stats_.system_allocations;
    void* memory = std::aligned_alloc(alignment, wanted.bytes + alignment);
    if (memory == nullptr) {
      release_all();
      memory = std::aligned_alloc(alignment, wanted.bytes + alignment);
      if (memory == nullptr) refuse(bytes);
    }
    return activate(new (memory) Block{wanted.bytes, wanted.index}, bytes);
  }

  void deallocate(void* memory) noexcept {
    if (memory == nullptr) return;
    Block* block = header(memory);
    const std::lock_guard lock(mutex_);
    stats_.active_bytes -= block->bytes;
    if (stats_.cached_bytes + block->bytes > limit_) {
      give_back(block);
      return;
    }
    auto& list = free_[block->size_class];
    try {
      list.push_back(block);
      stats_.cached_bytes += block->bytes;
      poison(memory, block->bytes);
    } catch (...) {
      give_back(block);
    }
  }

  MemoryStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.active_bytes;
  }
  void empty() {
    const std::lock_guard lock(mutex_);
    release_all();
  }
  void set_limit(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    limit_ = bytes;
    if (stats_.cached_bytes > limit_) release_all();
  }

 private:
  // Lies in the 64 bytes before the memory that is handed out: a block remembers its class, which may be
  // larger than the request it serves.
  struct Block {
    std::size_t bytes;
    std::size_t size_class;
  };
  static Block* header(void* memory) { return reinterpret_cast<Block*>(static_cast<char*>(memory) - alignment); }

  [[noreturn]] void refuse(std::size_t bytes) const {
    fail(ErrorKind::memory,
         "allocate: out of memory; got a request for {} bytes; {} bytes are in use; hint: smaller batches, or "
         "checkpoint()",
         bytes, stats_.active_bytes);
  }
  void* activate(Block* block, std::size_t requested) {
    char* memory = reinterpret_cast<char*>(block) + alignment;
    poison(memory, block->bytes);
    unpoison(memory, requested);
    stats_.active_bytes += block->bytes;
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.active_bytes);
    return memory;
  }
  static void give_back(Block* block) {
    unpoison(reinterpret_cast<char*>(block) + alignment, block->bytes);
    std::free(block);
  }
  void release_all() {
    for (auto& list : free_) {
      for (Block* block : list) give_back(block);
      list.clear();
      list.shrink_to_fit();
    }
    stats_.cached_bytes = 0;
  }

  std::mutex mutex_;
  std::array<std::vector<Block*>, class_count> free_;
  MemoryStats stats_;
  std::size_t limit_ = std::size_t{1} << 30;
};

// Never destroyed: tensors in static storage may outlive any other static object.
CachingAllocator& allocator() {
  static CachingAllocator* instance = new CachingAllocator;
  return *instance;
}

}  // namespace

MemoryStats memory_stats() { return allocator().stats(); }
void reset_peak_memory() { allocator().reset_peak(); }
void empty_cache() { allocator().empty(); }
void set_cache_limit(std::size_t bytes) { allocator().set_limit(bytes); }

void* allocate(std::size_t bytes) {
  void* memory = allocator().allocate(bytes);
#ifndef NDEBUG
  std::memset(memory, 0xff, bytes);  // all bits set are a NaN: a read of memory that nobody wrote shows up
#endif
  return memory;
}

void deallocate(void* memory, std::size_t) noexcept { allocator().deallocate(memory); }

}  // namespace saw
