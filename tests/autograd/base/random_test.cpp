// Philox and what is drawn from it.

#include "saw/autograd/base/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/dropout.h"
#include "support/tensors.h"

namespace {

using Words = std::array<std::uint32_t, 4>;

TEST_CASE("random: Philox 4×32-10 gives its known answers") {
  // Known-answer vectors of Random123 (Salmon et al. 2011): counter, key → output.
  CHECK(saw::philox(0, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(saw::philox(~0ull, ~0ull, ~0ull) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(saw::philox(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a stream is a function of seed, stream and index") {
  const saw::RandomStream a(3, 4), b(3, 4), other_stream(3, 5), other_seed(4, 4);
  int same_stream = 0, same_seed = 0, repeated = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    CHECK(a.word(i) == b.word(i));
    same_stream += a.word(i) == other_stream.word(i);
    same_seed += a.word(i) == other_seed.word(i);
    repeated += i > 0 && a.word(i) == a.word(i - 1);
  }
  CHECK(same_stream == 0);
  CHECK(same_seed == 0);
  CHECK(repeated == 0);
}

TEST_CASE("random: moments of uniform and normal numbers") {
  constexpr std::uint64_t count = 200000;
  const saw::RandomStream stream(1, 2);
  double sum[4] = {}, uniform_sum = 0, uniform_square = 0, product = 0;
  bool inside = true;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double u = stream.uniform(i), n = stream.normal(i);
    inside = inside && u >= 0 && u < 1 && std::isfinite(n);
    uniform_sum += u;
    uniform_square += u * u;
    product += n * stream.normal(i + 1);
    double power = 1;
    for (double& moment : sum) moment += power *= n;
  }
  CHECK(inside);
  const double n = static_cast<double>(count);
  // Five standard errors of each estimate.
  CHECK(std::abs(uniform_sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(std::abs(uniform_square / n - 1.0 / 3) < 5 * std::sqrt((1.0 / 5 - 1.0 / 9) / n));
  CHECK(std::abs(sum[0] / n) < 5 * std::sqrt(1 / n));
  CHECK(std::abs(sum[1] / n - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(sum[2] / n) < 5 * std::sqrt(15 / n));
  CHECK(std::abs(sum[3] / n - 3) < 5 * std::sqrt(96 / n));
  CHECK(std::abs(product / n) < 5 * std::sqrt(1 / n));
}

TEST_CASE("random: integers fill their range evenly") {
  constexpr int count = 70000;
  const saw::RandomStream stream(9, 0);
  std::vector<int> seen(7);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::int64_t value = stream.integer(i, -3, 4);
    REQUIRE((value >= -3 && value < 4));
    ++seen[static_cast<std::size_t>(value + 3)];
  }
  double chi_square = 0;
  for (const int times : seen) chi_square += (times - count / 7.0) * (times - count / 7.0) / (count / 7.0);
  CHECK(chi_square < 33.1);  // 1 in 100,000 for 6 degrees of freedom
  CHECK(stream.integer(0, 5, 6) == 5);
}

TEST_CASE("random: integers of the widest range") {
  const std::int64_t low = std::numeric_limits<std::int64_t>::min(), high = std::numeric_limits<std::int64_t>::max();
  const saw::RandomStream stream(1, 2);
  bool negative = false, positive = false;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::int64_t value = stream.integer(i, low, high);
    negative = negative || value < low / 2;
    positive = positive || value > high / 2;
  }
  CHECK(negative);
  CHECK(positive);
}

TEST_CASE("random: generators hand out streams, and can be copied and resumed") {
  saw::Generator generator(8);
  CHECK(generator.next_stream() == 0);
  CHECK(generator.next_stream() == 1);
  saw::Generator copy = generator;
  CHECK(test::same_bits(saw::rand({10}, generator), saw::rand({10}, copy)));
  saw::Generator resumed(generator.seed(), generator.position());
  CHECK(test::same_bits(saw::randn({10}, generator), saw::randn({10}, resumed)));
  generator.seed(8);
  CHECK(generator.position() == 0);
}

TEST_CASE("random: the default generator is a thread's own, seeded and guarded") {
  saw::manual_seed(3);
  const saw::Tensor first = saw::rand({5});
  saw::Tensor inside, elsewhere;
  {
    const saw::GeneratorGuard guard(saw::Generator(3));
    inside = saw::rand({5});
  }
  const saw::Tensor second = saw::rand({5});
  saw::manual_seed(3);
  CHECK(test::same_bits(saw::rand({5}), first));
  CHECK(test::same_bits(inside, first));
  CHECK(test::same_bits(saw::rand({5}), second));
  std::thread([&] {
    saw::manual_seed(3);
    elsewhere = saw::rand({5});
  }).join();
  CHECK(test::same_bits(elsewhere, first));
}

TEST_CASE("random: what is drawn does not depend on the number of threads") {
  saw::TensorList first;
  for (const int threads : {1, 2, 3}) {
    const test::Threads scope(threads);
    saw::Generator generator(12);
    const saw::Tensor ones = saw::ones({300, 1000});
    saw::TensorList drawn{saw::rand({300000}, generator),
                          saw::randn({300, 1000}, generator),
                          saw::randn({100000}, generator, saw::float64),
                          saw::randint(0, 1000, {200000}, generator),
                          saw::randperm(100000, generator),
                          saw::dropout(ones, 0.3, generator)};
    if (threads == 1)
      first = drawn;
    else
      CHECK(test::same_bits(first, drawn));
  }
}

TEST_CASE("random: dropout drops its share and keeps the mean") {
  saw::Generator generator(2);
  const auto values = saw::dropout(saw::ones({100000}), 0.3, generator).to_vector<float>();
  double kept = 0;
  for (const float value : values) {
    const bool known = value == 0.0f || value == doctest::Approx(1 / 0.7).epsilon(1e-6);
    REQUIRE(known);
    kept += value != 0.0f;
  }
  CHECK(std::abs(kept / 100000 - 0.7) < 5 * std::sqrt(0.3 * 0.7 / 100000));
}

}  // namespace
