#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace saw::train {

/// The few forms of Protocol Buffers' wire format that event files use. A message is a row of fields, each a key
/// (number · 8 + type) and a value: type 0 a varint (seven bits a byte, least first), 1 eight bytes, 2 a length and so
/// many bytes (texts, messages, packed arrays), 5 four bytes; numbers lie least byte first.
class ProtobufWriter {
 public:
  ProtobufWriter& varint(std::uint32_t field, std::uint64_t value);
  /// int64 and enums: negative ones as their two's complement.
  ProtobufWriter& integer(std::uint32_t field, std::int64_t value);
  ProtobufWriter& float64(std::uint32_t field, double value);
  ProtobufWriter& float32(std::uint32_t field, float value);
  ProtobufWriter& bytes(std::uint32_t field, std::string_view value);
  ProtobufWriter& message(std::uint32_t field, const ProtobufWriter& value) { return bytes(field, value.text_); }
  ProtobufWriter& packed(std::uint32_t field, std::span<const double> values);

  const std::string& text() const { return text_; }

 private:
  void key(std::uint32_t field, unsigned type);

  std::string text_;
};

/// Walks over the fields of a message.
///
///   for (ProtobufReader reader(text); reader.next();) if (reader.field() == 2) step = reader.integer();
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : rest_(message) {}

  /// Goes to the next field; false at the end. Throws Error(io) "protobuf: …" where the message is broken or has a type
  /// that is not one of the four.
  bool next();
  std::uint32_t field() const { return field_; }
  // The value; each throws Error(io) where the field has another type.
  std::int64_t integer() const;
  double float64() const;
  float float32() const;
  std::string_view bytes() const;

 private:
  std::uint64_t take_varint();
  std::uint64_t take_fixed(std::size_t bytes);
  void require(unsigned type) const;

  std::string_view rest_, bytes_;
  std::uint32_t field_ = 0;
  unsigned type_ = 0;
  std::uint64_t value_ = 0;
};

/// The least byte first.
void append_fixed(std::string& text, std::uint64_t value, std::size_t bytes);
std::uint64_t read_fixed(std::string_view text, std::size_t bytes);

}  // namespace saw::train
