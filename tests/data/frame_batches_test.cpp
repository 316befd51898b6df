#include "saw/data/frame_batches.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops.h"
#include "saw/data/batches.h"
#include "support/errors.h"
#include "support/tensors.h"

using namespace saw;
using data::FrameBatch;
using data::FrameBatches;
using data::FrameBatchOptions;
using Numbers = std::vector<std::int64_t>;

namespace {

std::int64_t length_of(std::int64_t utterance) { return 1 + utterance * 7 % 23; }

// (length, 3): row t of utterance u is (u, t, 0.5).
Tensor ramp(std::int64_t utterance, std::int64_t length) {
  const Tensor frames = Tensor::empty({length, 3}, float32);
  float* out = frames.mutable_data<float>();
  for (std::int64_t t = 0; t < length; ++t) {
    *out++ = static_cast<float>(utterance);
    *out++ = static_cast<float>(t);
    *out++ = 0.5f;
  }
  return frames;
}

Tensor source(std::int64_t utterance) { return ramp(utterance, length_of(utterance)); }

// Noise on every element, whose stream the generator gives.
Tensor add_noise(const Tensor& frames, Generator& generator) {
  const RandomStream random(generator);
  const Tensor noisy = frames.clone();
  float* values = noisy.mutable_data<float>();
  for (std::int64_t i = 0; i < noisy.numel(); ++i)
    values[i] += static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
  return noisy;
}

bool same(const FrameBatch& a, const FrameBatch& b) {
  return test::same_bits(a.frames, b.frames) && a.segments == b.segments && a.utterances == b.utterances;
}

float value(const FrameBatch& batch, std::int64_t row, std::int64_t column) {
  return batch.frames.data<float>()[row * 3 + column];
}

// Every segment holds consecutive frames of its utterance: all of them, or `crop`.
void check_content(const FrameBatch& batch, std::int64_t crop) {
  REQUIRE(batch.segments.count() == std::ssize(batch.utterances));
  REQUIRE(batch.frames.shape() == Shape{batch.segments.rows(), 3});
  for (std::int64_t b = 0; b < batch.segments.count(); ++b) {
    const std::int64_t utterance = batch.utterances[static_cast<std::size_t>(b)], length = length_of(utterance);
    CHECK(batch.segments.length(b) == (crop > 0 ? std::min(crop, length) : length));
    const float first = value(batch, batch.segments.begin(b), 1);
    for (std::int64_t row = batch.segments.begin(b); row < batch.segments.end(b); ++row) {
      CHECK(value(batch, row, 0) == static_cast<float>(utterance));
      CHECK(value(batch, row, 1) == first + static_cast<float>(row - batch.segments.begin(b)));
    }
    CHECK(first >= 0);
    CHECK(first + static_cast<float>(batch.segments.length(b)) <= static_cast<float>(length));
  }
}

}  // namespace

TEST_CASE("frame batches: each pass has every utterance once, and what is left over begins the next pass") {
  for (const std::int64_t crop : {0, 6}) {
    FrameBatches batches(10, source, {.batch = 4, .crop = crop, .seed = 3});
    Numbers read;
    for (int i = 0; i < 15; ++i) {
      const FrameBatch batch = batches.next();
      CHECK(batch.segments.count() == 4);
      check_content(batch, crop);
      read.insert(read.end(), batch.utterances.begin(), batch.utterances.end());
    }
    std::set<Numbers> passes;
    for (std::size_t begin = 0; begin < read.size(); begin += 10) {
      const Numbers pass(read.begin() + static_cast<std::ptrdiff_t>(begin),
                         read.begin() + static_cast<std::ptrdiff_t>(begin) + 10);
      CHECK(std::set<std::int64_t>(pass.begin(), pass.end()).size() == 10);
      passes.insert(pass);
    }
    CHECK(passes.size() == 6);  // another order each time
  }
}

