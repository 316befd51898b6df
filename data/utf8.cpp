#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

constexpr char32_t replacement = 0xFFFD;

// `bytes` is what utf8_length() said, not 0.
char32_t code_point(std::string_view text, std::size_t bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  if (bytes == 1) return byte(0);
  char32_t result = byte(0) & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) result = (result << 6) | (byte(i) & 0x3F);
  return result;
}

template <class F>
void for_each_code_point(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const std::size_t bytes = utf8_length(rest);
    f(bytes == 0 ? replacement : code_point(rest, bytes));
    at += bytes == 0 ? 1 : bytes;
  }
}

bool between(char32_t first, char32_t c, char32_t last) { return first <= c && c <= last; }

char32_t lower(char32_t c) {
  if (between(U'A', c, U'Z')) return c + 32;
  if (c < 0xC0) return c;
  if (between(0xC0, c, 0xDE)) return c == 0xD7 ? c : c + 32;  // 0xD7 is the multiplication sign
  // Latin Extended-A: capitals and small letters alternate, in two phases.
  if (between(0x100, c, 0x12F) || between(0x132, c, 0x137) || between(0x14A, c, 0x177)) return c | 1;
  if (between(0x139, c, 0x148) || between(0x179, c, 0x17E)) return c + (c & 1);
  if (c == 0x178) return 0xFF;
  // Greek.
  if (c == 0x386) return 0x3AC;
  if (between(0x388, c, 0x38A)) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (between(0x391, c, 0x3AB) && c != 0x3A2) return c + 32;
  // Cyrillic.
  if (between(0x400, c, 0x40F)) return c + 80;
  if (between(0x410, c, 0x42F)) return c + 32;
  if (between(0x460, c, 0x481) || between(0x48A, c, 0x4BF) || between(0x4D0, c, 0x52F)) return c | 1;
  return c;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  // The second byte has a narrower range after some first bytes: no overlong forms, no surrogates, nothing too large.
  std::size_t bytes = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    bytes = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    bytes = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    bytes = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < bytes || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < bytes; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return bytes;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t bytes = utf8_length(text.substr(at));
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::nullopt;
}

std::vector<char32_t> decode_utf8(std::string_view text) {
  std::vector<char32_t> result;
  result.reserve(text.size());
  for_each_code_point(text, [&](char32_t c) { result.push_back(c); });
  return result;
}

std::string encode_utf8(char32_t c) {
  if (c > 0x10FFFF || between(0xD800, c, 0xDFFF)) c = replacement;
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | (c >> 6)), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | (c >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (c >> 18)), tail(12), tail(6), tail(0)};
}

std::vector<std::string> split_characters(std::string_view text) {
  std::vector<std::string> result;
  for_each_code_point(text, [&](char32_t c) { result.push_back(encode_utf8(c)); });
  return result;
}

std::string lower_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for_each_code_point(text, [&](char32_t c) { result += encode_utf8(lower(c)); });
  return result;
}

}  // namespace data
}  // namespace saw
