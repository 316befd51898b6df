#include "saw/train/metrics/internal/words.h"

#include "saw/data/utf8.h"

namespace saw::train {

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::vector<std::u32string> split_words(std::u32string_view text) {
  std::vector<std::u32string> words;
  bool inside = false;
  for (const char32_t c : text) {
    if (is_space(c)) {
      inside = false;
    } else if (inside) {
      words.back() += c;
    } else {
      words.emplace_back(1, c);
      inside = true;
    }
  }
  return words;
}

std::u32string code_points(std::string_view text) {
  const std::vector<char32_t> points = data::decode_utf8(text);
  return {points.begin(), points.end()};
}

}  // namespace saw::train