TEST_CASE("frame batches: order and crops are drawn by a rule that stays") {
  // Whoever changes it breaks the repeatability of everybody's training.
  FrameBatches batches(10, source, {.batch = 4, .crop = 6, .seed = 3});
  Numbers expected;
  for (std::uint64_t pass = 0; pass < 4; ++pass) {
    Numbers order(10);
    std::iota(order.begin(), order.end(), 0);
    const RandomStream random(3, std::uint64_t{3} << 62 | pass);
    for (std::size_t i = 10; i > 1; --i)
      std::swap(order[i - 1], order[static_cast<std::size_t>(random.integer(i, 0, static_cast<std::int64_t>(i)))]);
    expected.insert(expected.end(), order.begin(), order.end());
  }
  for (std::uint64_t step = 0; step < 10; ++step) {
    const FrameBatch batch = batches.next();
    Generator generator(3, std::uint64_t{1} << 63 | step << 32);
    for (std::int64_t b = 0; b < 4; ++b) {
      const std::int64_t utterance = expected[static_cast<std::size_t>(step * 4) + static_cast<std::size_t>(b)];
      CHECK(batch.utterances[static_cast<std::size_t>(b)] == utterance);
      const std::int64_t spare = length_of(utterance) - 6;
      const std::int64_t begin = spare > 0 ? RandomStream(generator).integer(0, 0, spare + 1) : 0;
      CHECK(value(batch, batch.segments.begin(b), 1) == static_cast<float>(begin));
    }
  }
}

TEST_CASE("frame batches: a position that is restored gives exactly the next batch") {
  const auto partly_bad = [](std::int64_t utterance) {
    if (utterance == 3) throw Error(ErrorKind::io, "3.pt: damaged");
    if (utterance == 5) return Tensor::empty({4, 2}, float32);
    return source(utterance);
  };
  FrameBatchOptions options{.batch = 4, .crop = 5, .seed = 1, .skip_bad = true, .read_ahead = 3};
  FrameBatches whole(11, partly_bad, options, add_noise);
  std::vector<FrameBatch> all;
  for (int i = 0; i < 30; ++i) all.push_back(whole.next());
  for (const int stop : {0, 1, 2, 3, 9, 20}) {
    FrameBatches first(11, partly_bad, options, add_noise);
    for (int i = 0; i < stop; ++i) first.next();
    const std::string saved = to_string(first.position());
    options.read_ahead = stop % 3;
    FrameBatches second(11, partly_bad, options, add_noise);
    for (int i = 0; i < 7; ++i) second.next();
    second.restore(data::parse_batch_position(saved));
    CHECK(second.position() == first.position());
    for (int i = stop; i < 30; ++i) CHECK(same(second.next(), all[static_cast<std::size_t>(i)]));
  }
  options.crop = 6;
  FrameBatches other(11, partly_bad, options);
  CHECK(test::error_text(ErrorKind::argument, [&] {
          other.restore(whole.position());
        }).starts_with("frame_batches: the position belongs to other data or options"));
  data::BatchPosition impossible = other.position();
  impossible.example = 3;
  CHECK(test::error_text(ErrorKind::argument, [&] {
          other.restore(impossible);
        }).starts_with("frame_batches: not a position; got epoch 0"));
}

TEST_CASE("frame batches: a batch larger than the data set takes utterances more than once") {
  FrameBatches batches(3, source, {.batch = 8, .crop = 2});
  std::map<std::int64_t, int> times;
  for (int i = 0; i < 3; ++i)
    for (const std::int64_t utterance : batches.next().utterances) ++times[utterance];
  CHECK(times == std::map<std::int64_t, int>{{0, 8}, {1, 8}, {2, 8}});
}

TEST_CASE("frame batches: crops begin anywhere from 0 to T − crop, equally often") {
  FrameBatches batches(1, [](std::int64_t) { return ramp(0, 12); }, {.batch = 100, .crop = 8, .seed = 5});
  std::map<float, int> begins;
  for (int i = 0; i < 50; ++i) {
    const FrameBatch batch = batches.next();
    for (std::int64_t b = 0; b < 100; ++b) ++begins[value(batch, batch.segments.begin(b), 1)];
  }
  REQUIRE(begins.size() == 5);
  double chi_square = 0;
  for (const auto& [begin, count] : begins) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  CHECK(begins.begin()->first == 0);
  CHECK(begins.rbegin()->first == 4);
  CHECK(chi_square < 18.5);  // 4 degrees of freedom: exceeded once in a thousand
}

