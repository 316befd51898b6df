#include "saw/data/internal/stored_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <span>

#include "saw/autograd/base/internal/check.h"

namespace saw {
namespace data {
namespace {

static_assert(std::endian::native == std::endian::little, "files of little-endian elements are read as they are");

template <class T>
T swapped(T value) {
  auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<T>(bytes);
}

float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000U} << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1F, fraction = bits & 0x3FF;
  if (exponent == 0) {  // zero and the numbers below the smallest normal one: fraction · 2⁻²⁴
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 0x1F ? 0xFF : exponent + 112;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (fraction << 13));
}

template <class Stored>
std::int64_t to_int64(Stored value) {
  if constexpr (std::same_as<Stored, std::uint64_t>) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      throw BadElement{fmt::format("a number beyond int64; got {}", value)};
  }
  return static_cast<std::int64_t>(value);
}

bool to_bool(std::uint8_t value) {
  if (value > 1) throw BadElement{fmt::format("a bool that is neither 0 nor 1; got {}", value)};
  return value == 1;
}

using ReadElements = void (*)(bool big_endian, std::size_t count, const ReadBytes& read, void* result);

template <class T>
void read_same(bool big_endian, std::size_t count, const ReadBytes& read, void* result) {
  read(result, count * sizeof(T));
  const std::span all(static_cast<T*>(result), count);
  if (big_endian) std::transform(all.begin(), all.end(), all.begin(), swapped<T>);
}

template <class Stored, class T, auto convert>
void read_converted(bool big_endian, std::size_t count, const ReadBytes& read, void* result) {
  std::array<Stored, 8192> piece;
  T* next = static_cast<T*>(result);
  while (count > 0) {
    const std::span some(piece.data(), std::min(count, piece.size()));
    read(some.data(), some.size_bytes());
    if (big_endian) std::transform(some.begin(), some.end(), some.begin(), swapped<Stored>);
    next = std::transform(some.begin(), some.end(), next, convert);
    count -= some.size();
  }
}

template <class Stored>
constexpr ReadElements read_integers = read_converted<Stored, std::int64_t, to_int64<Stored>>;

struct About {
  const char* name;
  std::size_t bytes;
  DType loaded;
  ReadElements read;
};

// In the order of StoredType.
constexpr std::array<About, 13> all_types{{
    {"float32", 4, float32, read_same<float>},
    {"float64", 8, float64, read_same<double>},
    {"int64", 8, int64, read_same<std::int64_t>},
    {"bool", 1, boolean, read_converted<std::uint8_t, bool, to_bool>},
    {"float16", 2, float32, read_converted<std::uint16_t, float, from_float16>},
    {"bfloat16", 2, float32, read_converted<std::uint16_t, float, from_bfloat16>},
    {"int8", 1, int64, read_integers<std::int8_t>},
    {"int16", 2, int64, read_integers<std::int16_t>},
    {"int32", 4, int64, read_integers<std::int32_t>},
    {"uint8", 1, int64, read_integers<std::uint8_t>},
    {"uint16", 2, int64, read_integers<std::uint16_t>},
    {"uint32", 4, int64, read_integers<std::uint32_t>},
    {"uint64", 8, int64, read_integers<std::uint64_t>},
}};

const About& about(StoredType type) { return all_types[static_cast<std::size_t>(type)]; }

}  // namespace

const char* to_string(StoredType type) { return about(type).name; }

std::size_t size_of(StoredType type) { return about(type).bytes; }

DType loaded_dtype(StoredType type) { return about(type).loaded; }

StoredType stored_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return StoredType::float32;
    case DType::float64:
      return StoredType::float64;
    case DType::int64:
      return StoredType::int64;
    default:
      return StoredType::boolean;
  }
}

void read_elements(StoredType type, bool big_endian, std::size_t count, const ReadBytes& read, void* result) {
  about(type).read(big_endian, count, read, result);
}

}  // namespace data
}  // namespace saw
