#pragma once

// For sources, not for users: raising saw::Error with a formatted text. The condition is an ordinary `if`, so that the
// value that is printed is the value that was tested, and nothing is formatted unless it failed.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/format.h"

namespace saw {

/// Throws Error(kind, text). Example:
///   if (x.rank() != 2) fail(ErrorKind::shape, "linear: input has the wrong rank; got {}; expected (N, in)",
///   x.shape());
template <class... Arguments>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  throw Error(kind, fmt::format(text, std::forward<Arguments>(arguments)...));
}

}  // namespace saw
