#include "saw/train/internal/tfrecord.h"

#include <array>

#include "saw/autograd/base/internal/check.h"
#include "saw/train/internal/protobuf.h"

namespace saw::train {
namespace {

constexpr std::size_t header = 12, footer = 4;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest & 1) != 0 ? rest >> 1 ^ 0x82F63B78U : rest >> 1;
    table[byte] = rest;
  }
  return table;
}

/// A checksum that lies beside its data would be part of the data of an outer checksum, which CRCs take badly.
std::uint32_t masked(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8U;
}

bool has_checksum(std::string_view file, std::size_t at, std::string_view of) {
  return read_fixed(file.substr(at), 4) == masked(of);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> table = make_table();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

std::string tfrecord(std::string_view record) {
  std::string framed;
  append_fixed(framed, record.size(), 8);
  append_fixed(framed, masked(framed), 4);
  framed += record;
  append_fixed(framed, masked(record), 4);
  return framed;
}

bool is_cut_off(std::string_view file, std::size_t at) {
  const std::string_view rest = file.substr(at);
  if (rest.size() < header) return true;
  if (!has_checksum(rest, 8, rest.substr(0, 8))) return false;
  const std::uint64_t size = read_fixed(rest, 8);
  return size > rest.size() - header || rest.size() - header - size < footer;
}

std::optional<std::string_view> next_tfrecord(std::string_view file, std::size_t& at, std::string_view name) {
  if (at == file.size()) return std::nullopt;
  if (is_cut_off(file, at)) fail(ErrorKind::io, "{}: byte {}: the record is cut off", name, at);
  if (!has_checksum(file, at + 8, file.substr(at, 8)))
    fail(ErrorKind::io, "{}: byte {}: the checksum of a record's length is wrong", name, at);
  const std::string_view record = file.substr(at + header, read_fixed(file.substr(at), 8));
  if (!has_checksum(file, at + header + record.size(), record))
    fail(ErrorKind::io, "{}: byte {}: the checksum of a record is wrong", name, at);
  at += header + record.size() + footer;
  return record;
}

}  // namespace saw::train
