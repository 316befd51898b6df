#pragma once

#include <array>
#include <cstdint>

namespace [[gnu::visibility("default")]] saw {

/// Philox 4×32-10 (Salmon et al. 2011): four random words for a key and a counter, with no state between calls.
/// Element i of a stream is a function of (seed, stream, i) alone, so threads never change what is drawn.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high);

/// A seed and the number of the next stream: everything random draws one stream from a generator.
/// Copying it copies its future. Save seed() and position() to resume exactly.
class Generator {
 public:
  /// Begins with stream `position` of the seed.
  explicit Generator(std::uint64_t seed = 0, std::uint64_t position = 0) : seed_(seed), position_(position) {}

  std::uint64_t seed() const { return seed_; }          ///< what it was seeded with
  std::uint64_t position() const { return position_; }  ///< the number of the next stream
  /// Seeds it anew: the next stream is number 0.
  void seed(std::uint64_t seed) {
    seed_ = seed;
    position_ = 0;
  }
  /// Takes the next stream for oneself.
  std::uint64_t next_stream() { return position_++; }

 private:
  std::uint64_t seed_;
  std::uint64_t position_;
};

/// One stream of numbers: word(i), uniform(i), normal(i) are functions of i.
class RandomStream {
 public:
  /// Stream number `stream` of a seed; takes nothing from any generator.
  RandomStream(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}
  /// The next stream of a generator.
  explicit RandomStream(Generator& generator) : RandomStream(generator.seed(), generator.next_stream()) {}

  std::uint64_t seed() const { return seed_; }      ///< of the generator it came from
  std::uint64_t stream() const { return stream_; }  ///< its number
  /// The four words of block `block`: elements 4·block … 4·block+3 of a 32-bit stream.
  std::array<std::uint32_t, 4> block(std::uint64_t block) const { return philox(seed_, block, stream_); }
  std::uint64_t word(std::uint64_t i) const;                                         ///< 64 random bits
  double uniform(std::uint64_t i) const;                                             ///< in [0, 1), 53 bits
  double normal(std::uint64_t i) const;                                              ///< standard normal (Box–Muller)
  std::int64_t integer(std::uint64_t i, std::int64_t low, std::int64_t high) const;  ///< in [low, high)

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
};

/// The generator of this thread: what initialisation, dropout and rand() draw from unless given another.
Generator& default_generator();

/// Seeds default_generator() of this thread.
void manual_seed(std::uint64_t seed);

/// Replaces this thread's default_generator() for a scope.
class GeneratorGuard {
 public:
  /// Draws come from a copy of this one.
  explicit GeneratorGuard(Generator generator);
  ~GeneratorGuard();
  GeneratorGuard(const GeneratorGuard&) = delete;
  GeneratorGuard& operator=(const GeneratorGuard&) = delete;

 private:
  Generator saved_;
};

}  // namespace saw
