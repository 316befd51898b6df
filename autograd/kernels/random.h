#pragma once

// For sources, not for users: Philox (see autograd/random.h), many counters at once.

#include <cstdint>

namespace saw::kernels {

/// Which elements of a stream are kept: those whose 32-bit word (word i mod 4 of block i / 4) is at least `threshold`.
struct KeepMask {
  std::uint64_t seed;
  std::uint64_t stream;
  std::uint32_t threshold;
};

/// y[i] = x[i]·scale where element begin + i of the stream is kept, else 0. `begin` must be a multiple of 8. y may be
/// x. `kept`, unless null, gets which ones were: bit i mod 8 of byte i / 8,
/// with room for eight bytes more. T is float or double, here and below.
template <class T>
void keep_scaled(const KeepMask& mask, std::int64_t begin, std::int64_t count, const T* x, T scale, T* y,
                 std::uint8_t* kept);
/// The same with what `kept` says.
template <class T>
void keep_scaled(const std::uint8_t* kept, std::int64_t count, const T* x, T scale, T* y);

/// `count` words of a stream from word `begin` on, a multiple of 4.
void random_words(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count,
                  std::uint32_t* words);

/// Elements begin … begin + count − 1 of a stream of uniform numbers in [0, 1): a float is made of the leading 24 bits
/// of its word, a double of the leading 53 bits of its two words. `begin` must be a multiple of 4.
template <class T>
void random_uniform(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out);

/// The same for standard normal numbers (Box & Muller 1958): of the numbers a and b of a pair, each of one word for
/// floats and of two for doubles, come √(−2·log a)·cos 2πb and √(−2·log a)·sin 2πb.
template <class T>
void random_normal(std::uint64_t seed, std::uint64_t stream, std::int64_t begin, std::int64_t count, T* out);

}  // namespace saw::kernels
