#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "saw/autograd/base/dtype.h"

namespace saw {
namespace data {

/// Element types as files have them.
enum class StoredType : std::uint8_t {
  float32,
  float64,
  int64,
  boolean,
  float16,
  bfloat16,
  int8,
  int16,
  int32,
  uint8,
  uint16,
  uint32,
  uint64
};

/// "float32", …, "bool".
const char* to_string(StoredType type);

/// Bytes per element in the file.
std::size_t size_of(StoredType type);

/// What elements become in memory: the dtypes of saw stay themselves, small floats become float32, integers int64.
DType loaded_dtype(StoredType type);

/// How a dtype of saw is written.
StoredType stored_type(DType dtype);

/// Thrown by read_elements, which does not know what it reads: the caller says the file and the name.
struct BadElement {
  std::string what;
};

/// Hands out the next bytes of a file, exactly as many as asked for.
using ReadBytes = std::function<void(void* bytes, std::size_t count)>;

/// Reads `count` elements and converts them to loaded_dtype(type) at `result`; `big_endian` says how they are stored.
/// Throws BadElement for a bool other than 0 and 1 and for a uint64 beyond int64.
void read_elements(StoredType type, bool big_endian, std::size_t count, const ReadBytes& read, void* result);

}  // namespace data
}  // namespace saw
