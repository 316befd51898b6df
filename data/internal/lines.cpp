#include "saw/data/internal/lines.h"

#include "saw/data/utf8.h"

namespace saw {
namespace data {

Lines::Lines(std::string_view text, std::string_view name) : rest_(text), name_(name) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
}

bool Lines::next() {
  while (!rest_.empty()) {
    ++number_;
    const std::size_t end = rest_.find('\n');
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    if (line_.empty()) continue;
    if (const std::size_t at = line_.find('\0'); at != line_.npos) reject("a NUL byte in column {}", at + 1);
    if (const auto at = find_invalid_utf8(line_)) {
      reject("invalid UTF-8; got byte 0x{:02x} in column {}; hint: convert the file to UTF-8",
             static_cast<unsigned char>(line_[*at]), *at + 1);
    }
    return true;
  }
  return false;
}

}  // namespace data
}  // namespace saw
