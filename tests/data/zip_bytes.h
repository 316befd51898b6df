#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test {

// A number as its bytes in memory, which is how zip, pickle and NumPy write it.
template <class T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes;
  for (const T value : values) bytes += bytes_of(value);
  return bytes;
}

// An entry of a zip archive as a writer, honest or not, may put it there.
struct ZipEntry {
  std::string name;
  std::string content;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::optional<std::uint32_t> checksum = std::nullopt;
  std::optional<std::uint32_t> size = std::nullopt;         // that the directory says it has
  std::optional<std::uint32_t> stored_size = std::nullopt;  // that the directory says it takes
  std::optional<std::size_t> same_place_as = std::nullopt;  // an earlier entry, in whose place this one claims to lie
};

inline std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

// An archive without Zip64, without data descriptors, without alignment: the simplest that the format allows.
inline std::string zip_bytes(const std::vector<ZipEntry>& entries) {
  std::string file, directory;
  std::vector<std::uint32_t> offsets;
  for (const ZipEntry& entry : entries) {
    const auto size = entry.size.value_or(static_cast<std::uint32_t>(entry.content.size()));
    const auto stored = entry.stored_size.value_or(static_cast<std::uint32_t>(entry.content.size()));
    const std::string common = bytes_of<std::uint16_t>(20) + bytes_of(entry.flags) + bytes_of(entry.method) +
                               bytes_of<std::uint32_t>(0x00210000) +
                               bytes_of(entry.checksum.value_or(crc32(entry.content))) + bytes_of(stored) +
                               bytes_of(size) + bytes_of(static_cast<std::uint16_t>(entry.name.size())) +
                               bytes_of<std::uint16_t>(0);
    const bool placed = entry.same_place_as.has_value();
    offsets.push_back(placed ? offsets[*entry.same_place_as] : static_cast<std::uint32_t>(file.size()));
    if (!placed) file += "PK\3\4" + common + entry.name + entry.content;
    directory +=
        "PK\1\2" + bytes_of<std::uint16_t>(20) + common + std::string(10, '\0') + bytes_of(offsets.back()) + entry.name;
  }
  const auto count = static_cast<std::uint16_t>(entries.size());
  return file + directory + "PK\5\6" + std::string(4, '\0') + bytes_of(count) + bytes_of(count) +
         bytes_of(static_cast<std::uint32_t>(directory.size())) + bytes_of(static_cast<std::uint32_t>(file.size())) +
         std::string(2, '\0');
}

}  // namespace test
