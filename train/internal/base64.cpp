#include "saw/train/internal/base64.h"

#include <cstdint>

namespace saw::train {
namespace {

int digit_of(char character) {
  if (character >= 'A' && character <= 'Z') return character - 'A';
  if (character >= 'a' && character <= 'z') return character - 'a' + 26;
  if (character >= '0' && character <= '9') return character - '0' + 52;
  if (character == '+') return 62;
  return character == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t digits = text.size();
  while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
  std::string bytes;
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const int digit = digit_of(text[i]);
    if (digit < 0) return std::nullopt;
    word = word << 6 | static_cast<std::uint32_t>(digit);
    const std::size_t bits = i % 4 * 6 + 6;  // that have come of this group; the last 8 of whole bytes are written
    if (i % 4 > 0) bytes += static_cast<char>(word >> (bits % 8) & 0xffU);
  }
  return bytes;
}

}  // namespace saw::train
