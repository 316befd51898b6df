#pragma once

// What the programs that are made of the sections of a page share; see extract.awk.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace page {

/// Whether what a page says is so. Throws with the line of the page. (Clang 14 does not know std::source_location with
/// GCC's library; both compilers know these builtins.)
inline void check(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!holds) throw std::runtime_error(fmt::format("{}:{}: does not hold", file, line));
}

/// Runs the sections; the exit status.
inline int run(const std::vector<std::pair<std::string, void (*)()>>& sections) {
  for (const auto& [title, section] : sections) {
    fmt::print("== {}\n", title);
    std::fflush(stdout);
    saw::manual_seed(1);
    const int status = saw::train::run_program(title.c_str(), section);
    if (status != 0) return status;
  }
  return 0;
}

}  // namespace page

using page::check;
