#include "saw/autograd/base/error.h"

#include <cstddef>
#include <string_view>

#include "saw/autograd/base/module_scope.h"

namespace saw {
namespace {

/// An error that passes on the text of another keeps the place that stands there: it is the same or further inside.
std::string with_place(const std::string& message) {
  const std::string path = current_module_path();
  const std::string place = "; in " + path;
  return path.empty() || message.find(place) != std::string::npos ? message : message + place;
}

bool is_control(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  // In UTF-8 U+0080 to U+009F, which terminals take for control characters too, begin with 0xC2.
  const bool c1 = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
  return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F || c1;
}

/// What a terminal and a log can take, whatever a file, a path or a word has brought into the text: no control
/// characters, and not megabytes of it.
std::string printable(const std::string& message) {
  constexpr std::size_t longest = 1 << 14, beginning = longest * 3 / 4, end = longest / 4;
  const auto is_continuation = [&](std::size_t at) { return (static_cast<unsigned char>(message[at]) & 0xC0) == 0x80; };
  std::size_t first = message.size(), second = message.size();  // what lies between is left out
  if (message.size() > longest) {
    first = beginning;
    second = message.size() - end;
    while (first > beginning - 4 && is_continuation(first)) --first;
    while (second < message.size() - end + 4 && is_continuation(second)) ++second;
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (i == first && first != second) {
      result += " … ";
      i = second;
    }
    const auto byte = static_cast<unsigned char>(message[i]);
    if (is_control(message, i)) {
      result += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
      if (byte != 0xC2) continue;
      const auto next = static_cast<unsigned char>(message[++i]);
      result += {'\\', 'x', digits[next >> 4], digits[next & 15]};
    } else {
      result += message[i];
    }
  }
  return result;
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& message)
    : std::runtime_error(with_place(printable(message))), kind_(kind) {}

const char* to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::argument:
      return "argument";
    case ErrorKind::shape:
      return "shape";
    case ErrorKind::dtype:
      return "dtype";
    case ErrorKind::index:
      return "index";
    case ErrorKind::autograd:
      return "autograd";
    case ErrorKind::io:
      return "io";
    case ErrorKind::memory:
      return "memory";
    case ErrorKind::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace saw
