#include "saw/data/internal/quote.h"

#include <fmt/format.h>

#include "saw/data/utf8.h"

namespace saw {
namespace data {

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
    else
      result += text.substr(at, bytes);
    at += bytes == 0 ? 1 : bytes;
  }
  return result + '"';
}

}  // namespace data
}  // namespace saw