TEST_CASE("frame batches: a function of the seed, whatever is read ahead and with how many threads") {
  const auto read = [](std::int64_t read_ahead, int threads, std::uint64_t seed) {
    const test::Threads guard(threads);
    FrameBatches batches(17, source, {.batch = 5, .crop = 4, .seed = seed, .read_ahead = read_ahead}, add_noise);
    std::vector<FrameBatch> result;
    for (int i = 0; i < 12; ++i) result.push_back(batches.next());
    return result;
  };
  const std::vector<FrameBatch> first = read(0, 1, 11), other = read(0, 1, 12);
  bool differs = false;
  for (std::size_t i = 0; i < first.size(); ++i) differs = differs || !same(first[i], other[i]);
  CHECK(differs);
  for (const std::int64_t read_ahead : {0, 1, 8}) {
    for (const int threads : {1, 3}) {
      const std::vector<FrameBatch> again = read(read_ahead, threads, 11);
      for (std::size_t i = 0; i < first.size(); ++i) CHECK(same(first[i], again[i]));
    }
  }
}

TEST_CASE("frame batches: the transform sees crops, and may change their length and width") {
  FrameBatches batches(10, source, {.batch = 4, .crop = 6}, [](const Tensor& frames, Generator&) {
    CHECK(frames.size(0) <= 6);
    CHECK_FALSE(frames.requires_grad());
    const Tensor doubled = cat({frames, frames}, 1);
    return cat({doubled, doubled}, 0);
  });
  const FrameBatch batch = batches.next();
  CHECK(batch.frames.size(1) == 6);
  for (std::int64_t b = 0; b < 4; ++b)
    CHECK(batch.segments.length(b) ==
          2 * std::min<std::int64_t>(6, length_of(batch.utterances[static_cast<std::size_t>(b)])));
}

TEST_CASE("frame batches: what reading throws comes out of next() after the batches before it, and stays") {
  for (const std::int64_t read_ahead : {0, 1, 8}) {
    CAPTURE(read_ahead);
    std::atomic<int> calls{0};
    FrameBatches batches(10,
                         [&](std::int64_t utterance) {
                           if (++calls > 10) throw std::runtime_error("the disk is gone");
                           return source(utterance);
                         },
                         {.batch = 4, .read_ahead = read_ahead});
    check_content(batches.next(), 0);
    check_content(batches.next(), 0);
    for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH_AS(batches.next(), "the disk is gone", std::runtime_error);
    CHECK(batches.skipped().empty());
  }
}

TEST_CASE("frame batches: skip_bad leaves out what cannot be read, and says what") {
  std::atomic<int> bad_reads{0};
  const auto partly_bad = [&](std::int64_t utterance) {
    if (utterance == 3) {
      ++bad_reads;
      throw Error(ErrorKind::io, "3.pt: damaged");
    }
    if (utterance == 5) return Tensor::empty({4, 2}, float32);  // not as wide as the others
    if (utterance == 7) return Tensor::empty({0, 3}, float32);
    return source(utterance);
  };
  std::vector<std::vector<FrameBatch>> runs;
  for (const std::int64_t read_ahead : {0, 2}) {
    FrameBatches batches(12, partly_bad,
                         {.batch = 4, .crop = 5, .seed = 1, .skip_bad = true, .read_ahead = read_ahead});
    runs.emplace_back();
    for (int i = 0; i < 20; ++i) {
      runs.back().push_back(batches.next());
      check_content(runs.back().back(), 5);
      for (const std::int64_t utterance : runs.back().back().utterances)
        CHECK((utterance != 3 && utterance != 5 && utterance != 7));
    }
    const auto skipped = batches.skipped();
    REQUIRE(skipped.size() == 3);
    std::map<std::int64_t, std::string> reasons;
    for (const auto& [utterance, reason] : skipped) reasons[utterance] = reason;
    CHECK(reasons[3] == "3.pt: damaged");
    CHECK(reasons[5] ==
          "frame_batches: source: features of utterance 5; got (4, 2); expected (frames, 3) as the others have");
    CHECK(reasons[7] ==
          "frame_batches: source: features of utterance 7; got (0, 3); expected (frames, features), at least one of "
          "each");
  }
  CHECK(bad_reads == 2);  // once in each run
  for (std::size_t i = 0; i < runs[0].size(); ++i) CHECK(same(runs[0][i], runs[1][i]));

  FrameBatches strict(12, partly_bad, {.batch = 12, .read_ahead = 2});
  test::error_text(ErrorKind::io, [&] {
    for (;;) strict.next();
  });
}

