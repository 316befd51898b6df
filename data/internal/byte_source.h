#pragma once

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "saw/data/file.h"

namespace saw {
namespace data {

/// The bytes of a file or of text in memory, one after the other, with a buffer of fixed size.
class ByteSource {
 public:
  static constexpr int end = -1;

  explicit ByteSource(const std::string& path) : file_(std::in_place, path), buffer_(std::size_t{1} << 16, '\0') {}
  /// Refers to the text.
  explicit ByteSource(std::string_view text) : rest_(text) {}
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// The next byte without taking it; `end` at the end.
  int peek() {
    if (rest_.empty() && !fill()) return end;
    return static_cast<unsigned char>(rest_.front());
  }
  /// Takes the next byte.
  int take() {
    const int byte = peek();
    if (byte != end) rest_.remove_prefix(1);
    return byte;
  }
  /// What is in the buffer, at least one byte but at the end.
  std::string_view ready() {
    if (rest_.empty()) fill();
    return rest_;
  }
  void skip(std::size_t count) { rest_.remove_prefix(count); }

 private:
  bool fill() {
    if (!file_) return false;
    rest_ = std::string_view(buffer_).substr(0, file_->read_some(buffer_.data(), buffer_.size()));
    return !rest_.empty();
  }

  std::optional<InputFile> file_;
  std::string buffer_;
  std::string_view rest_;
};

}  // namespace data
}  // namespace saw
