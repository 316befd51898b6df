#include "saw/data/base64.h"

#include <cstddef>
#include <cstdint>

namespace saw::data {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = i; j < i + 3; ++j)
      three = three << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    for (std::size_t digit = 0; digit < 4; ++digit)
      text += i + digit <= bytes.size() ? base64_digits[three >> (18 - 6 * digit) & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t three = 0;
    std::size_t digits = 0;
    for (std::size_t j = i; j < i + 4; ++j) {
      const std::size_t value = base64_digits.find(text[j]);
      if (value != base64_digits.npos && digits == j - i)
        ++digits;
      else if (text[j] != '=' || i + 4 != text.size())
        return std::nullopt;
      three = three << 6 | (digits > j - i ? static_cast<std::uint32_t>(value) : 0U);
    }
    if (digits < 2) return std::nullopt;
    for (std::size_t byte = 0; byte + 1 < digits; ++byte) bytes += static_cast<char>(three >> (16 - 8 * byte) & 0xFF);
  }
  if (to_base64(bytes) != text) return std::nullopt;  // bits where there should be none
  return bytes;
}

}  // namespace saw::data
