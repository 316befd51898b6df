// The caching allocator: alignment, reuse, counters, limits, threads.

#include "saw/autograd/base/memory.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops/creation.h"
#include "support/tensors.h"

namespace {

using saw::memory_stats;

TEST_CASE("memory: every block is aligned to 64 bytes and as large as asked") {
  for (const std::size_t bytes : {0ul, 1ul, 63ul, 64ul, 65ul, 100ul, 128ul, 129ul, 1000ul, 4097ul, 1000003ul}) {
    char* memory = static_cast<char*>(saw::allocate(bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % 64 == 0);
    std::memset(memory, 1, bytes);
    saw::deallocate(memory, bytes);
  }
  saw::deallocate(nullptr, 0);
}

TEST_CASE("memory: blocks are used again") {
  saw::empty_cache();
  void* first = saw::allocate(100000);
  saw::deallocate(first, 100000);
  const auto before = memory_stats();
  void* second = saw::allocate(100000);
  CHECK(second == first);
  saw::deallocate(second, 100000);
  void* smaller = saw::allocate(90000);  // close enough to take the same block
  CHECK(smaller == first);
  const auto after = memory_stats();
  CHECK(after.allocations == before.allocations + 2);
  CHECK(after.system_allocations == before.system_allocations);
  void* tiny = saw::allocate(100);  // but a small request does not waste a large block
  CHECK(memory_stats().active_bytes - after.active_bytes <= 128);
  saw::deallocate(smaller, 90000);
  saw::deallocate(tiny, 100);
}

TEST_CASE("memory: no class wastes more than a quarter and a cache line") {
  for (std::size_t bytes = 1; bytes < (1u << 22); bytes = bytes * 5 / 4 + 1) {
    saw::empty_cache();
    const auto before = memory_stats().active_bytes;
    void* memory = saw::allocate(bytes);
    const std::size_t taken = memory_stats().active_bytes - before;
    CAPTURE(bytes);
    CHECK(taken >= bytes);
    CHECK(taken <= bytes + bytes / 4 + 64);
    saw::deallocate(memory, bytes);
  }
}

TEST_CASE("memory: counters") {
  saw::empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
  const auto before = memory_stats();
  saw::reset_peak_memory();
  CHECK(memory_stats().peak_bytes == before.active_bytes);
  {
    const saw::Tensor a = saw::zeros({1000}), b = saw::zeros({1000});
    const auto during = memory_stats();
    CHECK(during.active_bytes >= before.active_bytes + 8000);
    CHECK(during.peak_bytes == during.active_bytes);
    CHECK(during.allocations >= before.allocations + 2);
  }
  const auto after = memory_stats();
  CHECK(after.active_bytes == before.active_bytes);
  CHECK(after.peak_bytes >= before.active_bytes + 8000);
  CHECK(after.cached_bytes >= 8000);
  saw::reset_peak_memory();
  CHECK(memory_stats().peak_bytes == after.active_bytes);
  saw::empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
}

TEST_CASE("memory: the cache keeps to its limit") {
  saw::empty_cache();
  saw::set_cache_limit(100000);
  std::vector<void*> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(saw::allocate(30000));
  for (void* block : blocks) saw::deallocate(block, 30000);
  CHECK(memory_stats().cached_bytes <= 100000);
  CHECK(memory_stats().cached_bytes >= 60000);
  saw::set_cache_limit(1000);
  CHECK(memory_stats().cached_bytes <= 1000);
  saw::set_cache_limit(std::size_t{1} << 30);
}

TEST_CASE("memory: more than there is") {
  const std::string text = test::error_text([] { saw::allocate(std::size_t{1} << 60); });
  CHECK(text.find("allocate: out of memory; got a request for 1152921504606846976 bytes; ") == 0);
  void* memory = saw::allocate(100);  // and it goes on
  saw::deallocate(memory, 100);
}

TEST_CASE("memory: a tensor for which there is none says its shape and bytes, after the cache was given back") {
  if (test::sanitized()) return;  // the sanitizer ends the program instead
  saw::deallocate(saw::allocate(1000), 1000);
  REQUIRE(memory_stats().cached_bytes > 0);
  try {
    saw::Tensor::empty({std::int64_t{1} << 20, std::int64_t{1} << 25}, saw::float32);  // 2^47 bytes
    FAIL_CHECK("nothing was thrown");
  } catch (const saw::Error& error) {
    CHECK(error.kind() == saw::ErrorKind::memory);
    CHECK(std::string(error.what())
              .find("tensor: out of memory; got shape (1048576, 33554432) of float32, 140737488355328 bytes; ") == 0);
  }
  CHECK(memory_stats().cached_bytes == 0);
  CHECK(saw::zeros({10}).sum().item() == 0.0);
}

TEST_CASE("memory: views with more elements than can be counted are refused") {
  const std::int64_t many = std::int64_t{1} << 40;
  CHECK(test::error_text([&] {
          saw::zeros({1, 1}).expand({many, many});
        }).find("too many elements") != std::string::npos);
  CHECK(test::error_text([&] { saw::zeros({1}).expand({many, 1}); }) == "nothing was thrown");
}

TEST_CASE("memory: scratch lives as long as its scope") {
  const auto before = memory_stats().active_bytes;
  {
    saw::Scratch<double> scratch(100);
    CHECK(scratch.size() == 100);
    scratch[99] = 1.0;
    CHECK(scratch.data()[99] == 1.0);
    CHECK(memory_stats().active_bytes >= before + 800);
  }
  CHECK(memory_stats().active_bytes == before);
}

#ifndef NDEBUG
TEST_CASE("memory: fresh memory is NaN in debug builds") {
  float* memory = static_cast<float*>(saw::allocate(400));
  for (int i = 0; i < 100; ++i) {
    CHECK(std::isnan(memory[i]));
    memory[i] = 1.0f;
  }
  saw::deallocate(memory, 400);
  memory = static_cast<float*>(saw::allocate(400));
  CHECK(std::isnan(memory[50]));
  saw::deallocate(memory, 400);
}
#endif

TEST_CASE("memory: threads allocate and free what others allocated") {
  const auto before = memory_stats().active_bytes;
  constexpr int count = 2000;
  std::vector<unsigned char*> handed(count);
  const auto size = [](int i) { return static_cast<std::size_t>(64 + (i * 37) % 5000); };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; i < count; i += 4) {
        handed[static_cast<std::size_t>(i)] = static_cast<unsigned char*>(saw::allocate(size(i)));
        std::memset(handed[static_cast<std::size_t>(i)], i % 251, size(i));
        saw::deallocate(saw::allocate(size(i) / 2), size(i) / 2);
      }
    });
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  std::vector<int> broken(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = (t + 1) % 4; i < count; i += 4) {
        const unsigned char* memory = handed[static_cast<std::size_t>(i)];
        for (std::size_t j = 0; j < size(i); ++j) broken[static_cast<std::size_t>(t)] += memory[j] != i % 251;
        saw::deallocate(handed[static_cast<std::size_t>(i)], size(i));
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count_of_broken : broken) CHECK(count_of_broken == 0);
  CHECK(memory_stats().active_bytes == before);
}

}  // namespace
