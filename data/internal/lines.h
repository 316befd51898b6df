#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "saw/autograd/base/internal/check.h"

namespace saw {
namespace data {

/// The lines of a table that people write: a byte order mark, carriage returns before line feeds, empty lines and a
/// missing last line end are no matter. Throws Error(io) `name:line: …` for a NUL byte or invalid UTF-8.
///
///   for (Lines lines(text, path); lines.next();) … lines.line() …
class Lines {
 public:
  /// Refers to text and name, which must outlive it.
  Lines(std::string_view text, std::string_view name);

  /// Goes to the next line that is not empty; false where there is none.
  bool next();
  std::string_view line() const { return line_; }
  std::int64_t number() const { return number_; }

  /// Throws Error(io) about the current line.
  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}:{}: {}", name_, number_, fmt::format(text, std::forward<Arguments>(arguments)...));
  }

 private:
  std::string_view rest_, name_, line_;
  std::int64_t number_ = 0;
};

}  // namespace data
}  // namespace saw
