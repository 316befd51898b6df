#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace saw {
namespace data {

/// The longest header that the format allows.
inline constexpr std::uint64_t safetensors_longest_header = 100'000'000;
inline constexpr const char* safetensors_metadata_key = "__metadata__";

struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< the tensor's bytes, from the end of the header on
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< as they are in the file
  std::map<std::string, std::string> metadata;
};

/// The header's JSON, checked for its form: every entry complete, nothing repeated. What the numbers mean is not
/// checked. Throws Error(io) that begins with `path`.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path);

/// The header's JSON, padded with spaces to a multiple of 8 bytes.
std::string write_safetensors_header(const SafetensorsHeader& header);

}  // namespace data
}  // namespace saw
