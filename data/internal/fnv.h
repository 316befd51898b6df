#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace saw {
namespace data {

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo).
class Fnv {
 public:
  Fnv& add(std::string_view bytes) {
    for (const char byte : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
    return *this;
  }
  /// The bytes of the number, the lowest first, on every platform.
  Fnv& add(std::int64_t number) {
    for (int shift = 0; shift < 64; shift += 8)
      hash_ = (hash_ ^ (static_cast<std::uint64_t>(number) >> shift & 0xFF)) * 0x100000001B3;
    return *this;
  }
  Fnv& add(std::span<const std::int64_t> numbers) {
    for (const std::int64_t number : numbers) add(number);
    return *this;
  }
  std::uint64_t value() const { return hash_; }
  /// Without the sign bit.
  std::int64_t number() const { return static_cast<std::int64_t>(hash_ >> 1); }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325;
};

}  // namespace data
}  // namespace saw
