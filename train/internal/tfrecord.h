#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace saw::train {

/// CRC-32C (Castagnoli, RFC 3720): "123456789" has 0xE3069283.
std::uint32_t crc32c(std::string_view bytes);

/// TensorFlow's frame around a record: its length (8 bytes), the masked CRC-32C of these 8 bytes (4), the record, and
/// the masked CRC-32C of the record (4); least byte first.
std::string tfrecord(std::string_view record);

/// The record that begins at `at`, which moves behind it; nothing at the end of the file. Throws Error(io)
/// "name: byte …: …" where a record is cut off or a checksum is wrong.
std::optional<std::string_view> next_tfrecord(std::string_view file, std::size_t& at, std::string_view name);

/// True where what is left at `at` is too short for the record that it begins, as a killed writer leaves it.
bool is_cut_off(std::string_view file, std::size_t at);

}  // namespace saw::train