TEST_CASE("frame batches: only errors of saw are skipped, and never a program's mistake") {
  const auto raise = [](auto error) { return [error](std::int64_t) -> Tensor { throw error; }; };
  const FrameBatchOptions options{.batch = 2, .skip_bad = true};
  FrameBatches memory(4, raise(std::bad_alloc()), options);
  CHECK_THROWS_AS(memory.next(), std::bad_alloc);
  FrameBatches internal(4, raise(Error(ErrorKind::internal, "a defect")), options);
  test::error_text(ErrorKind::internal, [&] { internal.next(); });
  FrameBatches transform(4, source, options,
                         [](const Tensor&, Generator&) -> Tensor { throw Error(ErrorKind::argument, "a bad option"); });
  CHECK(test::error_text(ErrorKind::argument, [&] { transform.next(); }) == "a bad option");
}

TEST_CASE("frame batches: when all utterances are bad, that is an error") {
  for (const std::int64_t read_ahead : {0, 4}) {
    FrameBatches batches(3, [](std::int64_t) -> Tensor { throw Error(ErrorKind::io, "x.pt: damaged"); },
                         {.batch = 2, .skip_bad = true, .read_ahead = read_ahead});
    CHECK(test::error_text(ErrorKind::io, [&] { batches.next(); }) ==
          "frame_batches: none of the 3 utterances can be read; the first: x.pt: damaged");
    CHECK(batches.skipped().size() == 3);
  }
}

TEST_CASE("frame batches: no more is read than read_ahead says") {
  std::atomic<int> calls{0};
  FrameBatches batches(10,
                       [&](std::int64_t utterance) {
                         ++calls;
                         return source(utterance);
                       },
                       {.batch = 4, .read_ahead = 3});
  const auto settles_at = [&](int expected) {
    while (calls < expected) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // for a call too many
    return calls == expected;
  };
  CHECK(settles_at(12));
  batches.next();
  CHECK(settles_at(16));
}

TEST_CASE("frame batches: destruction is prompt with a full queue, in the middle of a batch, and before any use") {
  const auto begin = std::chrono::steady_clock::now();
  {
    FrameBatches full(10, source, {.batch = 2, .read_ahead = 1});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  {
    std::atomic<bool> reading{false};
    FrameBatches slow(10,
                      [&](std::int64_t utterance) {
                        reading = true;
                        std::this_thread::sleep_for(std::chrono::milliseconds(20));
                        return source(utterance);
                      },
                      {.batch = 100000});
    while (!reading) std::this_thread::yield();
  }
  for (int i = 0; i < 20; ++i) FrameBatches unused(10, source, {.batch = 2});
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));  // the slow batch takes half an hour
}

