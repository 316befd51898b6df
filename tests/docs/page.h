#pragma once

// What the programs that are made of the sections of a page share; see extract.awk.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cstdio>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace page {

/// Whether what a page says is so. Throws with the line of the page.
inline void check(bool holds, const std::source_location& where = std::source_location::current()) {
  if (!holds) throw std::runtime_error(fmt::format("{}:{}: does not hold", where.file_name(), where.line()));
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
