#include "saw/data/internal/quote.h"

#include <fmt/format.h>

#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

/// What can make a terminal act or show something else than what is there: the control characters U+0080 to U+009F,
/// line and paragraph separators, and the marks that turn the direction of writing.
bool is_harmful(std::string_view character) {
  if (character.size() == 2) return character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0;
  if (character.size() != 3 || character[0] != '\xE2') return false;
  const auto second = static_cast<unsigned char>(character[1]), third = static_cast<unsigned char>(character[2]);
  return (second == 0x80 && third >= 0xA8 && third <= 0xAE) || (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

}  // namespace

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string result = "\"";
  std::size_t shown = 0;
  for (std::size_t at = 0; at < text.size(); ++shown) {
    if (shown == longest) {
      result += "…";
      break;
    }
    const std::size_t bytes = utf8_length(text.substr(at));
    const auto first = static_cast<unsigned char>(text[at]);
    if (bytes == 0 || first < 0x20 || first == 0x7f)
      result += fmt::format("\\x{:02x}", first);
    else if (is_harmful(text.substr(at, bytes)))
      for (const char byte : text.substr(at, bytes))
        result += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    else
      result += text.substr(at, bytes);
    at += bytes == 0 ? 1 : bytes;
  }
  return result + '"';
}

}  // namespace data
}  // namespace saw
