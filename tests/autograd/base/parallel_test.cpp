// parallel_for: chunks that do not depend on threads, exceptions, nesting, denormals.

#include "saw/autograd/base/parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "saw/autograd/base/error.h"
#include "support/tensors.h"

namespace {

using Chunk = std::pair<std::int64_t, std::int64_t>;

std::vector<Chunk> chunks(std::int64_t begin, std::int64_t end, std::int64_t grain, int threads) {
  const test::Threads scope(threads);
  std::mutex mutex;
  std::vector<Chunk> seen;
  saw::parallel_for(begin, end, grain, [&](std::int64_t b, std::int64_t e) {
    const std::lock_guard lock(mutex);
    seen.emplace_back(b, e);
  });
  std::sort(seen.begin(), seen.end());
  return seen;
}

TEST_CASE("parallel_for: chunks are the same for every number of threads") {
  const std::vector<Chunk> expected{{3, 10}, {10, 17}, {17, 24}, {24, 25}};
  for (const int threads : {1, 2, 3, 8}) CHECK(chunks(3, 25, 7, threads) == expected);
  for (const int threads : {1, 2}) {
    CHECK(chunks(0, 0, 4, threads).empty());
    CHECK(chunks(5, 3, 4, threads).empty());
    CHECK(chunks(0, 4, 100, threads) == std::vector<Chunk>{{0, 4}});
    CHECK(chunks(0, 2, 0, threads) == std::vector<Chunk>{{0, 1}, {1, 2}});
    CHECK(chunks(0, 1000, 1, threads).size() == 1000);
  }
}

TEST_CASE("parallel_for: a grain as large as can be is one chunk") {
  for (const std::int64_t grain : {std::numeric_limits<std::int64_t>::max(), std::int64_t{11}}) {
    std::vector<std::pair<std::int64_t, std::int64_t>> calls;
    saw::parallel_for(5, 15, grain, [&](std::int64_t begin, std::int64_t end) { calls.emplace_back(begin, end); });
    CHECK(calls == std::vector<std::pair<std::int64_t, std::int64_t>>{{5, 15}});
  }
}

TEST_CASE("parallel_for: several threads take part") {
  const test::Threads scope(2);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  saw::parallel_for(0, 200, 1, [&](std::int64_t, std::int64_t) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(ids.size() == 2);
}

TEST_CASE("parallel_for: an exception is rethrown when all chunks have stopped") {
  for (const int threads : {1, 2, 3}) {
    const test::Threads scope(threads);
    std::atomic<int> inside{0};
    const std::string text = test::error_text([&] {
      saw::parallel_for(0, 100, 1, [&](std::int64_t b, std::int64_t) {
        ++inside;
        if (b == 5) {
          --inside;
          throw std::runtime_error("chunk 5");
        }
        --inside;
      });
    });
    CHECK(text == "chunk 5");
    CHECK(inside == 0);
    std::int64_t sum = 0;  // and it works afterwards
    saw::parallel_for(0, 10, 100, [&](std::int64_t b, std::int64_t e) { sum += e - b; });
    CHECK(sum == 10);
    CHECK(chunks(0, 10, 1, threads).size() == 10);
  }
}

TEST_CASE("parallel_for: one inside another runs on the same thread") {
  const test::Threads scope(3);
  std::atomic<bool> elsewhere{false};
  std::atomic<int> calls{0};
  saw::parallel_for(0, 6, 1, [&](std::int64_t, std::int64_t) {
    const auto outer = std::this_thread::get_id();
    saw::parallel_for(0, 5, 1, [&](std::int64_t, std::int64_t) {
      ++calls;
      if (std::this_thread::get_id() != outer) elsewhere = true;
    });
  });
  CHECK(calls == 30);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("parallel_for: from two threads of the user's at once") {
  std::atomic<std::int64_t> sum{0};
  const auto work = [&] {
    for (int repeat = 0; repeat < 50; ++repeat)
      saw::parallel_for(0, 100, 7, [&](std::int64_t b, std::int64_t e) { sum += e - b; });
  };
  const test::Threads scope(2);
  std::thread other(work);
  work();
  other.join();
  CHECK(sum == 2 * 50 * 100);
}

TEST_CASE("set_num_threads: mistakes") {
  const int before = saw::num_threads();
  CHECK(before >= 1);
  CHECK(test::error_text([] { saw::set_num_threads(0); }) == "set_num_threads: the number must be positive; got 0");
  CHECK(test::error_text([] { saw::set_num_threads(-2); }).find("got -2") != std::string::npos);
  {
    const test::Threads scope(2);
    CHECK(test::error_text([] {
            saw::parallel_for(0, 4, 1, [](std::int64_t, std::int64_t) { saw::set_num_threads(3); });
          }) == "set_num_threads: called from inside parallel_for");
    CHECK(saw::num_threads() == 2);
  }
  {
    const test::Threads scope(1);
    CHECK(test::error_text([] {
            saw::parallel_for(0, 4, 1, [](std::int64_t, std::int64_t) { saw::set_num_threads(3); });
          }) == "set_num_threads: called from inside parallel_for");
  }
  CHECK(saw::num_threads() == before);
}

#if defined(__SSE__)
TEST_CASE("parallel_for: denormals are flushed inside, and only there") {
  // Without the flags that arithmetic leaves behind.
  const auto control = [] { return _mm_getcsr() & ~0x3fu; };
  const unsigned before = control();
  const volatile float small = std::numeric_limits<float>::min();
  for (const int threads : {1, 2}) {
    const test::Threads scope(threads);
    std::atomic<int> kept{0};
    const auto work = [&](std::int64_t, std::int64_t) {
      const volatile float half = small * 0.5f;
      if (half != 0.0f) ++kept;
    };
    saw::parallel_for(0, 64, 1, work);
    CHECK(kept == 0);
    CHECK(control() == before);
    CHECK(test::error_text([] {
            saw::parallel_for(0, 4, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("x"); });
          }) == "x");
    CHECK(control() == before);
    const volatile float half = small * 0.5f;
    CHECK(half != 0.0f);
  }
}
#endif

}  // namespace
