#include "saw/train/internal/protobuf.h"

#include <bit>

#include "saw/autograd/base/internal/check.h"

namespace saw::train {
namespace {

void append_varint(std::string& text, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(0x80 | (value & 0x7F));
  text += static_cast<char>(value);
}

}  // namespace

void append_fixed(std::string& text, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::uint64_t read_fixed(std::string_view text, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
  return value;
}

void ProtobufWriter::key(std::uint32_t field, unsigned type) { append_varint(text_, field << 3 | type); }

ProtobufWriter& ProtobufWriter::varint(std::uint32_t field, std::uint64_t value) {
  key(field, 0);
  append_varint(text_, value);
  return *this;
}

ProtobufWriter& ProtobufWriter::integer(std::uint32_t field, std::int64_t value) {
  return varint(field, static_cast<std::uint64_t>(value));
}

ProtobufWriter& ProtobufWriter::float64(std::uint32_t field, double value) {
  key(field, 1);
  append_fixed(text_, std::bit_cast<std::uint64_t>(value), 8);
  return *this;
}

ProtobufWriter& ProtobufWriter::float32(std::uint32_t field, float value) {
  key(field, 5);
  append_fixed(text_, std::bit_cast<std::uint32_t>(value), 4);
  return *this;
}

ProtobufWriter& ProtobufWriter::bytes(std::uint32_t field, std::string_view value) {
  key(field, 2);
  append_varint(text_, value.size());
  text_ += value;
  return *this;
}

ProtobufWriter& ProtobufWriter::packed(std::uint32_t field, std::span<const double> values) {
  std::string array;
  for (const double value : values) append_fixed(array, std::bit_cast<std::uint64_t>(value), 8);
  return bytes(field, array);
}

std::uint64_t ProtobufReader::take_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail(ErrorKind::io, "protobuf: a number without an end");
}

std::uint64_t ProtobufReader::take_fixed(std::size_t bytes) {
  if (rest_.size() < bytes) fail(ErrorKind::io, "protobuf: the message ends within a number");
  const std::uint64_t value = read_fixed(rest_, bytes);
  rest_.remove_prefix(bytes);
  return value;
}

bool ProtobufReader::next() {
  if (rest_.empty()) return false;
  const std::uint64_t key = take_varint();
  if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) fail(ErrorKind::io, "protobuf: a field has the number {}", key >> 3);
  field_ = static_cast<std::uint32_t>(key >> 3);
  type_ = static_cast<unsigned>(key & 7);
  if (type_ == 0) {
    value_ = take_varint();
  } else if (type_ == 1) {
    value_ = take_fixed(8);
  } else if (type_ == 5) {
    value_ = take_fixed(4);
  } else if (type_ == 2) {
    const std::uint64_t size = take_varint();
    if (size > rest_.size()) fail(ErrorKind::io, "protobuf: a field is longer than its message");
    bytes_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
  } else {
    fail(ErrorKind::io, "protobuf: a field has the type {}", type_);
  }
  return true;
}

void ProtobufReader::require(unsigned type) const {
  if (type_ != type) fail(ErrorKind::io, "protobuf: field {} has the type {}; expected {}", field_, type_, type);
}

std::int64_t ProtobufReader::integer() const {
  require(0);
  return static_cast<std::int64_t>(value_);
}

double ProtobufReader::float64() const {
  require(1);
  return std::bit_cast<double>(value_);
}

float ProtobufReader::float32() const {
  require(5);
  return std::bit_cast<float>(static_cast<std::uint32_t>(value_));
}

std::string_view ProtobufReader::bytes() const {
  require(2);
  return bytes_;
}

}  // namespace saw::train