TEST_CASE("frame batches: reading in the background while this thread computes and trains") {
  const auto filtered = [](const Tensor& frames, Generator& generator) {
    const Tensor wide = add_noise(cat(TensorList(40, frames), 0), generator);
    return softmax(matmul(wide, Tensor::empty({3, 64}, float32).fill_(0.125)), 1);  // loops with several chunks
  };
  const test::Threads guard(3);
  const auto train = [&](std::int64_t read_ahead) {
    FrameBatches batches(30, source, {.batch = 8, .crop = 16, .seed = 2, .read_ahead = read_ahead}, filtered);
    const Tensor weight = Tensor::empty({64, 64}, float32).fill_(0.01);
    weight.set_requires_grad(true);
    for (int step = 0; step < 12; ++step) {
      const FrameBatch batch = batches.next();
      const Tensor y = tanh(matmul(batch.frames, weight));
      mean(y * y).backward();
      const NoGradGuard no_grad;
      weight.add_(weight.grad(), -0.1);
      weight.zero_grad();
    }
    return weight.detach();
  };
  CHECK(test::same_bits(train(0), train(4)));
}

TEST_CASE("frame batches: memory reaches a steady state") {
  // 400 frames at most, of 3 numbers: the batch is 64 × 128 frames.
  const auto long_source = [](std::int64_t utterance) { return ramp(utterance, 100 + utterance * 37 % 301); };
  const std::size_t before = memory_stats().active_bytes;
  {
    FrameBatches batches(500, long_source, {.batch = 64, .crop = 128, .seed = 9}, add_noise);
    const auto read = [&](int count) {
      for (int i = 0; i < count; ++i) batches.next();
    };
    read(50);
    reset_peak_memory();
    const auto warm = memory_stats();
    read(200);
    const auto later = memory_stats();
    CHECK(later.system_allocations - warm.system_allocations <= 8);
    // Four batches and the one that is being made, as crops and packed.
    CHECK(later.peak_bytes - before < 7 * 64 * 128 * 3 * sizeof(float) * 5 / 4);
  }
  CHECK(memory_stats().active_bytes == before);
}

TEST_CASE("frame batches: bad options") {
  const auto error = [](std::int64_t count, const FrameBatchOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { FrameBatches batches(count, source, options); });
  };
  CHECK(error(0, {}) == "frame_batches: number of utterances; got 0; expected at least 1");
  CHECK(error(1, {.batch = 0}) == "frame_batches: batch; got 0; expected at least 1");
  CHECK(error(1, {.crop = -1}) == "frame_batches: crop; got -1; expected at least 0");
  CHECK(error(1, {.read_ahead = -1}) == "frame_batches: read_ahead; got -1; expected at least 0");
  CHECK(test::error_text(ErrorKind::argument, [] { FrameBatches batches(1, {}, {}); }) ==
        "frame_batches: the source is empty");
}

TEST_CASE("frame batches: evaluation takes whole utterances, in the order that is asked for") {
  Numbers lengths;
  for (std::int64_t i = 0; i < 40; ++i) lengths.push_back(length_of(i));
  Numbers seen;
  std::int64_t longest = 0;
  for (const Numbers& numbers : data::token_batches(lengths, {.tokens = 60, .bucket = 0})) {
    const FrameBatch batch = data::frame_batch(source, numbers);
    CHECK(batch.utterances == numbers);
    CHECK(batch.segments.rows() <= 60);
    check_content(batch, 0);
    for (std::int64_t b = 0; b < batch.segments.count(); ++b) {
      CHECK(batch.segments.length(b) >= longest);
      longest = batch.segments.length(b);
    }
    seen.insert(seen.end(), numbers.begin(), numbers.end());
  }
  CHECK(std::set<std::int64_t>(seen.begin(), seen.end()).size() == 40);
  CHECK(seen.size() == 40);
  const auto odd = [](std::int64_t utterance) { return Tensor::empty({2, utterance}, float32); };
  CHECK(test::error_text(ErrorKind::shape, [&] {
          data::frame_batch(odd, Numbers{4, 5});
        }) == "frame_batch: source: features of utterance 5; got (2, 5); expected (frames, 4) as the others have");
  CHECK(test::error_text(ErrorKind::dtype, [&] {
          data::frame_batch([](std::int64_t) { return Tensor::empty({2, 2}, float64); }, Numbers{0});
        }) == "frame_batch: source: features of utterance 0; got float64; expected float32");
}
