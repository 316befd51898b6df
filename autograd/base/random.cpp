#include "saw/autograd/base/random.h"

#include <cmath>
#include <numbers>

#include "saw/autograd/base/internal/in_range.h"

namespace saw {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high) {
  std::uint32_t c0 = static_cast<std::uint32_t>(counter_low), c1 = static_cast<std::uint32_t>(counter_low >> 32);
  std::uint32_t c2 = static_cast<std::uint32_t>(counter_high), c3 = static_cast<std::uint32_t>(counter_high >> 32);
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

std::uint64_t RandomStream::word(std::uint64_t i) const {
  const auto words = block(i / 2);
  const std::size_t at = (i % 2) * 2;
  return (std::uint64_t{words[at + 1]} << 32) | words[at];
}

double RandomStream::uniform(std::uint64_t i) const { return static_cast<double>(word(i) >> 11) * 0x1.0p-53; }

double RandomStream::normal(std::uint64_t i) const {
  const double radius_draw = 1.0 - uniform(2 * i);  // (0, 1]: the logarithm stays finite
  const double angle_draw = uniform(2 * i + 1);
  return std::sqrt(-2.0 * std::log(radius_draw)) * std::cos(2.0 * std::numbers::pi * angle_draw);
}

std::int64_t RandomStream::integer(std::uint64_t i, std::int64_t low, std::int64_t high) const {
  return in_range(word(i), low, high);
}

Generator& default_generator() {
  thread_local Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator().seed(seed); }

GeneratorGuard::GeneratorGuard(Generator generator) : saved_(default_generator()) { default_generator() = generator; }
GeneratorGuard::~GeneratorGuard() { default_generator() = saved_; }

}  // namespace saw
